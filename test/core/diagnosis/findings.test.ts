import { describe, expect, test } from "vitest";
import type { JourneyContract } from "../../../src/core/views/contract.ts";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { TraceLog } from "../../support/trace-log.ts";

const NAT = [
  "*nat",
  ":PREROUTING ACCEPT [0:0]",
  ":INPUT ACCEPT [0:0]",
  ":OUTPUT ACCEPT [0:0]",
  ":POSTROUTING ACCEPT [0:0]",
  "-A PREROUTING -p udp -m udp --dport 53 -j DNAT --to-destination 10.0.0.2:5353",
  "-A POSTROUTING -s 192.0.2.0/24 -j SNAT --to-source 203.0.113.7",
  "COMMIT",
  "",
].join("\n");

async function explain(log: TraceLog, rules = NAT): Promise<readonly JourneyContract[]> {
  return (await explainInputs([textInput("log", log.text), textInput("rules", rules)])).journeys;
}

function finding(journey: JourneyContract | undefined, cause: string) {
  return journey?.findings.find((candidate) => candidate.cause === cause);
}

/** A request through the DNAT and SNAT of `NAT`; `isFirst`: nat is asked. */
function request(log: TraceLog, id: number, isFirst: boolean): TraceLog {
  const came = { id, in: "eth0" };
  const went = { id, in: "eth0", out: "eth1", ttl: 63, dst: "10.0.0.2", dport: 5353 };
  log.at("mangle:PREROUTING:policy:1", came);
  if (isFirst) log.at("nat:PREROUTING:rule:1", came);
  log.at("mangle:FORWARD:policy:1", went).at("mangle:POSTROUTING:policy:1", went);
  if (isFirst) log.at("nat:POSTROUTING:rule:1", went);
  return log;
}

/** The answer, as it comes back to the translated source. */
function reply(log: TraceLog, id: number): TraceLog {
  const came = { id, src: "10.0.0.2", sport: 5353, dst: "192.0.2.1", dport: 40000, in: "eth1" };
  return log
    .at("mangle:PREROUTING:policy:1", came)
    .at("mangle:FORWARD:policy:1", { ...came, out: "eth0", ttl: 63 })
    .at("mangle:POSTROUTING:policy:1", { ...came, out: "eth0", ttl: 63 });
}

describe("address translation", () => {
  test("dnat and snat name the rule, the addresses and the evidence", async () => {
    const [first] = await explain(request(new TraceLog(), 1, true));
    expect(finding(first, "dnat")).toMatchObject({ severity: "info", evidence: [1] });
    expect(finding(first, "dnat")?.what).toContain(
      "nat:PREROUTING rule 1 sent it to 10.0.0.2:5353 instead of 198.51.100.1:53",
    );
    expect(finding(first, "dnat")?.what).toContain("INPUT's never see it");
    expect(finding(first, "dnat")?.try).toBe("iptables -t nat -L PREROUTING -n -v --line-numbers");
    expect(finding(first, "snat")?.what).toContain("203.0.113.7");
    expect(finding(first, "snat")?.evidence).toEqual([4]);
    expect(finding(first, "nat-from-conntrack")).toBeUndefined();
  });

  test("a change of both address and port is one change in words, two in the data", async () => {
    const [first] = await explain(request(new TraceLog(), 1, true));
    expect(first?.steps[1]?.changes).toEqual([
      { field: "dst", from: "198.51.100.1", to: "10.0.0.2", by: "rule" },
      { field: "dport", from: 53, to: 5353, by: "rule" },
    ]);
  });

  test("without a listing the nat rule that was matched is believed to have done it", async () => {
    const [first] = await explain(request(new TraceLog(), 1, true), "nothing");
    expect(finding(first, "dnat")?.what).toContain("nat:PREROUTING rule 1 sent it to 10.0.0.2:5353");
  });

  test("later packets and replies are rewritten from conntrack, and the first packet shows how", async () => {
    const log = reply(request(reply(request(new TraceLog(), 1, true), 2), 3, false), 4);
    const journeys = await explain(log);
    expect(journeys).toHaveLength(4);
    expect(finding(journeys[2], "nat-from-conntrack")?.what).toBe(
      "its destination 198.51.100.1:53 became 10.0.0.2:5353 without a nat chain, as journey 1 shows",
    );
    for (const answer of [journeys[1], journeys[3]]) {
      expect(finding(answer, "nat-from-conntrack")?.what).toContain(
        "its source 10.0.0.2:5353 goes back to 198.51.100.1:53",
      );
    }
    expect(journeys.map((journey) => journey.answeredBy?.id ?? null)).toEqual(["2", null, "4", null]);
  });

  test("a connection that nobody translates has no such finding", async () => {
    const log = new TraceLog()
      .at("nat:PREROUTING:policy:3", { id: 1, in: "eth0" })
      .at("filter:INPUT:policy:1", { id: 1, in: "eth0" })
      .at("filter:INPUT:policy:1", { id: 2, in: "eth0" });
    const journeys = await explain(log, "nothing");
    expect(journeys.map((journey) => finding(journey, "nat-from-conntrack"))).toEqual([undefined, undefined]);
  });
});

