/** `nfpath trace`: words to options, journeys to the chosen format as they finish. */
import type { ExitStatus, Refusal } from "../app/refusal.ts";
import { type LiveReport, traceLive } from "../app/trace.ts";
import { runUserCommand } from "../linux/process.ts";
import type { Format, MechanismWord } from "./choices.ts";
import { isChosen } from "./choose.ts";
import { readFilter } from "./explain.ts";
import { stopSignal } from "./interrupt.ts";
import { Output } from "./output.ts";
import { presenterFor, type ViewFlags, viewFor } from "./present.ts";
import { say, sayRefusal } from "./say.ts";
import { liveSummaryLines, liveSummaryObject, Tally } from "./summary.ts";
import { type ChoiceFlags, choiceOf, whatElse } from "./trace-choice.ts";
import { dryRun } from "./trace-dry-run.ts";

export interface TraceFlags extends ViewFlags, ChoiceFlags {
  readonly netns: readonly string[];
  readonly for: number;
  readonly packets?: number;
  readonly rate: number;
  readonly conntrack: boolean;
  readonly nflog: readonly number[];
  readonly mechanism: MechanismWord;
  readonly wire: boolean;
  readonly drops: boolean;
  readonly format: Format;
  readonly strict: boolean;
  readonly dryRun: boolean;
}

export async function traceCommand(
  words: readonly string[],
  command: readonly string[],
  flags: TraceFlags,
): Promise<ExitStatus> {
  const filter = await readFilter(words.join(" "));
  if (!filter.ok) return fail(filter.error);
  const view = viewFor(flags, flags.format, false);
  if (!view.ok) return fail(view.error);
  const choice = choiceOf(flags);
  if (flags.dryRun) return dryRun(filter.value, choice, flags);
  const output = new Output(process.stdout);
  const printer = presenterFor(view.value, flags.format, output, true);
  const tally = new Tally();
  const stop = stopSignal(output);
  const [program, ...args] = command;
  await printer.begin();
  const done = await traceLive(
    {
      filter: filter.value,
      netns: flags.netns.length === 0 ? [null] : flags.netns,
      seconds: flags.for,
      packets: flags.packets ?? null,
      rate: flags.rate,
      choice,
      conntrack: flags.conntrack,
      nflogGroups: flags.nflog,
      mechanism: flags.mechanism,
      wire: flags.wire,
      drops: flags.drops,
      during:
        program === undefined ? null : async () => sayExit(program, await runUserCommand(program, args)),
      signal: stop.signal,
      givesUpRights: true,
      onArmed: (_trace, { how, notes, follows }) => {
        for (const note of notes) say(note);
        const whileRuns = program === undefined ? "" : " or as long as the command runs";
        say(`tracing for ${flags.for} s${whileRuns} by ${how}${whatElse(choice, follows)}; Ctrl-C ends it`);
      },
    },
    async (explained) => {
      const shows = isChosen(explained, { filter: null, only: null }) && withinLimit(tally, flags.packets);
      tally.count(explained, shows);
      if (shows) await printer.journey(explained);
    },
  );
  stop.release();
  if (!done.ok) return fail(done.error);
  await printer.end(liveSummaryObject(tally, done.value));
  if (!output.isClosed)
    for (const line of liveSummaryLines(tally, done.value, printer.isSummary())) say(line);
  return statusOf(done.value, flags.strict);
}

function withinLimit(tally: Tally, most: number | undefined): boolean {
  return most === undefined || tally.shownTotal < most;
}

function statusOf(report: LiveReport, strict: boolean): ExitStatus {
  if (report.notRestored !== null) return report.notRestored.status;
  return strict && (report.events.gap > 0 || report.events.unparsed > 0) ? 4 : 0;
}

function sayExit(program: string, exit: Awaited<ReturnType<typeof runUserCommand>>): void {
  if (!exit.ok) say(`nfpath: ${exit.error.message}; ${exit.error.hint}`);
  else if (exit.value.status !== 0)
    say(`${program} ended with ${exit.value.signal ?? `status ${exit.value.status}`}`);
}

function fail(error: Refusal): ExitStatus {
  sayRefusal(error);
  return error.status;
}
