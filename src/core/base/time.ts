/**
 * Points in time, as the source gave them.
 *
 * A kernel log line can carry seconds since boot, a local date without a year or a zone, or both; a captured
 * packet carries UTC. Mixing them by accident is the classic fault of log tools, so a time names its clock and
 * what its seconds are counted from, and only times of one clock and one epoch may be subtracted.
 *
 * Seconds and nanoseconds are two integers, because nanoseconds since 1970 do not fit a `number` and a `bigint`
 * an event is too dear on the hot path.
 */

/** Whose clock: the kernel's log, a capture's time stamps, or our own at the event's arrival. */
export type Clock = "kernel-log" | "capture" | "arrival";

/**
 * What seconds are counted from.
 * - `boot`: the host's start (`[ 7579.448153]`).
 * - `utc`: 1970-01-01 UTC.
 * - `local`: 1970-01-01 on the wall clock of a host whose zone is not in the source.
 * - `yearless`: like `local`, and the year is not in the source either; counted as if it were 2000.
 */
export type Epoch = "boot" | "utc" | "local" | "yearless";

export interface Time {
  readonly clock: Clock;
  readonly epoch: Epoch;
  /** Whole seconds since the epoch. */
  readonly seconds: number;
  /** 0 … 999 999 999. */
  readonly nanos: number;
}

/** Nanoseconds from `from` to `to`; null when the two cannot be compared. Exact below 104 days. */
export function nanosBetween(from: Time | null, to: Time | null): number | null {
  if (from === null || to === null || from.clock !== to.clock || from.epoch !== to.epoch) return null;
  return (to.seconds - from.seconds) * 1e9 + (to.nanos - from.nanos);
}

/**
 * ISO 8601, with nine digits of fraction, as far as the source reaches: `2023-03-26T12:48:48.000000000Z` (UTC),
 * without `Z` (zone unknown), `--08-24T11:14:47.178700000` (year unknown too), and `+7579.448153000` for seconds
 * since boot, which no calendar can name.
 */
export function formatTime(time: Time): string {
  const fraction = String(time.nanos).padStart(9, "0");
  if (time.epoch === "boot") return `+${time.seconds}.${fraction}`;
  const iso = new Date(time.seconds * 1000).toISOString().slice(0, 19);
  if (time.epoch === "utc") return `${iso}.${fraction}Z`;
  if (time.epoch === "local") return `${iso}.${fraction}`;
  return `-${iso.slice(4)}.${fraction}`;
}

/** A span for people: `137 µs`, `1.2 ms`, `24 s`. Input in nanoseconds. */
export function formatNanos(nanos: number): string {
  const magnitude = Math.abs(nanos);
  if (magnitude < 1_000) return `${nanos} ns`;
  if (magnitude < 1_000_000) return `${round(nanos / 1e3)} µs`;
  if (magnitude < 1_000_000_000) return `${round(nanos / 1e6)} ms`;
  return `${round(nanos / 1e9)} s`;
}

function round(value: number): string {
  return Math.abs(value) < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}
