/**
 * What stands in front of a kernel log record: time stamps, host, tag, and the traces of copying.
 *
 * The same record reaches people through printk's own stamp, `dmesg` with any of its options, `/dev/kmsg`, syslog in
 * two formats and several dialects, `journalctl` in its output modes, container log wrappers, `grep -H`, quotes in
 * mails and shell prompts. The reader below goes from left to right, takes the first stamp it knows, then host and tag,
 * then the kernel's own stamp. What it does not know it steps over; it never fails.
 */
import { monthAt } from "./calendar.ts";

/** How the wall-clock part of a stamp was written; `none`: there is no such part. */
export type WallKind = "none" | "clock" | "minute" | "delta";

const SPACE = 32;
const BRACKET = 91;
const CLOSE = 93;
const COLON = 58;

/** Stepping over more words than this looking for a stamp would find one in somebody's prose. */
const MOST_WORDS = 12;

/** One prefix, read by `read` and valid until the next `read`: a single instance serves a whole input. */
export class LinePrefix {
  wall: WallKind = "none";
  /** 0: the stamp has none. */
  year = 0;
  month = 0;
  day = 0;
  hour = 0;
  minute = 0;
  second = 0;
  nanos = 0;
  /** Minutes east of UTC; null where the stamp does not say. */
  zone: number | null = null;
  /** Seconds since boot; -1: not told. For a `delta` stamp, seconds since the line before. */
  boot = -1;
  bootNanos = 0;
  /** Record number of `/dev/kmsg`; -1: not told. */
  sequence = -1;
  /** Name between the stamp and the tag; empty where there is none. */
  host = "";
  /** Where what follows the prefix begins. */
  end = 0;
  #at = 0;
  #value = 0;
  /** Text of the last line in front of the kernel's stamp, where it has both that and a wall clock; empty: none. */
  #like = "";

  /** Reads the prefix of `text` between `from` and `to`; `to` is where a record is known to begin. */
  read(text: string, from: number, to: number): void {
    if (this.#readLike(text, from, to)) return;
    this.#clear();
    this.#like = "";
    const start = skipDecoration(text, from, to);
    this.end = start;
    let at = start;
    for (let words = 0; words < MOST_WORDS && at < to; words++) {
      if (this.#stamp(text, at, to)) {
        this.#afterStamp(text, to);
        return;
      }
      at = nextWord(text, at, to);
    }
    // A date in another language than English: the tag still tells where the message begins.
    const tag = text.indexOf("kernel: ", start);
    if (tag === -1 || tag >= to) return;
    this.#at = tag;
    this.#afterStamp(text, to);
  }

  /**
   * Lines of one second have the same date, host and tag: where this line begins as the one before did up to the kernel's
   * stamp, only that is read.
   */
  #readLike(text: string, from: number, to: number): boolean {
    if (from !== 0 || this.#like === "" || !text.startsWith(this.#like)) return false;
    this.boot = -1;
    return this.#kernelStamp(text, this.#like.length, to);
  }

  #clear(): void {
    this.wall = "none";
    this.year = 0;
    this.nanos = 0;
    this.zone = null;
    this.boot = -1;
    this.sequence = -1;
    this.host = "";
  }

