/**
 * Which packets a trace chooses beside the filter's own words: replies through NAT, the first of a connection, one connection
 * in several, fragments, and the packets of a bridge, of ARP and of a device. A client, a router that translates, a server.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { nfpath } from "../support/cli.ts";
import { addNetns, deleteNetns, shell } from "../support/namespaces.ts";

const missing = ["nft", "ip", "nsenter", "iptables-legacy"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const [CLIENT, ROUTER, SERVER] = [`nfpSc${process.pid}`, `nfpSr${process.pid}`, `nfpSs${process.pid}`];

const LEGACY = `
  iptables-legacy -t nat -A PREROUTING -i r0 -p udp --dport 53 -j DNAT --to 10.2.0.2:5353
  iptables-legacy -t nat -A PREROUTING -i r0 -p udp --dport 54 -j DNAT --to 10.2.0.2:5354
  iptables-legacy -t nat -A POSTROUTING -o r1 -j MASQUERADE
  iptables-legacy -t raw -A PREROUTING -j ACCEPT`;
const NFT = `nft -f - <<'RULES'
table ip shop {
  chain raw { type filter hook prerouting priority raw; accept; }
  chain to_server { type nat hook prerouting priority dstnat; iifname r0 udp dport { 53, 54 } dnat to 10.2.0.2 : udp dport map { 53 : 5353, 54 : 5354 }; }
  chain as_router { type nat hook postrouting priority srcnat; oifname r1 masquerade; }
}
RULES`;
const NO_RULES = `
  nft flush ruleset
  for table in nat raw; do
    iptables-legacy -t $table -F 2>/dev/null || true; done`;

const UDP_ECHO = `const s=require("dgram").createSocket("udp4");
  s.on("message",(m,r)=>s.send("re:"+m,r.port,r.address));s.bind(5353,()=>console.log("bound"))`;

const ECHO = fileURLToPath(new URL("./send-echo.js", import.meta.url));

/** The words behind `--`: sockets of the client, each of which sends so many datagrams, one after the other's answer or loss. */
function asking(address: string, port: number, { sockets = 1, each = 1, bytes = 2 } = {}): string[] {
  const code = `const dgram=require("node:dgram");let open=${sockets};
    for(let i=0;i<${sockets};i++){const s=dgram.createSocket("udp4");let n=0;let t;s.on("error",()=>{});
      const next=()=>{clearTimeout(t);if(n++===${each}){s.close();return}s.send(Buffer.alloc(${bytes}),${port},"${address}");t=setTimeout(next,100)};
      s.on("message",next);next()}`;
  return ["nsenter", `--net=/run/netns/${CLIENT}`, process.execPath, "-e", code];
}

