/** What follows from rules, listings and other packets, where no trace says it: each test leaves one thing out that must matter. */
import { describe, expect, test } from "vitest";
import type { JourneyContract } from "../../../src/core/views/contract.ts";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { TraceLog } from "../../support/trace-log.ts";

async function explain(log: TraceLog, ...others: readonly string[]): Promise<readonly JourneyContract[]> {
  const inputs = others.map((text, at) => textInput(`input${at}`, text));
  return (await explainInputs([textInput("log", log.text), ...inputs])).journeys;
}

function codes(journey: JourneyContract | undefined): readonly string[] {
  return journey?.findings.map(({ cause }) => cause) ?? [];
}

function rules(forward: readonly string[], policy = "ACCEPT", more = ""): string {
  return [
    "*filter",
    ":INPUT ACCEPT [0:0]",
    `:FORWARD ${policy} [0:0]`,
    ":OUTPUT ACCEPT [0:0]",
    more,
    ...forward.map((rule) => `-A FORWARD ${rule}`),
    "COMMIT",
    "",
  ]
    .filter((line, at) => line !== "" || at > 6)
    .join("\n");
}

const SEGMENT = {
  protocol: "TCP",
  dport: 80,
  in: "eth0",
  rest: "SEQ=1 ACK=1 WINDOW=500 RES=0x00 ACK PSH URGP=0",
};
const FORWARDED = { ...SEGMENT, out: "eth1", ttl: 63 };

describe("conntrack-invalid", () => {
  const dropped = (place: string) =>
    new TraceLog().at("mangle:PREROUTING:policy:1", SEGMENT).at(place, FORWARDED);

  test("is the cause where the rule that dropped asks for INVALID alone", async () => {
    const [one] = await explain(
      dropped("filter:FORWARD:rule:1"),
      rules(["-m conntrack --ctstate INVALID -j DROP"]),
    );
    expect(one?.outcome).toMatchObject({ verdict: "dropped", cause: "conntrack-invalid" });
    expect(codes(one)).not.toContain("rule-drop");
  });

  test("is the cause where the rule is in a chain that packets which are INVALID jump to", async () => {
    const log = dropped("filter:FORWARD:rule:1").at("filter:lost:rule:1", FORWARDED);
    const [one] = await explain(
      log,
      rules(["-m state --state INVALID -j lost", "-j ACCEPT"], "ACCEPT", ":lost - [0:0]").replace(
        "COMMIT",
        "-A lost -p tcp -j DROP\nCOMMIT",
      ),
    );
    expect(one?.outcome).toMatchObject({ verdict: "dropped", cause: "conntrack-invalid" });
  });

  test("is not, where the rule drops NEW too and nothing tells which it was", async () => {
    const [one] = await explain(
      dropped("filter:FORWARD:rule:1"),
      rules(["-m conntrack --ctstate INVALID,NEW -j DROP"]),
    );
    expect(one?.outcome.cause).toBe("rule-drop");
  });

  test("is, where an earlier rule takes all that are NEW", async () => {
    const [one] = await explain(
      dropped("filter:FORWARD:rule:2"),
      rules(["-m conntrack --ctstate NEW,UNTRACKED -j ACCEPT", "-m conntrack --ctstate INVALID,NEW -j DROP"]),
    );
    expect(one?.outcome.cause).toBe("conntrack-invalid");
  });

  test("is a warning where a rule for every other state passed it over", async () => {
    const accept = "-m conntrack --ctstate NEW,ESTABLISHED,RELATED,UNTRACKED -j ACCEPT";
    const [one] = await explain(dropped("filter:FORWARD:policy:2"), rules([accept], "DROP"));
    expect(one?.outcome.cause).toBe("policy-drop");
    expect(one?.findings.find(({ cause }) => cause === "conntrack-invalid")?.severity).toBe("warning");
  });

  test("is not told where that rule asks for a port as well", async () => {
    const accept =
      "-p tcp -m tcp --dport 22 -m conntrack --ctstate NEW,ESTABLISHED,RELATED,UNTRACKED -j ACCEPT";
    const [one] = await explain(dropped("filter:FORWARD:policy:2"), rules([accept], "DROP"));
    expect(codes(one)).not.toContain("conntrack-invalid");
  });
});

describe("conntrack-full", () => {
  const log = new TraceLog()
    .at("raw:PREROUTING:policy:1", { in: "eth0", dport: 1 })
    .at("mangle:PREROUTING:policy:1", { in: "eth0", dport: 1 })
    .at("filter:FORWARD:policy:1", { in: "eth0", out: "eth1", ttl: 63, dport: 1 })
    .at("raw:PREROUTING:policy:1", { in: "eth0", id: 8 });
  const conntrack = (count: number) =>
    `# sysctl -a\nnet.netfilter.nf_conntrack_count = ${count}\nnet.netfilter.nf_conntrack_max = 100\n`;

  test("is the cause of what is gone behind raw, where the table was full", async () => {
    const journeys = await explain(log, rules([]), conntrack(100));
    expect(journeys[1]?.outcome).toMatchObject({ verdict: "dropped", cause: "conntrack-full" });
  });

  test("is not, where there was room", async () => {
    const journeys = await explain(log, rules([]), conntrack(99));
    expect(journeys[1]?.outcome).toMatchObject({ verdict: "vanished", cause: null });
  });
});

