/**
 * How fast events are linked, and how fast they are linked and explained, in process:
 *
 *     node .cache/bench/bench/inner/link.js IN-FLIGHT EVENTS SEED OUT.json
 *
 * IN-FLIGHT packets, each of a flow of its own, are under way at once and are seen in turn. The events are made before.
 */
import { writeFileSync } from "node:fs";
import { Explainer } from "../../src/core/diagnosis/explainer.ts";
import { TextTraceDecoder } from "../../src/core/events/decode/text-trace.ts";
import type { Event } from "../../src/core/events/event.ts";
import { DEFAULT_LINKER_OPTIONS, Linker } from "../../src/core/journeys/linker.ts";
import { RuleBook } from "../../src/core/rulesets/rule-book.ts";
import { KernelLogGenerator } from "../generate/kernel-log.ts";

/** Finished journeys are taken away as often as `Explainer` does, at least about. */
const TAKEN_EVERY = 64;

const [inFlight = "1", count = "200000", seed = "1", out] = process.argv.slice(2);
const { events, packets } = makeEvents(Number(count));

link(events.slice(0, events.length / 4));
const linking = seconds(() => link(events));
explain(events.slice(0, events.length / 4));
const explaining = seconds(() => explain(events));
for (const { found } of [linking, explaining]) {
  if (found !== packets) throw new Error(`${found} journeys were made of ${packets} packets`);
}
const result = { events: events.length, linking: linking.seconds, explaining: explaining.seconds };
const text = `${JSON.stringify(result)}\n`;
if (out === undefined) process.stdout.write(text);
else writeFileSync(out, text);

function makeEvents(most: number): { readonly events: readonly Event[]; readonly packets: number } {
  const generator = new KernelLogGenerator({
    seed: Number(seed),
    inFlight: Number(inFlight),
    inLockstep: true,
  });
  const decoder = new TextTraceDecoder({ input: "bench", netns: null });
  const made: Event[] = [];
  let number = 0;
  for (let line = generator.next(); line !== null; line = generator.next()) {
    made.push(...decoder.read(line.slice(0, -1), ++number));
    if (number >= most) generator.end();
  }
  made.push(...decoder.end());
  return { events: made, packets: generator.truth.packets };
}

function link(all: readonly Event[]): number {
  const linker = new Linker(new RuleBook([]), DEFAULT_LINKER_OPTIONS);
  let found = 0;
  let untaken = 0;
  for (const event of all) {
    linker.add(event);
    if (++untaken < TAKEN_EVERY) continue;
    untaken = 0;
    found += linker.takeFinished().length;
  }
  linker.end();
  return found + linker.takeFinished().length;
}

function explain(all: readonly Event[]): number {
  const explainer = new Explainer(new RuleBook([]));
  let found = 0;
  for (const event of all) found += explainer.add(event).length;
  return found + explainer.end().length;
}

function seconds(work: () => number): { readonly found: number; readonly seconds: number } {
  const began = process.hrtime.bigint();
  const found = work();
  return { found, seconds: Number(process.hrtime.bigint() - began) / 1e9 };
}
