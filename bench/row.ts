/**
 * What the bench measures: rows, each a figure of nfpath's beside those of its peers, taken in turn in the same run.
 */

/** What a figure is; it decides how it is printed. Bytes are plain bytes, times seconds, shares 0 to 1. */
export type Unit = "s" | "bytes" | "/s" | "packets/s" | "events/s" | "share" | "count";

/** One contestant's figures, in the order in which they were taken. */
export interface Series {
  readonly name: string;
  readonly values: readonly number[];
  /** High-water mark of resident memory over all runs, in bytes; null where it was not measured. */
  readonly peakBytes: number | null;
  readonly note?: string;
}

/** A peer that could not be asked, and why. */
export interface Absent {
  readonly name: string;
  readonly why: string;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly unit: Unit;
  readonly better: "less" | "more";
  readonly nfpath: Series;
  readonly peers: readonly Series[];
  readonly absent: readonly Absent[];
  readonly notes: readonly string[];
}

/** A row that could not be measured, or whose result was wrong. */
export interface FailedRow {
  readonly id: string;
  readonly title: string;
  readonly failed: string;
}

/** A row that this machine does not allow: no root, no compiler. */
export interface SkippedRow {
  readonly id: string;
  readonly title: string;
  readonly skipped: string;
}

export type AnyRow = Row | FailedRow | SkippedRow;

export function isMeasured(row: AnyRow): row is Row {
  return "nfpath" in row;
}

/** Of an even number the mean of the two in the middle. Throws on an empty list. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  if (upper === undefined || lower === undefined) throw new Error("no median of nothing");
  return (upper + lower) / 2;
}

/** nfpath's median by the peer's; null where the peer's is nothing. */
export function ratio(nfpath: Series, peer: Series): number | null {
  const divisor = median(peer.values);
  return divisor === 0 ? null : median(nfpath.values) / divisor;
}

/** A row, and the memory that was measured with it as another. */
export function withMemory(row: Row): readonly Row[] {
  const peakOf = ({ name, peakBytes }: Row["nfpath"]) => ({ name, values: [peakBytes ?? 0], peakBytes });
  return [
    row,
    {
      ...{
        id: `${row.id}/memory`,
        title: "high-water mark of resident memory",
        unit: "bytes",
        better: "less",
      },
      ...{ nfpath: peakOf(row.nfpath), peers: row.peers.map(peakOf), absent: [], notes: [] },
    },
  ];
}