  /** Reads one stamp at `at` and leaves `#at` behind it. */
  #stamp(text: string, at: number, to: number): boolean {
    const code = text.charCodeAt(at);
    if (code === BRACKET) return this.#bracketed(text, at + 1, to);
    if (isDigit(code))
      return this.#kmsgHeader(text, at, to) || this.#isoDate(text, at, to) || this.#unix(text, at, to);
    if (code === 60) return this.#priority(text, at, to);
    if (code >= 65 && code <= 90) return this.#syslogDate(text, at, to) || this.#weekday(text, at, to);
    return false;
  }

  /** `<4>` of `dmesg -r` and syslog on the wire; RFC 5424 puts its version behind it. */
  #priority(text: string, at: number, to: number): boolean {
    if (!this.#digits(text, at + 1, to) || text.charCodeAt(this.#at) !== 62) return false;
    let next = this.#at + 1;
    if (text.startsWith("1 ", next)) next += 2;
    return next < to && text.charCodeAt(next) !== 60 && this.#stamp(text, next, to);
  }

  /** `[ 1234.567890]`, `[Thu Apr 23 21:55:11 2020]`, `[Apr23 21:55]`, `[  +0.000005]`, `[<    0.000005>]`. */
  #bracketed(text: string, from: number, to: number): boolean {
    let at = skipSpaces(text, from, to);
    const code = text.charCodeAt(at);
    const isDelta = code === 43 || code === 60;
    if (isDelta) at = skipSpaces(text, at + 1, to);
    if (isDelta || isDigit(code)) {
      if (!this.#secondsSinceBoot(text, at, to)) return false;
      if (isDelta) this.wall = "delta";
    } else if (!this.#ctime(text, at, to) && !this.#minute(text, at, to)) {
      return false;
    }
    // `dmesg -d` adds the time since the line before: `[ 1234.567890 <    0.000005>]`.
    const close = text.indexOf("]", this.#at);
    if (close === -1 || close >= to || close - this.#at > 20) return this.#refuse();
    if (close !== this.#at && !isDelta && text.charCodeAt(skipSpaces(text, this.#at, to)) !== 60)
      return this.#refuse();
    this.#at = close + 1;
    // printk's caller (`CONFIG_PRINTK_CALLER`): `[    1.234567][  T123] `.
    if (text.charCodeAt(this.#at) === BRACKET) {
      const caller = skipSpaces(text, this.#at + 1, to);
      const kind = text.charCodeAt(caller);
      const end = text.indexOf("]", caller);
      if ((kind === 84 || kind === 67) && end !== -1 && end < to && end - caller < 12) this.#at = end + 1;
    }
    return true;
  }

  #refuse(): boolean {
    this.wall = "none";
    this.boot = -1;
    return false;
  }

  #secondsSinceBoot(text: string, at: number, to: number): boolean {
    if (!this.#digits(text, at, to) || text.charCodeAt(this.#at) !== 46) return false;
    const seconds = this.#value;
    if (!this.#fraction(text, this.#at + 1, to)) return false;
    this.boot = seconds;
    this.bootNanos = this.#value;
    return true;
  }

  /** `4,1234,5678901,-;` of `/dev/kmsg`: priority, record number, microseconds since boot, flags and more. */
  #kmsgHeader(text: string, at: number, to: number): boolean {
    if (!this.#digits(text, at, to) || text.charCodeAt(this.#at) !== 44) return false;
    if (!this.#digits(text, this.#at + 1, to) || text.charCodeAt(this.#at) !== 44) return false;
    const sequence = this.#value;
    if (!this.#digits(text, this.#at + 1, to) || text.charCodeAt(this.#at) !== 44) return false;
    const micros = this.#value;
    const end = text.indexOf(";", this.#at);
    if (end === -1 || end >= to) return false;
    this.sequence = sequence;
    this.boot = Math.floor(micros / 1e6);
    this.bootNanos = (micros % 1e6) * 1e3;
    this.#at = end + 1;
    return true;
  }

  /** `2023-03-26T12:48:48.132223+00:00`, with a space for the T, a comma for the point, without zone or fraction. */
  #isoDate(text: string, at: number, to: number): boolean {
    if (text.charCodeAt(at + 4) !== 45 || text.charCodeAt(at + 7) !== 45) return false;
    const separator = text.charCodeAt(at + 10);
    if (separator !== 84 && separator !== SPACE) return false;
    if (!this.#digits(text, at, to)) return false;
    const year = this.#value;
    if (!this.#digits(text, at + 5, to)) return false;
    const month = this.#value;
    if (!this.#digits(text, at + 8, to)) return false;
    const day = this.#value;
    if (month < 1 || month > 12 || day < 1 || day > 31) return false;
    if (!this.#clockTime(text, at + 11, to)) return false;
    this.#zoneAt(text, to);
    this.#dated(year, month, day);
    return true;
  }

  /** `1677736576.123456` of `journalctl -o short-unix`. */
  #unix(text: string, at: number, to: number): boolean {
    if (!this.#digits(text, at, to)) return false;
    if (this.#at - at < 9 || this.#at - at > 10 || text.charCodeAt(this.#at) !== 46) return false;
    const seconds = this.#value;
    if (!this.#fraction(text, this.#at + 1, to) || text.charCodeAt(this.#at) !== SPACE) return false;
    this.nanos = this.#value;
    this.zone = 0;
    this.hour = 0;
    this.minute = 0;
    this.second = seconds;
    this.#dated(1970, 1, 1);
    return true;
  }

  /** `Jul 20 11:28:40`, `May  8 01:02:03.456789`, `Mar 02 2023 13:56:16`, and `ctime` without its weekday. */
  #syslogDate(text: string, at: number, to: number): boolean {
    const month = monthAt(text, at);
    if (month === 0 || text.charCodeAt(at + 3) !== SPACE) return false;
    if (!this.#digits(text, skipSpaces(text, at + 4, to), to)) return false;
    const day = this.#value;
    if (day < 1 || day > 31 || text.charCodeAt(this.#at) !== SPACE) return false;
    let clock = this.#at + 1;
    let year = 0;
    if (text.charCodeAt(clock + 4) === SPACE && this.#digits(text, clock, to) && this.#at === clock + 4) {
      year = this.#value;
      clock += 5;
    }
    if (!this.#clockTime(text, clock, to)) return false;
    this.#dated(year, month, day);
    return true;
  }

  /** `Thu Apr 23 21:55:11 2020` (OpenWrt's logread) and `Tue 2023-02-28 05:48:43 CST` (`journalctl -o short-full`). */
  #weekday(text: string, at: number, to: number): boolean {
    if (text.charCodeAt(at + 3) !== SPACE) return false;
    if (this.#ctime(text, at, to)) return true;
    if (!this.#isoDate(text, at + 4, to)) return false;
    const zone = skipSpaces(text, this.#at, to);
    const end = endOfWord(text, zone, to);
    if (text.startsWith("UTC", zone)) this.zone = 0;
    this.#at = end;
    return true;
  }

  #ctime(text: string, at: number, to: number): boolean {
    if (text.charCodeAt(at + 3) !== SPACE || !this.#syslogDate(text, skipSpaces(text, at + 4, to), to))
      return false;
    if (this.year !== 0) return true;
    if (text.charCodeAt(this.#at) !== SPACE || !this.#digits(text, this.#at + 1, to) || this.#value < 1970) {
      this.wall = "none";
      return false;
    }
    this.year = this.#value;
    return true;
  }

  /** `[Apr23 21:55]`: how `dmesg -H` begins each minute. */
  #minute(text: string, at: number, to: number): boolean {
    const month = monthAt(text, at);
    if (month === 0 || !this.#digits(text, skipSpaces(text, at + 3, to), to)) return false;
    const day = this.#value;
    if (text.charCodeAt(this.#at) !== SPACE || !this.#digits(text, this.#at + 1, to)) return false;
    const hour = this.#value;
    if (text.charCodeAt(this.#at) !== COLON || !this.#digits(text, this.#at + 1, to)) return false;
    this.hour = hour;
    this.minute = this.#value;
    this.second = 0;
    this.#dated(0, month, day);
    this.wall = "minute";
    return true;
  }

  #dated(year: number, month: number, day: number): void {
    this.wall = "clock";
    this.year = year;
    this.month = month;
    this.day = day;
  }

  #clockTime(text: string, at: number, to: number): boolean {
    if (text.charCodeAt(at + 2) !== COLON || text.charCodeAt(at + 5) !== COLON || at + 8 > to) return false;
    const hour = twoDigits(text, at);
    const minute = twoDigits(text, at + 3);
    const second = twoDigits(text, at + 6);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return false;
    this.hour = hour;
    this.minute = minute;
    this.second = second;
    this.#at = at + 8;
    const point = text.charCodeAt(this.#at);
    if ((point === 46 || point === 44) && this.#fraction(text, this.#at + 1, to)) this.nanos = this.#value;
    return true;
  }

  /** `Z`, `+00:00`, `+0000` behind an ISO time. */
  #zoneAt(text: string, to: number): void {
    const sign = text.charCodeAt(this.#at);
    if (sign === 90) {
      this.zone = 0;
      this.#at++;
      return;
    }
    if ((sign !== 43 && sign !== 45) || this.#at + 5 > to) return;
    const colon = text.charCodeAt(this.#at + 3) === COLON ? 1 : 0;
    const hours = twoDigits(text, this.#at + 1);
    const minutes = twoDigits(text, this.#at + 3 + colon);
    if (hours < 0 || minutes < 0) return;
    this.zone = (sign === 45 ? -1 : 1) * (hours * 60 + minutes);
    this.#at += 5 + colon;
  }

  /** Host, tag and the kernel's own stamp, each of which may be absent. */
  #afterStamp(text: string, to: number): void {
    const isSyslog = text.charCodeAt(this.#at - 1) !== CLOSE;
    const afterStamp = skipSpaces(text, this.#at, to);
    this.end = afterStamp;
    if (this.wall === "delta" || this.wall === "minute" || this.sequence !== -1) return;
    let at = afterStamp;
    let host = "";
    let hostEnd = at;
    for (let words = 0; words < 6 && at < to; words++) {
      if (this.boot === -1 && text.charCodeAt(at) === BRACKET && this.#kernelStamp(text, at, to)) {
        this.host = host;
        this.#like = text.slice(0, at);
        return;
      }
      const end = endOfWord(text, at, to);
      const next = skipSpaces(text, end, to);
      if (isKernelTag(text, at, end)) {
        this.host = host;
        this.end = skipFiveFields(text, next, to);
        const stamp = this.end;
        if (this.boot === -1 && text.charCodeAt(stamp) === BRACKET && this.#kernelStamp(text, stamp, to)) {
          this.#like = text.slice(0, stamp);
        }
        return;
      }
      // A container runtime puts its own stamp and stream in front of the whole line.
      if ((end - at === 6 && text.startsWith("stdout", at)) || text.startsWith("stderr ", at)) {
        this.read(text, endOfWord(text, next, to), to);
        return;
      }
      if (words === 0) {
        host = text.slice(at, end);
        hostEnd = next;
      }
      at = next;
    }
    // No tag: ulogd and some syslog set-ups write host and message only. One lone word is the message's.
    if (this.wall === "clock" && isSyslog && hostEnd < to) {
      this.host = host;
      this.end = hostEnd;
    }
  }

  #kernelStamp(text: string, at: number, to: number): boolean {
    const wall = this.wall;
    if (!isDigit(text.charCodeAt(skipSpaces(text, at + 1, to))) || !this.#bracketed(text, at + 1, to)) {
      this.wall = wall;
      return false;
    }
    this.wall = wall;
    this.end = skipSpaces(text, this.#at, to);
    return true;
  }

  #digits(text: string, at: number, to: number): boolean {
    let value = 0;
    let next = at;
    for (; next < to && next < at + 16; next++) {
      const digit = text.charCodeAt(next) - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    this.#value = value;
    this.#at = next;
    return next > at;
  }

  /** Digits behind a point, as nanoseconds. */
  #fraction(text: string, at: number, to: number): boolean {
    if (!this.#digits(text, at, to)) return false;
    const places = this.#at - at;
    if (places > 9) return false;
    this.#value *= TENS[9 - places] as number;
    return true;
  }
}

const TENS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9] as const;

/** `kernel:`, `kernel[0]:`, and RFC 5424's bare `kernel`. */
function isKernelTag(text: string, at: number, end: number): boolean {
  if (!text.startsWith("kernel", at)) return false;
  const next = text.charCodeAt(at + 6);
  return end === at + 6 || (text.charCodeAt(end - 1) === COLON && (next === COLON || next === BRACKET));
}

/** RFC 5424 has process id, message id and structured data behind the tag; here they are always `-`. */
function skipFiveFields(text: string, at: number, to: number): number {
  let next = at;
  while (next < to && text.startsWith("- ", next)) next += 2;
  return text.charCodeAt(next) === 0xfeff ? next + 1 : next;
}

/** Quote marks, comment marks, list bullets and white space in front of a copied line. */
function skipDecoration(text: string, from: number, to: number): number {
  let at = from;
  for (; at < to; at++) {
    const code = text.charCodeAt(at);
    // white space, # * - / > | $
    if (
      code > SPACE &&
      code !== 35 &&
      code !== 42 &&
      code !== 45 &&
      code !== 47 &&
      code !== 62 &&
      code !== 124
    )
      break;
  }
  return at;
}

function skipSpaces(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && text.charCodeAt(at) <= SPACE) at++;
  return at;
}

function endOfWord(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && text.charCodeAt(at) > SPACE) at++;
  return at;
}

/** Behind the next space, colon or bar: `grep -H` and compose tools put such things in front of a stamp. */
function nextWord(text: string, from: number, to: number): number {
  let at = from;
  for (; at < to; at++) {
    const code = text.charCodeAt(at);
    if (code <= SPACE || code === COLON || code === 124 || code === 62) break;
  }
  return skipSpaces(text, at + 1, to);
}

function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}
