/** `nfpath explain --follow`: words to options, journeys to the chosen format as they finish. */
import { existsSync } from "node:fs";
import { openInputs } from "../app/explain.ts";
import { follow } from "../app/follow.ts";
import { type ExitStatus, type Refusal, refusal } from "../app/refusal.ts";
import { KmsgTail } from "../sources/kmsg.ts";
import { openTail } from "../sources/tail.ts";
import { isChosen } from "./choose.ts";
import { chosen, type ExplainFlags, onlyOutcomes, readFilter } from "./explain.ts";
import { stopSignal } from "./interrupt.ts";
import { Output } from "./output.ts";
import { presenterFor, viewFor } from "./present.ts";
import { say, sayRefusal } from "./say.ts";
import { isNotWhole, summaryLines, summaryObject, Tally } from "./summary.ts";

/** Words that name files are rules; the others are a filter. */
export async function followCommand(
  name: string,
  words: readonly string[],
  flags: ExplainFlags,
): Promise<ExitStatus> {
  if (flags.whyNot !== undefined) {
    const hint = "explain the log with --why-not once it is written, without --follow";
    return fail(refusal(2, "--why-not does not follow a log", hint));
  }
  const view = viewFor(flags, flags.format, true);
  if (!view.ok) return fail(view.error);
  const filter = await readFilter(flags.filter ?? words.filter((word) => !existsSync(word)).join(" "));
  if (!filter.ok) return fail(filter.error);
  const only = onlyOutcomes(flags.only);
  if (!only.ok) return fail(only.error);
  const rules = openInputs([...flags.rules, ...words.filter((word) => existsSync(word))]);
  if (!rules.ok) return fail(rules.error);
  const tail = openTail(name);
  if (!tail.ok) {
    const message = `--follow ${name}: ${tail.error.reason}`;
    if (tail.error.kind === "not-permitted")
      return fail(refusal(3, message, "run it as root: sudo nfpath explain --follow …"));
    const hint = "name a log that is written to, /dev/kmsg (as root), or - for standard input";
    return fail(refusal(2, message, hint));
  }
  if (tail.value instanceof KmsgTail) {
    // It is opened once and for all. A file that is rotated is opened again, and may be another user's.
    const { keepOnly } = await import("../linux/privileges.ts");
    keepOnly([]);
  }
  const output = new Output(process.stdout);
  const printer = presenterFor(view.value, flags.format, output, true);
  const tally = new Tally();
  const stop = stopSignal(output);
  await printer.begin();
  say(`following ${name}; Ctrl-C ends it`);
  const options = { tail: tail.value, rules: rules.value, year: flags.year ?? null, signal: stop.signal };
  const done = await follow(options, async (explained) => {
    const shows = isChosen(explained, {
      filter: filter.value,
      only: only.value,
      journeys: chosen(flags.journey),
    });
    tally.count(explained, shows);
    if (shows) await printer.journey(explained);
  });
  stop.release();
  if (!done.ok) return fail(done.error);
  await printer.end(summaryObject(tally, done.value));
  if (!output.isClosed) for (const line of summaryLines(tally, done.value, printer.isSummary())) say(line);
  return flags.strict && isNotWhole(tally, done.value) ? 4 : 0;
}

function fail(error: Refusal): ExitStatus {
  sayRefusal(error);
  return error.status;
}
