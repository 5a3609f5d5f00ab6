/** Routing in what a person sees: the log and the outputs of `ip` and `sysctl` are all that was sent. */
import { describe, expect, test } from "vitest";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { TraceLog } from "../../support/trace-log.ts";

const HOST = `# ip address
2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    inet 203.0.113.1/24 brd 203.0.113.255 scope global eth0
3: docker0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    inet 172.18.0.1/16 brd 172.18.255.255 scope global docker0
# ip route
203.0.113.0/24 dev eth0 proto kernel scope link src 203.0.113.1
172.18.0.0/16 dev docker0 proto kernel scope link src 172.18.0.1
# sysctl -a
net.ipv4.conf.all.rp_filter = 1
net.ipv4.conf.eth0.rp_filter = 0
net.ipv4.conf.eth0.forwarding = 1
net.ipv4.conf.all.accept_local = 0
net.ipv4.conf.eth0.accept_local = 0
net.ipv4.conf.all.src_valid_mark = 0
net.ipv4.conf.eth0.src_valid_mark = 0
`;
const RULES = `*raw
:PREROUTING ACCEPT [0:0]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p udp --dport 53 -j DNAT --to-destination 172.18.0.2
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
COMMIT
`;
const packet = { src: "203.0.113.9", dst: "203.0.113.1", in: "eth0" };
const translated = { ...packet, dst: "172.18.0.2", out: "docker0", ttl: 63 };

/** The tree's line, and no finding that speaks of routing. */
const LINE = / routing (?:to|for|no|rp_filter|not|blackhole) /;

async function treeOf(log: TraceLog, host = HOST): Promise<string> {
  const { tree } = await explainInputs([
    textInput("log", log.text),
    textInput("host", host),
    textInput("rules", RULES),
  ]);
  return tree.replace(/\s+/g, " ");
}

describe("the routing line", () => {
  test("names the route of the packet as it was behind DNAT", async () => {
    const log = new TraceLog().at("nat:PREROUTING:rule:1", packet).at("filter:FORWARD:policy:1", translated);
    expect(await treeOf(log)).toContain("routing to docker0 by 172.18.0.0/16 of table main, ttl 64 → 63");
  });

  test("says where the listed routes lead elsewhere", async () => {
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:1", packet)
      .at("filter:FORWARD:policy:1", { ...translated, out: "wg0" });
    expect(await treeOf(log)).toContain(
      "to wg0, while by the snapshot: to docker0 by 172.18.0.0/16 of table main",
    );
  });

  test("of a packet that is not seen again, tells what routing made of it", async () => {
    const spoofed = { ...packet, src: "172.18.0.77", dst: "203.0.113.1", dport: 99 };
    const log = new TraceLog().at("nat:PREROUTING:policy:2", spoofed);
    expect(await treeOf(log)).toContain(
      "routing rp_filter drops it: the way back to 172.18.0.77 leads to docker0 by 172.18.0.0/16 of table main",
    );
    const lost = new TraceLog().at("nat:PREROUTING:policy:2", { ...packet, dst: "198.51.100.7", dport: 99 });
    expect(await treeOf(lost)).toContain("routing no route to 198.51.100.7");
  });

  test("is silent about loopback's packets, which keep the route that they were sent by", async () => {
    const own = { src: "203.0.113.1", dst: "203.0.113.1", dport: 99 };
    const log = (device: string) =>
      new TraceLog()
        .at("nat:PREROUTING:policy:2", { ...own, in: device })
        .at("filter:INPUT:policy:1", { ...own, in: device });
    expect(await treeOf(log("lo"))).not.toMatch(/routing/);
    // Of the same packet from a cable it can be asked.
    expect(await treeOf(log("eth0"))).toMatch(/routing martian source 203\.0\.113\.1/);
  });

  test("is silent where the packet may have been translated since it was seen last", async () => {
    expect(await treeOf(new TraceLog().at("raw:PREROUTING:policy:1", packet))).not.toMatch(LINE);
    expect(await treeOf(new TraceLog().at("nat:PREROUTING:rule:1", packet))).not.toMatch(LINE);
  });

  test("and where nothing is known of the host", async () => {
    const log = new TraceLog().at("raw:PREROUTING:policy:1", packet).at("filter:INPUT:policy:1", packet);
    expect(await treeOf(log, "nothing")).not.toMatch(LINE);
    expect(await treeOf(log)).toContain("routing for this host by 203.0.113.1 of table local");
  });

  test("programs get it with its route, its rule and what was taken for granted", async () => {
    const log = new TraceLog().at("raw:PREROUTING:policy:1", packet).at("filter:INPUT:policy:1", packet);
    const { journeys } = await explainInputs([textInput("log", log.text), textInput("host", HOST)]);
    expect(journeys[0]?.routing).toMatchObject([
      {
        beforeStep: 1,
        what: "for this host by 203.0.113.1 of table local",
        at: "reception",
        reception: {
          kind: "local",
          route: { route: { table: "local" }, assumptions: [expect.any(String), expect.any(String)] },
        },
        kernel: null,
      },
    ]);
  });
});

