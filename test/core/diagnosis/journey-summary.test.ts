/** Counts over many journeys, and the screen that shows them. */
import { expect, test } from "vitest";
import { type JourneySummary, SummaryCounter } from "../../../src/core/diagnosis/journey-summary.ts";
import { summaryContract } from "../../../src/core/views/summary-contract.ts";
import { describeSummary } from "../../../src/core/views/summary-tree.ts";
import { UNICODE } from "../../../src/core/views/tree.ts";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { TraceLog } from "../../support/trace-log.ts";

const RULES = `*filter
:INPUT DROP [0:0]
-A INPUT -p udp -m udp --dport 23 -j DROP
-A INPUT -p udp -m udp --dport 53 -j ACCEPT
COMMIT
`;

async function summaryOf(log: TraceLog, rules = RULES): Promise<JourneySummary> {
  const counter = new SummaryCounter();
  for (const journey of (await explainInputs([textInput("log", log.text + rules)])).explained)
    counter.add(journey);
  return counter.summary();
}

test("outcomes by cause, and the rules that dropped most, each with an example", async () => {
  const log = new TraceLog();
  log.at("filter:INPUT:rule:2", { in: "eth0", id: 1 });
  for (let id = 2; id < 6; id++) log.at("filter:INPUT:rule:1", { in: "eth0", dport: 23, id });
  for (let id = 6; id < 9; id++) log.at("filter:INPUT:policy:3", { in: "eth0", dport: 99, id });
  const summary = await summaryOf(log);
  expect(summary.outcomes).toEqual([
    { verdict: "dropped", cause: "rule-drop", count: 4, example: "2" },
    { verdict: "dropped", cause: "policy-drop", count: 3, example: "6" },
    { verdict: "delivered", cause: null, count: 1, example: "1" },
  ]);
  expect(summary.enders.map(({ name, count, example }) => [name, count, example])).toEqual([
    ["filter:INPUT rule 1", 4, "2"],
    ["filter:INPUT policy", 3, "6"],
  ]);
  expect(summaryContract(summary)).toMatchObject({ schema: "nfpath/summary@1", journeys: 8 });
});

test("the worst summary fits 80 × 24, whatever it counts", async () => {
  const count = 1_000_000;
  const summary: JourneySummary = {
    journeys: 9 * count,
    first: null,
    last: null,
    namespaces: ["a-rather-long-name-of-a-namespace", "router"],
    outcomes: Array.from({ length: 12 }, () => ({
      verdict: "unknown",
      cause: "not-enough-evidence",
      count,
      example: "1234567",
    })),
    enders: Array.from({ length: 40 }, (_, at) => ({
      name: `filter:A-RATHER-LONG-CHAIN-NAME rule ${at}`,
      netns: "a-rather-long-name",
      text: '-s 192.0.2.0/24 -i eth0 -p tcp -m tcp --dport 80 -m comment --comment "a long one" -j DROP',
      manager: at % 2 === 0 ? "Docker" : null,
      verdict: "dropped",
      count,
      example: "1",
      packet: "tcp 192.0.2.1:80",
    })),
    endedByOthers: 5,
    silent: Array.from({ length: 9 }, (_, at) => ({ to: `tcp 192.0.2.${at}:443`, count, example: "7" })),
    silentTotal: 9 * count,
    gaps: ["lost-by-kernel", "rate-limited", "truncated"].map((kind) => ({
      kind: kind as "truncated",
      journeys: count,
      example: "5",
      remedy: "choose fewer packets with a filter, or a larger buffer; and so on at some length",
    })),
    findings: [],
  };
  const lines = describeSummary(summary, ["one line", "and another"], { columns: 80, glyphs: UNICODE });
  // A prompt takes the last.
  expect(lines.length).toBeLessThan(24);
  for (const line of lines) expect(line.map(({ text }) => text).join("").length).toBeLessThanOrEqual(80);
  expect(
    lines
      .flat()
      .map(({ text }) => text)
      .join(""),
  ).toContain("by 36 more rules");
});

test("rules without end take no memory without end: those without room are counted together", async () => {
  const log = new TraceLog().at("filter:INPUT:rule:1", { in: "eth0", dport: 23 });
  const { explained } = await explainInputs([textInput("log", log.text + RULES)]);
  const [one] = explained;
  const [step] = one?.journey.steps ?? [];
  if (one === undefined || step === undefined) throw new Error("no journey");
  const counter = new SummaryCounter();
  for (let number = 1; number <= 6000; number++) {
    const other = { ...step, event: { ...step.event, number }, resolved: { ...step.resolved, rule: null } };
    counter.add({ ...one, journey: { ...one.journey, steps: [other] } });
  }
  const summary = counter.summary();
  expect(summary.enders.length + summary.endedByOthers).toBe(6000);
  expect(summary.endedByOthers).toBeGreaterThan(0);
});