describe("queue-no-listener", () => {
  const log = new TraceLog()
    .at("mangle:PREROUTING:policy:1", { in: "eth0" })
    .at("filter:FORWARD:rule:1", { in: "eth0", out: "eth1", ttl: 63 });
  const listing = rules(["-p udp -j NFQUEUE --queue-balance 2:3"]);
  const queues = (lines: string) => `# cat /proc/net/netfilter/nfnetlink_queue\n${lines}`;
  const row = (number: number) => `    ${number}   4711     0 2 65531     0     0        0  1\n`;

  test("is the cause where nobody waits on any of the rule's queues", async () => {
    for (const text of [queues(""), queues(row(0))]) {
      const [one] = await explain(log, listing, text);
      expect(one?.outcome).toMatchObject({ verdict: "dropped", cause: "queue-no-listener" });
    }
  });

  test("is not, where somebody does, or the file could not be read", async () => {
    const denied = queues("cat: /proc/net/netfilter/nfnetlink_queue: Permission denied\n");
    for (const text of [queues(row(3)), denied]) {
      const [one] = await explain(log, listing, text);
      expect(one?.outcome).toMatchObject({ verdict: "queued", cause: null });
    }
  });
});

describe("snat-not-reached", () => {
  const nat = (last: string) =>
    [
      "*nat",
      ":PREROUTING ACCEPT [0:0]",
      ":POSTROUTING ACCEPT [0:0]",
      "-A POSTROUTING -d 198.51.100.0/24 -j ACCEPT",
      last,
      "COMMIT",
      "",
    ].join("\n");
  const log = new TraceLog()
    .at("nat:PREROUTING:policy:1", { in: "eth0" })
    .at("nat:POSTROUTING:rule:1", { in: "eth0", out: "eth1", ttl: 63 });

  test("is told where the rule behind would have translated this packet", async () => {
    const [one] = await explain(log, nat("-A POSTROUTING -o eth1 -j MASQUERADE"));
    expect(codes(one)).toContain("snat-not-reached");
  });

  test("is not, where it would not", async () => {
    const [one] = await explain(log, nat("-A POSTROUTING -o eth2 -j MASQUERADE"));
    expect(codes(one)).not.toContain("snat-not-reached");
  });
});

describe("hairpin-without-snat", () => {
  const came = { in: "br0", src: "192.0.2.2", dst: "203.0.113.1", dport: 80 };
  const log = new TraceLog()
    .at("nat:PREROUTING:rule:1", came)
    .at("filter:FORWARD:policy:1", { ...came, dst: "192.0.2.3", out: "br0", ttl: 63 });
  const listing = [
    "*nat",
    ":PREROUTING ACCEPT [0:0]",
    "-A PREROUTING -d 203.0.113.1/32 -j DNAT --to-destination 192.0.2.3",
    "COMMIT",
    rules([]),
  ].join("\n");
  const address = (text: string) => `# ip address
3: br0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    inet ${text} scope global br0
`;

  test("is told where both ends are neighbours", async () => {
    const [one] = await explain(log, listing, address("192.0.2.1/24"));
    expect(codes(one)).toContain("hairpin-without-snat");
  });

  test("is not, where a router is between them", async () => {
    const [one] = await explain(log, listing, address("192.0.2.1/31"));
    expect(codes(one)).not.toContain("hairpin-without-snat");
  });
});

describe("bridged", () => {
  const HOST = `# ip address
3: br0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    inet 192.0.2.1/24 scope global br0
4: p1@if2: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master br0 state UP
`;
  const packet = { in: "br0", src: "192.0.2.2", dst: "192.0.2.3" };
  const passed = (ttl: number) =>
    new TraceLog()
      .at("mangle:PREROUTING:policy:1", packet)
      .at("filter:FORWARD:policy:1", { ...packet, out: "br0", ttl });

  test("is told of what left a bridge by itself with the TTL that it came with", async () => {
    const [one] = await explain(passed(64), rules([]), HOST);
    expect(codes(one)).toContain("bridged");
  });

  test("is not told of what was routed back", async () => {
    const [one] = await explain(passed(63), rules([]), HOST);
    expect(codes(one)).not.toContain("bridged");
  });
});

describe("no-listener", () => {
  const syn = {
    protocol: "TCP",
    dst: "192.0.2.9",
    dport: 80,
    in: "eth0",
    rest: "SEQ=7 ACK=0 WINDOW=500 RES=0x00 SYN URGP=0",
  };
  const answer = (flags: string) => ({
    protocol: "TCP",
    src: "192.0.2.9",
    dst: "192.0.2.1",
    sport: 80,
    dport: 40000,
    id: 0,
    out: "eth0",
    rest: `SEQ=0 ACK=8 WINDOW=0 RES=0x00 ${flags} URGP=0`,
  });
  const conversation = (flags: string) =>
    new TraceLog().at("filter:INPUT:policy:1", syn).at("filter:OUTPUT:policy:1", answer(flags));

  test("is the cause where the host itself answers with a reset", async () => {
    const [one] = await explain(conversation("ACK RST"), rules([]));
    expect(one?.outcome).toMatchObject({ verdict: "rejected", cause: "no-listener" });
  });

  test("is not, where it accepts, or the listing has a socket", async () => {
    const listening =
      "State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\nLISTEN 0      128    0.0.0.0:80      0.0.0.0:*\n";
    for (const journeys of [
      await explain(conversation("ACK SYN"), rules([])),
      await explain(conversation("ACK RST"), rules([]), listening),
    ])
      expect(journeys[0]?.outcome).toMatchObject({ verdict: "delivered", cause: null });
  });
});
