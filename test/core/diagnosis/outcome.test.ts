import { describe, expect, test } from "vitest";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { TraceLog } from "../../support/trace-log.ts";

const FORWARDED = { in: "eth0", out: "eth1", ttl: 63 };

/** A filter table with these chain lines and rules, as iptables-save prints it. */
function filterTable(lines: string): string {
  return `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n${lines}COMMIT\n`;
}

async function outcomesOf(log: TraceLog, rules = "") {
  const { journeys } = await explainInputs([
    textInput("log", log.text),
    textInput("rules", rules || "nothing"),
  ]);
  return journeys.map((journey) => [journey.outcome.verdict, journey.outcome.cause]);
}

describe("a packet that a rule ends", () => {
  const log = () => new TraceLog().at("filter:INPUT:rule:1", { in: "eth0" });

  test.each([
    ["DROP", "dropped", "rule-drop"],
    ["REJECT --reject-with icmp-port-unreachable", "rejected", "rule-reject"],
    ["ACCEPT", "delivered", null],
    ["NFQUEUE --queue-num 1", "queued", null],
  ])("-j %s: %s", async (target, verdict, cause) => {
    expect(await outcomesOf(log(), filterTable(`-A INPUT -p udp -j ${target}\n`))).toEqual([
      [verdict, cause],
    ]);
  });

  test("without a listing nobody can tell", async () => {
    expect(await outcomesOf(log())).toEqual([["unknown", "rules-missing"]]);
  });

  test("with a listing that does not fit nobody can tell either", async () => {
    expect(await outcomesOf(log(), filterTable("-A INPUT -j DROP\n"))).toEqual([
      ["unknown", "rules-missing"],
    ]);
  });

  test("a target nobody knows is not guessed", async () => {
    expect(await outcomesOf(log(), filterTable("-A INPUT -p udp -j XYZZY\n"))).toEqual([
      ["unknown", "rules-missing"],
    ]);
  });
});

describe("a packet that its chains let through", () => {
  test("INPUT delivers, POSTROUTING forwards what came in and sends what began here", async () => {
    const log = new TraceLog()
      .at("filter:INPUT:policy:1", { id: 1, in: "eth0" })
      .at("filter:FORWARD:policy:1", { id: 2, ...FORWARDED })
      .at("nat:POSTROUTING:policy:1", { id: 2, ...FORWARDED })
      .at("filter:OUTPUT:policy:1", { id: 3, out: "eth1" })
      .at("nat:POSTROUTING:policy:1", { id: 3, out: "eth1" });
    expect(await outcomesOf(log, filterTable(""))).toEqual([
      ["delivered", null],
      ["forwarded", null],
      ["sent", null],
    ]);
  });

  test("a policy of DROP drops", async () => {
    const log = new TraceLog().at("filter:FORWARD:policy:1", FORWARDED);
    const rules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
    expect(await outcomesOf(log, rules)).toEqual([["dropped", "policy-drop"]]);
  });

  test("one that mangle saw at PREROUTING and nowhere else has vanished in routing", async () => {
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:2", { in: "eth0" })
      .at("mangle:PREROUTING:policy:1", { in: "eth0" });
    expect(await outcomesOf(log)).toEqual([["vanished", null]]);
  });

  test("where nothing behind PREROUTING is known to speak, nothing is concluded", async () => {
    const log = new TraceLog().at("raw:PREROUTING:policy:2", { in: "eth0" });
    expect(await outcomesOf(log)).toEqual([["unknown", null]]);
  });

  test("a later packet shows that a chain speaks, and an earlier one that it did not reach it has vanished", async () => {
    const log = new TraceLog()
      .at("filter:FORWARD:policy:1", { id: 1, ...FORWARDED })
      .at("mangle:FORWARD:policy:1", { id: 2, ...FORWARDED })
      .at("filter:FORWARD:policy:1", { id: 2, ...FORWARDED })
      .at("mangle:POSTROUTING:policy:1", { id: 2, ...FORWARDED });
    expect(await outcomesOf(log, filterTable(""))).toEqual([
      ["vanished", null],
      ["forwarded", null],
    ]);
  });

  test("a silent nat chain proves nothing: it is asked once a connection", async () => {
    const log = new TraceLog()
      .at("filter:FORWARD:policy:1", { id: 1, ...FORWARDED })
      .at("nat:POSTROUTING:policy:1", { id: 1, ...FORWARDED })
      .at("filter:FORWARD:policy:1", { id: 2, ...FORWARDED });
    expect(await outcomesOf(log, filterTable(""))).toEqual([
      ["forwarded", null],
      ["forwarded", null],
    ]);
  });

  test("an answer proves that a packet got there", async () => {
    const reply = { src: "198.51.100.1", dst: "192.0.2.1", sport: 53, dport: 40000 };
    const log = new TraceLog()
      .at("raw:OUTPUT:policy:2", { id: 1, out: "eth0" })
      .at("filter:OUTPUT:policy:1", { id: 1, out: "eth0" })
      .at("raw:PREROUTING:policy:2", { ...reply, id: 2, in: "eth0" });
    const { journeys } = await explainInputs([textInput("log", log.text)]);
    expect(journeys[0]?.outcome.verdict).toBe("sent");
    expect(journeys[0]?.answeredBy).toEqual({ id: "2", afterNanos: 20_000 });
    expect(journeys[1]?.answeredBy).toBeNull();
  });
});

