/**
 * How fast rules are read, and how much a trace takes longer with them, in process:
 *
 *     node .cache/bench/bench/inner/rules.js RULES TRACE OUT.json
 */
import { readFileSync, writeFileSync } from "node:fs";
import { Explainer } from "../../src/core/diagnosis/explainer.ts";
import { TextTraceDecoder } from "../../src/core/events/decode/text-trace.ts";
import type { Event } from "../../src/core/events/event.ts";
import { RuleBook } from "../../src/core/rulesets/rule-book.ts";
import { readRulesets } from "../../src/core/rulesets/ruleset-reader.ts";

const [rulesPath = "", tracePath = "", out] = process.argv.slice(2);
const rulesText = readFileSync(rulesPath, "utf8");

const [rulesets, reading] = timed(() => readRulesets(rulesText, { input: "rules", force: true }).rulesets);
const [book, indexing] = timed(() => new RuleBook(rulesets));
const events = decode(readFileSync(tracePath, "utf8"));
const warm = events.slice(0, events.length / 4);
join(warm, new RuleBook([]));
const [, without] = timed(() => join(events, new RuleBook([])));
join(warm, book);
const [resolved, joining] = timed(() => join(events, book));
const rules = rulesets
  .flatMap(({ tables }) => tables)
  .flatMap(({ chains }) => chains)
  .reduce((sum, chain) => sum + chain.rules.length, 0);
const result = { rules, events: events.length, reading, indexing, joining, without, resolved };
const text = `${JSON.stringify(result)}\n`;
if (out === undefined) process.stdout.write(text);
else writeFileSync(out, text);

function decode(trace: string): readonly Event[] {
  const decoder = new TextTraceDecoder({ input: "trace", netns: null });
  const found = trace.split("\n").flatMap((line, at) => [...decoder.read(line, at + 1)]);
  return [...found, ...decoder.end()];
}

/** How many steps were found to be of a listed rule. */
function join(all: readonly Event[], known: RuleBook): number {
  const explainer = new Explainer(known);
  const explained = all.flatMap((event) => [...explainer.add(event)]);
  explained.push(...explainer.end());
  return explained.flatMap(({ journey }) => journey.steps).filter(({ resolved: { rule } }) => rule !== null)
    .length;
}

function timed<Value>(work: () => Value): readonly [Value, number] {
  const began = process.hrtime.bigint();
  const value = work();
  return [value, Number(process.hrtime.bigint() - began) / 1e9];
}
