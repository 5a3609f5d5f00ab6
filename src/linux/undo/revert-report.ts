/** What became of the things that had to be put back, each in a sentence for a person. */

export interface RevertReport {
  readonly restored: readonly string[];
  /** Somebody else has set it meanwhile: it is theirs. */
  readonly leftAlone: readonly string[];
  /** Another run still needs it, and puts it back when it ends. */
  readonly handedOn: readonly string[];
  /** With the command that finishes it by hand. */
  readonly failed: readonly string[];
}

export const NOTHING_REVERTED: RevertReport = { restored: [], leftAlone: [], handedOn: [], failed: [] };

export function joinReports(reports: readonly RevertReport[]): RevertReport {
  return {
    restored: reports.flatMap((report) => report.restored),
    leftAlone: reports.flatMap((report) => report.leftAlone),
    handedOn: reports.flatMap((report) => report.handedOn),
    failed: reports.flatMap((report) => report.failed),
  };
}