describe("defragmented", () => {
  const big = (more: object) =>
    new TraceLog().at("raw:PREROUTING:policy:2", { in: "eth0", length: 1528, ...more });

  test("a UDP packet that is longer than an Ethernet frame takes", async () => {
    const [journey] = await explain(big({}));
    expect(finding(journey, "defragmented")?.what).toContain("1500 bytes of payload, 28 more than one takes");
  });

  test.each([
    ["that fits", { length: 1500 }],
    ["that must not be fragmented", { dontFragment: true }],
    ["over loopback", { in: "lo" }],
    [
      "of TCP, which receive offload glues",
      { protocol: "TCP", rest: "SEQ=1 ACK=2 WINDOW=1 RES=0x00 ACK URGP=0" },
    ],
  ])("not one %s", async (_name, more) => {
    const [journey] = await explain(big(more));
    expect(journey).toBeDefined();
    expect(finding(journey, "defragmented")).toBeUndefined();
  });
});

describe("causes of a drop", () => {
  test("a rule without conditions names the rule that led to its chain", async () => {
    const rules = [
      "*filter",
      ":INPUT ACCEPT [0:0]",
      ":FORWARD ACCEPT [0:0]",
      ":OUTPUT ACCEPT [0:0]",
      ":blocked - [0:0]",
      "-A INPUT -s 192.0.2.0/24 -j blocked",
      "-A blocked -j DROP",
      "COMMIT",
      "",
    ].join("\n");
    const log = new TraceLog()
      .at("filter:INPUT:rule:1", { in: "eth0" })
      .at("filter:blocked:return:1", { in: "eth0" });
    const [journey] = await explain(log, rules);
    expect(journey?.outcome).toMatchObject({ verdict: "dropped", cause: "rule-drop" });
    expect(finding(journey, "rule-drop")?.why).toBe(
      "-j DROP; filter:INPUT rule 1 led there: -s 192.0.2.0/24 -j blocked",
    );
  });

  test("every finding says what would prove it wrong, and has evidence among the steps", async () => {
    const journeys = await explain(reply(request(new TraceLog(), 1, true), 2));
    const findings = journeys.flatMap((journey) =>
      journey.findings.map((one) => ({ ...one, steps: journey.steps.length })),
    );
    expect(findings.length).toBeGreaterThan(2);
    for (const one of findings) {
      expect(one.wouldBeWrongIf).not.toBe("");
      expect(one.what).not.toBe("");
      for (const at of one.evidence) expect(at).toBeLessThan(one.steps);
    }
  });

  test("a chain whose name a shell would read is quoted in what to try", async () => {
    const log = new TraceLog()
      .at("filter:INPUT:rule:1", { in: "eth0" })
      .at("filter:$(reboot):rule:1", { in: "eth0" });
    const rules = [
      "*filter",
      ":INPUT ACCEPT [0:0]",
      ":FORWARD ACCEPT [0:0]",
      ":OUTPUT ACCEPT [0:0]",
      ":$(reboot) - [0:0]",
      "-A INPUT -p udp -j $(reboot)",
      "-A $(reboot) -p udp -j DROP",
      "COMMIT",
      "",
    ].join("\n");
    const [journey] = await explain(log, rules);
    expect(finding(journey, "rule-drop")?.try).toContain("-L '$(reboot)' ");
  });
});

describe("rules-missing", () => {
  test("names the rules whose text nobody gave, and the command that gives it", async () => {
    const log = new TraceLog()
      .at("mangle:PREROUTING:rule:2", { in: "eth0" })
      .at("mangle:PREROUTING:policy:3", { in: "eth0" })
      .at("filter:INPUT:rule:4", { in: "eth0" });
    const [journey] = await explain(log, "nothing");
    expect(finding(journey, "rules-missing")).toMatchObject({
      try: "give the output of: iptables-save -c",
      evidence: [0, 2],
    });
    expect(finding(journey, "rules-missing")?.what).toContain(
      "mangle:PREROUTING rule 2, filter:INPUT rule 4",
    );
  });

  test("is silent where all texts are known", async () => {
    const [journey] = await explain(request(new TraceLog(), 1, true));
    expect(finding(journey, "rules-missing")).toBeUndefined();
  });
});
