/**
 * Times for kernel log lines, out of what their prefixes tell.
 *
 * A syslog line has two clocks: the wall clock of the daemon that wrote it, usually to the whole second, and the
 * kernel's own stamp, to the microsecond, counted from boot. The first gives the date, the second the progress: the two
 * are tied together once, by a whole number of seconds, and from there the kernel's stamp leads. So the fraction is
 * always the kernel's own, and the daemon's delay never makes time run backwards within a boot.
 */
import type { Epoch, Time } from "../../base/time.ts";
import { secondsOfCivil } from "./calendar.ts";
import type { LinePrefix } from "./line-prefix.ts";
import { timeOfMicros } from "./log-wrappers.ts";

/** The year that `yearless` times are counted in. */
const NO_YEAR = 2000;

/** A daemon may be late; further apart than this, the host was booted again or its clock was set. */
const MOST_SECONDS_APART = 2;

/** Hosts of which the anchor is remembered: more than that write no one log. */
const MOST_HOSTS = 256;

export class LogClock {
  #year: number | null;
  /** The day on which the journal says it ends: no entry is later. */
  #latest: { year: number; month: number; day: number } | null = null;
  #lastMonth = 0;
  #rollover = 0;
  /** Wall seconds minus boot seconds, by host. */
  readonly #anchors = new Map<string, number>();
  #anchorHost: string | null = null;
  #anchor = 0;
  /** Where `dmesg -H` stands: its lines give only the time since the line before. */
  #running: { epoch: Epoch; seconds: number; nanos: number } | null = null;

  /** `year`: that of the first line, where the caller knows it and the lines do not say. */
  constructor(year: number | null) {
    this.#year = year;
  }

  /** Takes the year out of journalctl's first line: `-- Logs begin at …, end at Thu 2023-03-02 13:56:16 CST. --`. */
  readJournalHeader(text: string): void {
    const dates = [...text.matchAll(/\b(\d{4})-(\d\d)-(\d\d) \d\d:\d\d/g)];
    const last = dates.at(-1);
    if (last !== undefined)
      this.#latest = { year: Number(last[1]), month: Number(last[2]), day: Number(last[3]) };
  }

  /** The time of a line; null where its prefix tells none. Call it once a line: it keeps the clock going. */
  timeOf(prefix: LinePrefix): Time | null {
    switch (prefix.wall) {
      case "delta":
        return this.#advance(prefix.boot, prefix.bootNanos);
      case "minute":
        return this.#startMinute(prefix);
      case "none":
        if (prefix.boot === -1) return null;
        return { clock: "kernel-log", epoch: "boot", seconds: prefix.boot, nanos: prefix.bootNanos };
      case "clock":
        return this.#wallTime(prefix);
    }
  }

  /** The time of a journal entry: both clocks in microseconds, tied together like those of a line. */
  timeOfJournal(micros: number, bootMicros: number | null, host: string): Time {
    if (bootMicros === null) return timeOfMicros(micros);
    const key = `${host}\0journal`;
    let anchor = this.#anchors.get(key);
    if (anchor === undefined || Math.abs(bootMicros + anchor - micros) > MOST_SECONDS_APART * 1e6) {
      anchor = micros - bootMicros;
      this.#remember(key, anchor);
    }
    return timeOfMicros(bootMicros + anchor);
  }

  #wallTime(prefix: LinePrefix): Time {
    const epoch = this.#epochOf(prefix);
    const wall = this.#wallSeconds(prefix);
    if (prefix.boot === -1) return { clock: "kernel-log", epoch, seconds: wall, nanos: prefix.nanos };
    const seconds = prefix.boot + this.#anchorOf(prefix.host, wall, prefix.boot);
    return { clock: "kernel-log", epoch, seconds, nanos: prefix.bootNanos };
  }

  #anchorOf(host: string, wall: number, boot: number): number {
    if (host !== this.#anchorHost) {
      this.#anchorHost = host;
      this.#anchor = this.#anchors.get(host) ?? Number.NaN;
    }
    // Written so that no anchor at all (NaN) counts as too far apart.
    if (!(Math.abs(boot + this.#anchor - wall) <= MOST_SECONDS_APART)) {
      this.#anchor = wall - boot;
      this.#remember(host, this.#anchor);
    }
    return this.#anchor;
  }

  #remember(host: string, anchor: number): void {
    if (this.#anchors.size >= MOST_HOSTS) this.#anchors.clear();
    this.#anchors.set(host, anchor);
  }

  #startMinute(prefix: LinePrefix): Time {
    const epoch = this.#epochOf(prefix);
    this.#running = { epoch, seconds: this.#wallSeconds(prefix), nanos: 0 };
    return { clock: "kernel-log", ...this.#running };
  }

  #advance(seconds: number, nanos: number): Time | null {
    if (this.#running === null) return null;
    const total = this.#running.nanos + nanos;
    const carry = total >= 1e9 ? 1 : 0;
    this.#running.seconds += seconds + carry;
    this.#running.nanos = total - carry * 1e9;
    return { clock: "kernel-log", ...this.#running };
  }

  #epochOf(prefix: LinePrefix): Epoch {
    if (prefix.zone !== null) return "utc";
    return prefix.year !== 0 || this.#year !== null || this.#latest !== null ? "local" : "yearless";
  }

  #wallSeconds(prefix: LinePrefix): number {
    const { month, day, hour, minute, second } = prefix;
    const year = prefix.year !== 0 ? prefix.year : this.#yearOf(month, day);
    return secondsOfCivil(year, month, day, hour, minute, second) - (prefix.zone ?? 0) * 60;
  }

  #yearOf(month: number, day: number): number {
    if (this.#latest !== null) {
      const { year, month: lastMonth, day: lastDay } = this.#latest;
      return month < lastMonth || (month === lastMonth && day <= lastDay) ? year : year - 1;
    }
    // A log that goes on past New Year.
    if (this.#lastMonth === 12 && month === 1) this.#rollover++;
    else if (this.#lastMonth === 1 && month === 12 && this.#rollover > 0) this.#rollover--;
    this.#lastMonth = month;
    return (this.#year ?? NO_YEAR) + this.#rollover;
  }
}
