/** A packet that went on in another namespace: whichever part is named it is found whole, and compared whole. */
import { expect, test } from "vitest";
import { isChosen } from "../../../src/cli/choose.ts";
import type { Explained } from "../../../src/core/diagnosis/diagnose.ts";
import { Explainer } from "../../../src/core/diagnosis/explainer.ts";
import { diffJourneys, type JourneyDiff } from "../../../src/core/diagnosis/journey-diff.ts";
import { endOf } from "../../../src/core/diagnosis/outcome-key.ts";
import { holdsJourney } from "../../../src/core/diagnosis/parts.ts";
import { whyNot } from "../../../src/core/diagnosis/why-not.ts";
import { TextTraceDecoder } from "../../../src/core/events/decode/text-trace.ts";
import { RuleBook } from "../../../src/core/rulesets/rule-book.ts";
import { findTarget } from "../../../src/core/rulesets/rule-target.ts";
import { readRulesets } from "../../../src/core/rulesets/ruleset-reader.ts";
import { diffContract } from "../../../src/core/views/diff-contract.ts";
import { describeJourneyDiff } from "../../../src/core/views/diff-tree.ts";
import { UNICODE } from "../../../src/core/views/tree.ts";
import { type LoggedPacket, TraceLog } from "../../support/trace-log.ts";

const HOST_RULES = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i eth9 -j DROP\nCOMMIT\n";
const CONTAINER_RULES =
  "*mangle\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n-A INPUT -s 192.0.2.0/24 -p udp -m udp --dport 53 -j ACCEPT\nCOMMIT\n";

/** A packet through the host, and in its container to a step of INPUT's; null: it does not come there. */
interface Way {
  readonly packet: LoggedPacket;
  readonly container: string;
  readonly place: string | null;
}

function explainedWays(ways: readonly Way[]): readonly Explained[] {
  const containers = new Set(ways.map(({ container }) => container));
  const rulesOf = (text: string, netns: string) => readRulesets(text, { input: "rules", netns }).rulesets;
  const book = new RuleBook([
    ...rulesOf(HOST_RULES, "host"),
    ...[...containers].flatMap((netns) => rulesOf(CONTAINER_RULES, netns)),
  ]);
  const explainer = new Explainer(book);
  const told: Explained[] = [];
  const log = new TraceLog();
  const namespaces: string[] = [];
  const at = (netns: string, place: string, packet: LoggedPacket) => {
    namespaces.push(netns);
    log.at(place, packet);
  };
  for (const { packet, container, place } of ways) {
    at("host", "filter:FORWARD:policy:2", { ...packet, in: "eth0", out: "br0", ttl: 63 });
    if (place === null) continue;
    at(container, "mangle:PREROUTING:policy:1", { ...packet, in: "eth0", ttl: 63 });
    at(container, place, { ...packet, in: "eth0", ttl: 63 });
  }
  for (const [index, text] of log.text.trimEnd().split("\n").entries()) {
    const decoder = new TextTraceDecoder({ input: "log", netns: namespaces[index] ?? null });
    const events = [...decoder.read(text, index + 1), ...decoder.end()];
    for (const event of events) told.push(...explainer.add(event));
  }
  return [...told, ...explainer.end()];
}

const GOOD = { packet: { id: 7 }, container: "c1", place: "filter:INPUT:rule:1" } as const;
const STRANGER = {
  packet: { id: 8, src: "203.0.113.9" },
  container: "c1",
  place: "filter:INPUT:policy:2",
} as const;

function pair(ways: readonly [Way, Way]): readonly [Explained, Explained] {
  const [a, b] = explainedWays(ways);
  if (a === undefined || b === undefined) throw new Error("two packets are needed");
  return [a, b];
}

function screenOf(diff: JourneyDiff): string {
  const lines = describeJourneyDiff(diff, { a: "log#1", b: "log#3" }, { columns: 100, glyphs: UNICODE });
  return lines.map((line) => line.map(({ text }) => text).join("")).join("\n");
}

test("it is found by the id of any of its parts, and shown whole", () => {
  const [one, other] = pair([GOOD, STRANGER]);
  expect(one.parts).toHaveLength(1);
  const id = one.parts[0]?.journey.id ?? "";
  expect(id).not.toBe(one.journey.id);
  expect([one, other].map((each) => holdsJourney(each, id))).toEqual([true, false]);
  const choice = { filter: null, only: null, journeys: new Set([id]) };
  expect([one, other].map((each) => isChosen(each, choice))).toEqual([true, false]);
});

test("two ways part in the second namespace, by the rule there", () => {
  const diff = diffJourneys(...pair([GOOD, STRANGER]));
  expect(diff.common).toHaveLength(2);
  expect(diff.isInOneChain).toBe(true);
  expect(diff.reasons).toMatchObject([
    { side: "A", kind: "failed", answers: [{ words: "it came from 203.0.113.9" }] },
  ]);
  const screen = screenOf(diff);
  expect(screen).toContain("netns host, c1");
  expect(screen).toContain("they part in INPUT, filter:INPUT in c1");
  expect(screen).toContain("B  ✘ dropped: filter:INPUT dropped it by its policy");
  const { journeys } = diffContract(diff, null);
  expect([journeys?.first.a?.netns, journeys?.first.b?.netns]).toEqual(["c1", "c1"]);
});

test("a container that has another name now is no difference of the way", () => {
  const diff = diffJourneys(...pair([GOOD, { ...GOOD, packet: { id: 9 }, container: "c2" }]));
  expect(diff.first).toEqual({ a: null, b: null });
  expect(diff.packet).toEqual([{ field: "netns", a: "host, c1", b: "host, c2" }]);
});

test("one that did not come to the second namespace ends in the first", () => {
  const diff = diffJourneys(...pair([GOOD, { ...GOOD, packet: { id: 9 }, place: null }]));
  expect(diff.isInOneChain).toBe(false);
  expect(screenOf(diff)).toContain("B's way ends here; A goes on to PREROUTING, mangle:PREROUTING in");
});

test("what ended it is the last part's", () => {
  const [, stranger] = pair([GOOD, STRANGER]);
  expect(endOf(stranger).words).toBe("dropped by filter:INPUT's policy");
});

test("--why-not asks the part that came to the rule's chain", () => {
  const [, stranger] = pair([GOOD, STRANGER]);
  const book = new RuleBook(readRulesets(CONTAINER_RULES, { input: "rules", netns: null }).rulesets);
  const target = findTarget("filter:INPUT:1", book);
  if (!target.ok) throw new Error(target.error.message);
  expect(whyNot(stranger, target.value)).toMatchObject({ fate: "tested", holds: "failed" });
});
