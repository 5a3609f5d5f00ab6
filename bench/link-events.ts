/**
 * How fast events are linked, and how rightly, on events that the proof has saved:
 *
 *     NFPATH_LINKING_SAVE=/tmp/events npx vitest run test/live/linking.live.test.ts
 *     npx tsc -b bench && node .cache/bench/bench/link-events.js /tmp/events.legacy
 *
 * With NFPATH_IN_KERNEL_LOG only legacy iptables' events count, as the kernel log has them. With NFPATH_WITHOUT_RULES places are told by names and interfaces only, as in a log that came without its ruleset.
 */
import { readFileSync } from "node:fs";
import { deserialize } from "node:v8";
import type { Event } from "../src/core/events/event.ts";
import { RuleBook } from "../src/core/rulesets/rule-book.ts";
import type { Ruleset } from "../src/core/rulesets/ruleset.ts";
import { asInKernelLog, JudgedLinker } from "../test/live/linking/truth.ts";

const isWithoutRules = process.env.NFPATH_WITHOUT_RULES !== undefined;
const isInKernelLog = process.env.NFPATH_IN_KERNEL_LOG !== undefined;

for (const path of process.argv.slice(2)) {
  const records = recordsOf(readFileSync(path));
  const rules = records.next().value as Ruleset[];
  const linker = new JudgedLinker(new RuleBook(isWithoutRules ? [] : rules));
  for (const batch of records)
    linker.add(isInKernelLog ? asInKernelLog(batch as Event[]) : (batch as Event[]));
  const { events, wrong, unsure, needlesslyUnsure, examples } = linker.end();
  const nanos = Math.round((linker.spent * 1000) / events);
  process.stdout.write(
    `${path}: ${events} events, ${wrong} wrong, ${unsure} unsure (${needlesslyUnsure} needlessly), ${nanos} ns an event\n`,
  );
  if (process.env.SHOW !== undefined) process.stdout.write(`${examples.join("\n")}\n`);
}

function* recordsOf(bytes: Buffer): Generator<unknown> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32LE(at);
    yield deserialize(bytes.subarray(at + 4, end));
    at = end;
  }
}