describe("a packet that OUTPUT has changed", () => {
  const host = `# ip address
2: eth0: <UP,LOWER_UP> mtu 1500 state UP
    inet 203.0.113.1/24 scope global eth0
3: wg0: <UP,LOWER_UP> mtu 1420 state UP
    inet 10.8.0.2/24 scope global wg0
# ip rule
0:\tfrom all lookup local
100:\tfrom all fwmark 0x1 lookup vpn
32766:\tfrom all lookup main
# ip route
default via 203.0.113.254 dev eth0
203.0.113.0/24 dev eth0 scope link
# ip route show table vpn
default dev wg0 scope link
`;
  const made = { src: "203.0.113.1", dst: "198.51.100.7", out: "eth0" };
  const rules = (table: string) =>
    `*${table}\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -j MARK --set-mark 1\nCOMMIT\n*security\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n`;

  const treeWith = async (table: string) => {
    const log = new TraceLog()
      .at(`${table}:OUTPUT:rule:1`, made)
      .at(`${table}:OUTPUT:policy:2`, { ...made, mark: 1 })
      .at("security:OUTPUT:policy:1", { ...made, mark: 1 });
    const { tree } = await explainInputs([
      textInput("log", log.text),
      textInput("host", host),
      textInput("rules", rules(table)),
    ]);
    return tree.replace(/\s+/g, " ");
  };

  test("by mangle, is routed once more by what it was then", async () => {
    const tree = await treeWith("mangle");
    expect(tree).toContain("routing to eth0 via 203.0.113.254 by default of table main OUTPUT");
    expect(tree).toContain("routing to wg0 by default of table vpn");
  });

  test("by filter, is not: its way was chosen before", async () => {
    const tree = await treeWith("filter");
    expect(tree).toContain("routing to eth0 via 203.0.113.254 by default of table main OUTPUT");
    expect(tree).not.toContain("wg0");
  });
});

describe("a packet of a VRF", () => {
  const host = `${HOST}# ip -d link
7: red: <MASTER,UP,LOWER_UP> mtu 1500 state UP
    link/ether 02:00:00:00:00:07 brd ff:ff:ff:ff:ff:ff
    vrf table 10
2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 master red state UP
`;

  test("has not vanished behind its interface's PREROUTING: it comes again by the VRF", async () => {
    const log = new TraceLog().at("raw:PREROUTING:policy:1", packet);
    const outcomeOn = async (text: string) =>
      (
        await explainInputs([textInput("log", log.text), textInput("host", text), textInput("rules", RULES)])
      ).explained.map(({ outcome }) => [outcome.verdict, outcome.missing]);
    expect(await outcomeOn(host)).toEqual([
      ["unknown", "eth0 belongs to VRF red: it goes on in the journey that comes in by red"],
    ]);
    expect(await outcomeOn(HOST)).toEqual([["vanished", expect.any(String)]]);
  });
});
