/** The public shape of a summary, `nfpath/summary@1`. Add to it, never change it. */
import { formatTime } from "../base/time.ts";
import type { JourneySummary } from "../diagnosis/journey-summary.ts";

export const SUMMARY_SCHEMA = "nfpath/summary@1";

/** Of things that may have endless variety, so many are listed. */
const MOST_LISTED = 100;

/** A plain object, ready for `JSON.stringify`. */
export function summaryContract(summary: JourneySummary) {
  return {
    schema: SUMMARY_SCHEMA,
    journeys: summary.journeys,
    first: summary.first === null ? null : formatTime(summary.first),
    last: summary.last === null ? null : formatTime(summary.last),
    netns: summary.namespaces,
    outcomes: summary.outcomes,
    /** Rules and policies that dropped or refused packets, the one with the most first. */
    endedBy: summary.enders.slice(0, MOST_LISTED),
    endedByOthers:
      summary.endedByOthers + summary.enders.slice(MOST_LISTED).reduce((sum, { count }) => sum + count, 0),
    /** Destinations that did not answer. */
    noReply: summary.silent.slice(0, MOST_LISTED),
    noReplyTotal: summary.silentTotal,
    gaps: summary.gaps,
    findings: summary.findings,
  };
}

export type SummaryContract = ReturnType<typeof summaryContract>;