describe("a hole in the evidence", () => {
  test("while a packet is under way, its end is not concluded", async () => {
    const log = new TraceLog()
      .at("mangle:PREROUTING:policy:1", { in: "eth0" })
      .line("[  100.000015] net_ratelimit: 12 callbacks suppressed");
    const { journeys, report } = await explainInputs([textInput("log", log.text)]);
    expect(report.events.gap).toBe(1);
    expect(journeys[0]?.outcome).toMatchObject({ verdict: "unknown", cause: "gap" });
    expect(journeys[0]?.gaps).toMatchObject([{ count: 12 }]);
    expect(journeys[0]?.findings.map((finding) => finding.cause)).toContain("gap");
  });

  test("does not take a drop back that was seen", async () => {
    const log = new TraceLog()
      .at("filter:INPUT:rule:1", { in: "eth0" })
      .line("[  100.000015] net_ratelimit: 12 callbacks suppressed");
    const rules = filterTable("-A INPUT -p udp -j DROP\n");
    expect(await outcomesOf(log, rules)).toEqual([["dropped", "rule-drop"]]);
  });

  test("can have taken the beginning of a packet that is seen in the middle of its way", async () => {
    const gap = "[  100.000015] net_ratelimit: 12 callbacks suppressed";
    const beheaded = new TraceLog().line(gap).at("mangle:FORWARD:policy:1", FORWARDED);
    const whole = new TraceLog().line(gap).at("mangle:PREROUTING:policy:1", { in: "eth0" });
    const later = new TraceLog().line(gap).wait(60).at("mangle:FORWARD:policy:1", FORWARDED);
    const gapsOf = async (log: TraceLog) => {
      const { journeys } = await explainInputs([textInput("log", log.text)]);
      return journeys.map((journey) => journey.gaps.length);
    };
    expect(await gapsOf(beheaded)).toEqual([1]);
    expect(await gapsOf(whole)).toEqual([0]);
    expect(await gapsOf(later)).toEqual([0]);
  });

  test("behind which nobody knows the way out, so a packet over the loopback may still be under way", async () => {
    const trace = [
      "trace id 00000001 inet t post verdict continue ",
      "trace id 00000001 inet t post policy accept ",
    ];
    const rules = `table inet t { chain post { type filter hook postrouting priority 0; policy accept; } }`;
    const log = textInput("trace", `net_ratelimit: 12 callbacks suppressed\n${trace.join("\n")}\n`);
    const { journeys } = await explainInputs([log, textInput("rules", rules)]);
    expect(journeys[0]?.outcome).toMatchObject({ verdict: "unknown", cause: "gap" });
  });
});