describe.skipIf(lacks !== null)(`what a trace chooses${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  let server: ChildProcess | null = null;

  beforeAll(async () => {
    for (const name of [CLIENT, ROUTER, SERVER]) await addNetns(name);
    await shell(`
      ip -n ${CLIENT} link add c0 type veth peer name r0 netns ${ROUTER}
      ip -n ${SERVER} link add s0 type veth peer name r1 netns ${ROUTER}
      ip -n ${CLIENT} addr add 10.1.0.2/24 dev c0; ip -n ${ROUTER} addr add 10.1.0.1/24 dev r0
      ip -n ${SERVER} addr add 10.2.0.2/24 dev s0; ip -n ${ROUTER} addr add 10.2.0.1/24 dev r1
      ip -n ${CLIENT} link set c0 up; ip -n ${ROUTER} link set r0 up
      ip -n ${SERVER} link set s0 up; ip -n ${ROUTER} link set r1 up
      ip -n ${CLIENT} route add default via 10.1.0.1; ip -n ${SERVER} route add default via 10.2.0.1`);
    await shell("sysctl -qw net.ipv4.ip_forward=1", ROUTER);
    // The kernel says so up to a second after a cable has been plugged in (`net/core/link_watch.c`).
    await shell("until [ $(ip -br link show up | grep -c '^r[01].* UP ') = 2 ]; do sleep 0.1; done", ROUTER);
    const started = spawn("nsenter", [`--net=/run/netns/${SERVER}`, process.execPath, "-e", UDP_ECHO]);
    server = started;
    await new Promise((resolve) => started.stdout.once("data", resolve));
  });

  afterAll(async () => {
    server?.kill();
    for (const name of [CLIENT, ROUTER, SERVER]) await deleteNetns(name);
  });

  interface Traced {
    readonly journeys: readonly JourneyContract[];
    readonly stderr: string;
  }

  async function trace(
    words: readonly string[],
    command: readonly string[],
    netns = ROUTER,
  ): Promise<Traced> {
    const ran = await nfpath(["trace", ...words, "--netns", netns, "--format", "jsonl", "--", ...command]);
    if (ran.status !== 0) throw new Error(ran.stderr);
    const lines = ran.stdout.split("\n").filter((line) => line !== "");
    return { journeys: lines.map((line) => JSON.parse(line) as JourneyContract), stderr: ran.stderr };
  }

  const ends = ({ packet }: JourneyContract) =>
    `${packet.protocol} ${packet.src}:${packet.dport === 53 ? "*" : packet.sport} > ${packet.dst}`;

  describe.each([
    ["legacy", LEGACY],
    ["nft", NFT],
  ])("through the NAT of %s", (backend, rules) => {
    const asked = ["udp", "and", "dst", "port", "53", "and", "dst", "host", "10.1.0.1"];
    const request = "udp 10.1.0.2:* > 10.1.0.1";
    const reply = "udp 10.2.0.2:5353 > 10.2.0.1";

    beforeAll(() => shell(rules, ROUTER));
    afterAll(() => shell(NO_RULES, ROUTER));

    test("replies are followed back, from their first chain on, and said to be", async () => {
      const { journeys, stderr } = await trace(asked, asking("10.1.0.1", 53, { each: 2 }));
      expect(stderr).toContain("replies too (--no-follow leaves them out)");
      expect(journeys.map(ends)).toEqual([request, reply, request, reply]);
      for (const journey of journeys) {
        expect(journey.outcome.verdict).toBe("forwarded");
        const hosts = journey.steps.filter((step) => !step.own);
        expect(hosts[0]).toMatchObject({
          hook: "prerouting",
          chain: backend === "nft" ? "raw" : "PREROUTING",
        });
      }
    });

    test("--no-follow leaves them out", async () => {
      const words = [...asked, "--no-follow"];
      const { journeys } = await trace(words, asking("10.1.0.1", 53, { each: 2 }));
      expect(journeys.map(ends)).toEqual([request, request]);
    });

    test("an ICMP error that answers is one of the replies", async () => {
      const { journeys } = await trace(["udp", "dst", "port", "54"], asking("10.1.0.1", 54));
      expect(journeys.map(({ packet }) => [packet.protocol, packet.src])).toEqual([
        ["udp", "10.1.0.2"],
        ["icmp", "10.2.0.2"],
      ]);
    });

    test("a chosen reply brings the requests that it answers", async () => {
      const { journeys } = await trace(["src", "host", "10.2.0.2"], asking("10.1.0.1", 53, { each: 3 }));
      expect(journeys.map(ends)).toEqual([reply, request, reply, request, reply]);
    });

    test("an echo reply through NAT is followed", async () => {
      const { journeys } = await trace(
        ["icmp", "and", "dst", "host", "10.2.0.2"],
        ["nsenter", `--net=/run/netns/${CLIENT}`, process.execPath, ECHO, "10.2.0.2", "2"],
      );
      expect(journeys.map(({ packet }) => `${packet.src} > ${packet.dst}`)).toEqual([
        "10.1.0.2 > 10.2.0.2",
        "10.2.0.2 > 10.2.0.1",
        "10.1.0.2 > 10.2.0.2",
        "10.2.0.2 > 10.2.0.1",
      ]);
    });

    test("conntrack is asked only for the version of IP for which it is in use", async () => {
      const ran = await nfpath(["trace", ...asked, "--netns", ROUTER, "--dry-run", "--format", "json"]);
      const { plan } = JSON.parse(ran.stdout) as {
        plan: { changes: { apply: { kind: string; family?: string; command?: string } }[] };
      };
      const tables = plan.changes.map(({ apply }) => apply).filter(({ kind }) => kind === "hold-table");
      expect(
        tables.map(({ family, command }) => [family, / ct (id|direction) /.test(command ?? "")]),
      ).toEqual([
        ["ip", true],
        ["ip6", false],
      ]);
    });
  });

  test("where conntrack is not in use replies are followed by their ends, and it stays off", async () => {
    const { journeys } = await trace(
      ["udp", "dst", "port", "5353"],
      asking("10.2.0.2", 5353, { each: 2 }),
      CLIENT,
    );
    expect(journeys.map(({ packet }) => packet.src)).toEqual([
      "10.1.0.2",
      "10.2.0.2",
      "10.1.0.2",
      "10.2.0.2",
    ]);
    expect(await shell("cat /proc/sys/net/netfilter/nf_conntrack_count", CLIENT)).toBe("0\n");
  });

  test("--first traces each connection's first packets, each direction counted by itself", async () => {
    const { journeys, stderr } = await trace(
      ["udp", "port", "5353", "--first", "2"],
      asking("10.2.0.2", 5353, { sockets: 3, each: 5 }),
    );
    const counts = new Map<string, number>();
    for (const { packet } of journeys) {
      const direction = `${packet.src}:${packet.sport} > ${packet.dst}:${packet.dport}`;
      counts.set(direction, (counts.get(direction) ?? 0) + 1);
    }
    expect(stderr).toContain("the first 2 packets");
    expect(stderr).not.toContain("gap");
    expect([...counts.values()]).toEqual([2, 2, 2, 2, 2, 2]);
  });

  test("--sample traces whole connections, and not all of them", async () => {
    const { journeys } = await trace(
      ["udp", "port", "5353", "--sample", "1/4"],
      asking("10.2.0.2", 5353, { sockets: 60, each: 2 }),
    );
    const counts = new Map<number, number>();
    for (const { packet } of journeys) {
      const port = packet.dport === 5353 ? packet.sport : packet.dport;
      if (port !== null) counts.set(port, (counts.get(port) ?? 0) + 1);
    }
    expect(counts.size).toBeGreaterThan(0);
    expect(counts.size).toBeLessThan(60);
    expect(new Set(counts.values())).toEqual(new Set([4]));
  });

  test("--fragments shows fragments as they came, and the packet that was made of them", async () => {
    await shell(NFT, ROUTER);
    try {
      const words = ["udp", "and", "src", "host", "10.1.0.2"];
      const big = asking("10.2.0.2", 9, { bytes: 4000 });
      const whole = await trace([...words, "--no-follow"], big);
      expect(whole.journeys.map(({ packet }) => packet.length)).toEqual([4028]);
      const { journeys } = await trace([...words, "--no-follow", "--fragments"], big);
      const fragments = journeys.filter(({ packet }) => packet.length !== 4028);
      expect(fragments.map(({ packet }) => packet.length)).toEqual([1500, 1500, 1068]);
      for (const { outcome } of fragments) expect(outcome.verdict).toBe("unknown");
      const made = journeys.filter(({ packet }) => packet.length === 4028);
      expect(made).toMatchObject([{ outcome: { verdict: "forwarded" } }]);
      expect(made[0]?.fragments.map(({ journey }) => journey)).toEqual(fragments.map(({ id }) => id));
      for (const { fragmentOf } of fragments)
        expect(fragmentOf).toEqual({ journey: made[0]?.id, by: "same-identification", alike: [] });
    } finally {
      await shell(NO_RULES, ROUTER);
    }
  });

  test("two namespaces at once show one packet in both", async () => {
    const { journeys } = await trace(
      ["udp", "dst", "port", "5353", "--no-follow", "--netns", SERVER],
      asking("10.2.0.2", 5353),
    );
    const [journey, ...others] = journeys;
    expect(others).toEqual([]);
    expect([journey?.netns, journey?.outcomeHere?.verdict]).toEqual([ROUTER, "forwarded"]);
    expect(journey?.parts.map(({ netns, outcome }) => [netns, outcome.verdict])).toEqual([
      [SERVER, "delivered"],
    ]);
    expect(journey?.parts[0]?.packet.ipId).toBe(journey?.packet.ipId);
  });

  test("--family arp shows who asks and who answers", async () => {
    await shell("ip neigh flush dev s0", SERVER);
    const { journeys } = await trace(
      ["host", "10.2.0.1", "--family", "arp"],
      ["nsenter", `--net=/run/netns/${SERVER}`, process.execPath, ECHO, "10.2.0.1", "1"],
      SERVER,
    );
    expect(journeys.slice(0, 2).map(({ family, outcome }) => [family, outcome.verdict])).toEqual([
      ["arp", "sent"],
      ["arp", "delivered"],
    ]);
  });

  test("--ingress and --egress choose at a device, where its own rules drop", async () => {
    await shell(
      `nft 'table netdev gate { chain in { type filter hook ingress device "r0" priority 0; udp dport 7777 drop; }; }'`,
      ROUTER,
    );
    try {
      const { journeys } = await trace(
        ["udp", "dst", "port", "7777", "--family", "netdev", "--ingress", "r0"],
        asking("10.2.0.2", 7777),
      );
      expect(journeys).toMatchObject([{ outcome: { verdict: "dropped", cause: "rule-drop" } }]);
      expect(journeys[0]?.steps.map(({ hook, table }) => [hook, table])).toContainEqual(["ingress", "gate"]);
      const left = await trace(
        ["udp", "dst", "port", "7778", "--family", "netdev", "--egress", "r1"],
        asking("10.2.0.2", 7778),
      );
      expect(left.journeys.map(({ steps }) => steps.at(-1)?.hook)).toEqual(["egress"]);
    } finally {
      await shell(NO_RULES, ROUTER);
    }
  });

  test("--family bridge shows a frame on its way over the bridge", async () => {
    // The router's cables become the ports of a bridge: nobody else is in between any more.
    await shell(`
      ip -n ${ROUTER} link add br0 type bridge; ip -n ${ROUTER} link set br0 up
      ip -n ${ROUTER} link set r0 master br0; ip -n ${ROUTER} link set r1 master br0
      ip -n ${CLIENT} addr add 10.3.0.1/24 dev c0; ip -n ${SERVER} addr add 10.3.0.2/24 dev s0`);
    await shell(
      "nft 'table bridge fw { chain f { type filter hook forward priority 0; udp dport 7780 drop; }; }'",
      ROUTER,
    );
    const passed = await trace(
      ["udp", "dst", "port", "7779", "--family", "bridge"],
      asking("10.3.0.2", 7779),
    );
    expect(passed.journeys).toHaveLength(1);
    expect(passed.journeys[0]).toMatchObject({
      packet: { in: "r0" },
      outcome: { verdict: "forwarded", out: "r1" },
    });
    expect(passed.journeys[0]?.steps.map(({ hook }) => hook)).toEqual(
      expect.arrayContaining(["prerouting", "forward", "postrouting"]),
    );
    const dropped = await trace(
      ["udp", "dst", "port", "7780", "--family", "bridge"],
      asking("10.3.0.2", 7780),
    );
    expect(dropped.journeys).toMatchObject([{ outcome: { verdict: "dropped", cause: "rule-drop" } }]);
    await shell(`ip -n ${ROUTER} addr add 10.3.0.3/24 dev br0`);
    const up = await trace(
      [
        "udp",
        "dst",
        "port",
        "7781",
        "--family",
        "inet",
        "--family",
        "bridge",
        "--ingress",
        "r0",
        "--no-follow",
      ],
      asking("10.3.0.3", 7781),
    );
    // A packet through three families' hooks is one journey.
    expect(up.journeys).toMatchObject([{ outcome: { verdict: "rejected", cause: "no-listener" } }]);
    expect(up.journeys[0]?.steps[0]?.hook).toBe("ingress");
  });

  test("a device that is not there: one line that says what to do", async () => {
    const { status, stderr } = await nfpath([...["trace", "udp", "--netns", ROUTER, "--ingress", "nope0"]]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/there is no device nope0 in namespace/);
  });
});
