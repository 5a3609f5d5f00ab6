/** The last words of a command: how many journeys, how they ended, what could not be read. */
import type { ExplainReport } from "../app/explain.ts";
import type { LiveReport } from "../app/trace.ts";
import type { Explained } from "../core/diagnosis/diagnose.ts";
import type { OutcomeVerdict } from "../core/diagnosis/outcome.ts";
import { wayOf } from "../core/diagnosis/parts.ts";
import type { UnparsedEvent } from "../core/events/event.ts";

export class Tally {
  readonly shown: Partial<Record<OutcomeVerdict, number>> = {};
  readonly hidden: Partial<Record<OutcomeVerdict, number>> = {};

  /** Packets near which lines of a log are missing, as other packets' ways show. */
  nearHoles = 0;

  count(explained: Explained, isShown: boolean): void {
    const { outcome } = explained;
    if (wayOf(explained).some(({ journey }) => journey.gaps.some(({ gap }) => gap === "lines-missing")))
      this.nearHoles++;
    const counts = isShown ? this.shown : this.hidden;
    counts[outcome.verdict] = (counts[outcome.verdict] ?? 0) + 1;
  }

  get shownTotal(): number {
    return total(this.shown);
  }
}

/** Something is known to be missing from the evidence, or could not be read. */
export function isNotWhole(tally: Tally, { events }: ExplainReport): boolean {
  return events.gap > 0 || events.unparsed > 0 || tally.nearHoles > 0;
}

/**
 * Lines for standard error.
 *
 * @param isSummed a summary has told how the journeys ended
 */
export function summaryLines(tally: Tally, report: ExplainReport, isSummed = false): readonly string[] {
  const { step, unparsed, log, gap } = report.events;
  const read = `${plural(step, "step")} read${log > 0 ? `, ${plural(log, "LOG line")}` : ""}`;
  const lines = isSummed ? [] : [`${journeys(tally.shown)}; ${read}`];
  const hidden = total(tally.hidden);
  if (hidden > 0) lines.push(`not shown, by --only or the filter: ${journeys(tally.hidden)}`);
  if (gap > 0) lines.push(`${plural(gap, "gap")} in the evidence: see the findings named gap`);
  if (tally.nearHoles > 0)
    lines.push(
      `the log has holes: ${plural(tally.nearHoles, "packet")} may be missing lines, see the findings named gap`,
    );
  lines.push(...unparsedLines(unparsed, report.unparsed));
  for (const ruleset of report.rulesets) {
    for (const problem of ruleset.problems.slice(0, 3)) {
      lines.push(`${ruleset.input}:${problem.line ?? "?"}: ${problem.reason}`);
    }
    if (ruleset.problems.length > 3)
      lines.push(`${ruleset.input}: and ${ruleset.problems.length - 3} more lines of rules with a problem`);
  }
  return lines;
}

function unparsedLines(count: number, first: readonly UnparsedEvent[]): readonly string[] {
  if (count === 0) return [];
  const lines = [`${count} could not be read:`];
  for (const event of first.slice(0, 5)) {
    lines.push(`  ${event.origin.input}:${event.origin.line ?? "?"}: ${event.reason}`);
  }
  if (count > 5) lines.push(`  and ${count - 5} more (--format json lists them)`);
  return lines;
}

/** Lines for standard error after a live trace. */
export function liveSummaryLines(tally: Tally, report: LiveReport, isSummed = false): readonly string[] {
  const { end, events } = report;
  const lines = isSummed ? [] : [`${journeys(tally.shown)}; ${plural(events.step, "step")} seen`];
  const hidden = total(tally.hidden);
  if (hidden > 0) lines.push(`not shown, more than --packets: ${journeys(tally.hidden)}`);
  if (tally.shownTotal === 0) {
    lines.push(
      end === null || end.matched === 0
        ? "no packet matched the filter: is there such traffic in this namespace? (tcpdump -ni any shows what there is)"
        : `${plural(end.matched, "packet")} matched, but no step was heard of`,
    );
  }
  for (const gap of report.gaps) {
    lines.push(
      `gap (${gap.gap}): ${gap.count ?? "some"} ${gap.gap === "selector-limit" ? "packets" : "events"}; ${gap.remedy}`,
    );
  }
  lines.push(...unparsedLines(events.unparsed, report.unparsed), ...report.notes);
  for (const problem of end?.problems ?? []) lines.push(`${problem.message}; ${problem.hint}`);
  for (const setting of end?.leftAlone ?? [])
    lines.push(`left as somebody else set it meanwhile: ${setting}`);
  lines.push(...(end?.handedOn ?? []));
  if (report.notRestored !== null) lines.push(`${report.notRestored.message}; ${report.notRestored.hint}`);
  return lines;
}

/** The same for programs. */
export function liveSummaryObject(tally: Tally, report: LiveReport): object {
  return {
    shown: tally.shown,
    hidden: tally.hidden,
    events: report.events,
    endedBy: report.endedBy,
    matched: report.end?.matched ?? null,
    marked: report.end?.marked ?? null,
    lost: report.end?.lost ?? null,
    restored: report.end?.restored ?? [],
    notRestored: report.notRestored,
    gaps: report.gaps.map(({ gap, count, remedy, netns }) => ({ kind: gap, count, remedy, netns })),
    unparsed: report.unparsed.map((event) => ({ ...event.origin, reason: event.reason })),
    notes: report.notes,
  };
}

/** What `explain` found, for programs. */
export function summaryObject(tally: Tally, report: ExplainReport): object {
  return {
    shown: tally.shown,
    hidden: tally.hidden,
    events: report.events,
    inputs: report.inputs,
    unparsed: report.unparsed.map((event) => ({ ...event.origin, reason: event.reason })),
    ruleProblems: report.rulesets.flatMap((ruleset) =>
      ruleset.problems.map((problem) => ({ input: ruleset.input, ...problem })),
    ),
  };
}

function journeys(counts: Partial<Record<OutcomeVerdict, number>>): string {
  const parts = Object.entries(counts).map(([verdict, count]) => `${count} ${verdict}`);
  return `${plural(total(counts), "journey")}${parts.length > 0 ? `: ${parts.join(", ")}` : ""}`;
}

function total(counts: Partial<Record<OutcomeVerdict, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
