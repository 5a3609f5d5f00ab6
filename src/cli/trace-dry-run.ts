/** `nfpath trace --dry-run`: the plan, for a person or a program. */
import type { ExitStatus } from "../app/refusal.ts";
import { planLive } from "../app/trace.ts";
import type { Choice } from "../app/trace-tables.ts";
import { printable } from "../core/base/text.ts";
import type { Filter } from "../core/filters/filter.ts";
import { describePlan } from "../core/plans/plan.ts";
import { Output } from "./output.ts";
import { say, sayRefusal } from "./say.ts";
import type { TraceFlags } from "./trace.ts";

export async function dryRun(filter: Filter | null, choice: Choice, flags: TraceFlags): Promise<ExitStatus> {
  const planned = await planLive({
    filter,
    netns: flags.netns.length === 0 ? [null] : flags.netns,
    seconds: flags.for,
    rate: flags.rate,
    mechanism: flags.mechanism,
    choice,
  });
  if (!planned.ok) {
    sayRefusal(planned.error);
    return planned.error.status;
  }
  const { plan, notKnown, notes } = planned.value;
  for (const note of notes) say(note);
  const isForPrograms = flags.format === "json" || flags.format === "jsonl";
  const lines = isForPrograms
    ? [JSON.stringify({ schema: "nfpath/plan@1", plan, notKnown })]
    : [...describePlan(plan).split("\n"), ...notKnown].map(printable);
  await new Output(process.stdout).write(lines.map((line) => `${line}\n`).join(""));
  return 0;
}
