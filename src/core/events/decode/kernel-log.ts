/**
 * The kernel's log: TRACE records of iptables and ip6tables, and the lines of their LOG target, of nft's `log`, of
 * ebtables, of conntrack's complaints about invalid packets, and of ulogd.
 *
 * A record is one line. On its way to us it may have been folded, glued to others, cut, or had parts blanked out, so:
 * - a line may hold several records; each is read by itself, with the prefix that stands in front of it;
 * - a record that could go on is held back until the next line shows whether it does. One that ends complete and in the
 *   kernel's own trailing space is not, so that a live log is decoded without delay;
 * - a value that may be only the beginning of one is left out, as far as that can be known.
 */
import type { Time } from "../../base/time.ts";
import { type DecoderContext, type LineDecoder, NO_EVENTS } from "../decoder.ts";
import type { Event, GapKind, Origin, Sighting, UnparsedEvent } from "../event.ts";
import { readEbtablesLog } from "./ebtables-log.ts";
import { FieldValues } from "./field-values.ts";
import { beginsWithField, MOST_FOLDS, unfold, unfoldHead } from "./folding.ts";
import { LinePrefix } from "./line-prefix.ts";
import { LogClock } from "./log-clock.ts";
import { readGap } from "./log-gaps.ts";
import { unwrapJson } from "./log-wrappers.ts";
import { PacketFields } from "./packet-fields.ts";
import { nextLog, nextTrace } from "./record-marks.ts";
import { StretchCache } from "./stretch-cache.ts";
import { type Annotation, readAnnotation } from "./trace-annotations.ts";
import { readTraceHead, type TraceHead } from "./trace-head.ts";

export interface KernelLogContext extends DecoderContext {
  /** Year of the first line, for logs whose lines name none. */
  readonly year?: number;
}

/**
 * How far a record got.
 * - `whole`: it says all that the kernel says of such a packet.
 * - `bare`: a TRACE head and nothing behind it.
 * - `headless`: a TRACE head that cannot be read, and nothing behind it.
 * - `cut`: it ends somewhere within.
 */
type Ending = "whole" | "bare" | "headless" | "cut";

/** A record that the next line may go on with. */
interface Held {
  readonly event: Event;
  readonly ending: Ending;
  /** Nothing stands behind its last value, not even the kernel's space: it may be the beginning of a longer one. */
  readonly endsInValue: boolean;
  /** The line, or the lines joined. */
  readonly text: string;
  /** Where its prefix ends and where its mark (`TRACE:` or `IN=`) stands. */
  readonly prefixEnd: number;
  readonly mark: number;
  readonly origin: Origin;
  readonly time: Time | null;
  readonly folds: number;
}

const SPACE = 32;
const BRACE = 123;
const LETTER_T = 84;
const TRACE_LENGTH = 6;

export class KernelLogDecoder implements LineDecoder {
  readonly #context: KernelLogContext;
  readonly #clock: LogClock;
  readonly #prefix = new LinePrefix();
  readonly #values = new FieldValues();
  readonly #fields = new PacketFields(this.#values);
  readonly #heads = new StretchCache<TraceHead | null>(readTraceHead, 1024);
  #held: Held | null = null;
  /** Whether the line before held a record: what follows may be the rest of it. */
  #isAfterRecord = false;
  /** Whether records of this input keep the kernel's trailing space, so that one without it was cut. */
  #keepsSpace = false;
  /** Whether TRACE records of this input have fields, so that one without was cut. */
  #hasFields = false;
  /** Record number of the last `/dev/kmsg` line; −1: none yet. */
  #sequence = -1;

  // What the last call of #decode found beside the event.
  #ending: Ending = "whole";
  #endsInValue = false;
  #end = 0;
  #isFollowed = false;

  constructor(context: KernelLogContext) {
    this.#context = context;
    this.#clock = new LogClock(context.year ?? null);
  }

  /** Whether a line holds a record: the quick gate. */
  static recognises(text: string): boolean {
    return nextTrace(text, 0) !== -1 || nextLog(text, 0, -1) !== -1 || isJournalOfBytes(text);
  }

  read(text: string, line: number): readonly Event[] {
    const trace = nextTrace(text, 0);
    const log = nextLog(text, 0, trace);
    const mark = log === -1 ? trace : log;
    const isJson = text.charCodeAt(0) === BRACE && (mark !== -1 || isJournalOfBytes(text));
    if (mark === -1 && !isJson) return this.#readOther(text, line);
    if (isJson) {
      const events = this.#readJson(text, line);
      if (events !== null) return events;
      if (mark === -1) return this.#readOther(text, line);
    }
    if (this.#held === null) return this.#readRecords(text, mark, line, text, null);
    const folded = this.#readHeadRest(text);
    if (folded) return NO_EVENTS;
    const settled = this.flush();
    const events = this.#readRecords(text, mark, line, text, null);
    return events.length === 0 ? settled : [...settled, ...events];
  }

  /** What is held back; the input goes on, but not with this decoder's lines. */
  flush(): readonly Event[] {
    const held = this.#held;
    if (held === null) return NO_EVENTS;
    this.#held = null;
    return [this.#settle(held, false)];
  }

  end(): readonly Event[] {
    const held = this.#held;
    if (held === null) return NO_EVENTS;
    this.#held = null;
    return [this.#settle(held, true)];
  }

  /** Reads the records of a line, the first of which has its mark at `first`. `time`: that of a wrapper round the line. */
  #readRecords(text: string, first: number, line: number, raw: string, time: Time | null): readonly Event[] {
    const events: Event[] = [];
    this.#isAfterRecord = true;
    let from = 0;
    let mark = first;
    let lineTime = time;
    for (;;) {
      const nextInTrace = nextTrace(text, mark + TRACE_LENGTH);
      const to = nextInTrace === -1 ? text.length : nextInTrace;
      this.#prefix.read(text, from, mark);
      const ownTime = this.#clock.timeOf(this.#prefix) ?? lineTime;
      lineTime ??= ownTime;
      if (this.#prefix.sequence !== -1)
        this.#checkSequence(events, { input: this.#context.input, line, raw }, ownTime);

      const prefixEnd = this.#prefix.end;
      const event = this.#decode(text, prefixEnd, mark, to, ownTime, {
        input: this.#context.input,
        line,
        raw,
      });
      const follower = this.#isFollowed ? nextLog(text, this.#end, to) : -1;
      const next = follower === -1 ? nextInTrace : follower;
      if (from === 0 && next === -1 && !this.#isFollowed) {
        this.#keep(events, event, text, prefixEnd, mark, ownTime);
        return events;
      }
      const end = next === -1 && !this.#isFollowed ? text.length : this.#end;
      const origin = {
        input: this.#context.input,
        line,
        raw: raw === text ? text.slice(from, end).trim() : raw,
      };
      if (this.#endsInValue && this.#ending === "cut") {
        events.push(this.#decodeCut(text, prefixEnd, mark, to, ownTime, origin));
      } else {
        events.push({ ...event, origin });
      }
      if (next === -1) {
        if (end < text.length) events.push(this.#unparsed(text.slice(end).trim(), line, ownTime, FRAGMENT));
        return events;
      }
      from = end;
      mark = next;
    }
  }

  /** Hands out the last record of a line, or holds it back where the next line may go on with it. */
  #keep(
    events: Event[],
    event: Event,
    text: string,
    prefixEnd: number,
    mark: number,
    time: Time | null,
    folds = 0,
  ): void {
    if (this.#ending === "whole" && folds === 0 && text.charCodeAt(text.length - 1) <= SPACE) {
      this.#keepsSpace = true;
      events.push(event);
      return;
    }
    this.#held = {
      event,
      ending: this.#ending,
      endsInValue: this.#endsInValue,
      text,
      prefixEnd,
      mark,
      origin: event.origin,
      time,
      folds,
    };
  }

  /** What a held record is now that nothing more comes to it. */
  #settle(held: Held, isEndOfInput: boolean): Event {
    const { event, text } = held;
    if (!held.endsInValue) return event;
    if (held.ending === "bare") {
      // A list of hits has nothing but heads. Anywhere else a head alone was cut, and its number may go on.
      const isCut = isEndOfInput || this.#hasFields;
      return isCut && event.kind === "step" ? { ...event, number: null } : event;
    }
    if (held.ending === "cut" || (held.ending === "whole" && this.#keepsSpace)) {
      return this.#decodeCut(text, held.prefixEnd, held.mark, text.length, held.time, held.origin);
    }
    return event;
  }

  /** Reads the record whose mark stands at `mark`, at most to `to`. */
  #decode(
    text: string,
    prefixEnd: number,
    mark: number,
    to: number,
    time: Time | null,
    origin: Origin,
  ): Event {
    if (text.charCodeAt(mark) !== LETTER_T) {
      this.#fields.scan(text, mark, to);
      return this.#logEvent(text, prefixEnd, mark, to, time, origin);
    }
    const headAt = skipSpaces(text, mark + TRACE_LENGTH, to);
    const wordEnd = endOfWord(text, headAt, to);
    const head = this.#heads.get(text, headAt, wordEnd);
    if (head === null) {
      this.#fields.scan(text, headAt, headAt);
      this.#end = wordEnd;
      this.#isFollowed = false;
      this.#ending = wordEnd === text.length ? "headless" : "whole";
      this.#endsInValue = false;
      return this.#unparsed(origin.raw, origin.line, time, NO_HEAD);
    }
    const from = headAt + head.length;
    this.#fields.scan(text, from, to);
    return this.#stepEvent(text, head, from, to, time, origin);
  }

  /** The same without its last value. */
  #decodeCut(
    text: string,
    prefixEnd: number,
    mark: number,
    to: number,
    time: Time | null,
    origin: Origin,
  ): Event {
    const event = this.#decode(text, prefixEnd, mark, to, time, origin);
    if (event.kind === "log") {
      this.#fields.dropLastValue(text, mark);
      return this.#logEvent(text, prefixEnd, mark, to, time, origin);
    }
    if (event.kind !== "step") return event;
    const headAt = skipSpaces(text, mark + TRACE_LENGTH, to);
    const head = this.#heads.get(text, headAt, endOfWord(text, headAt, to)) as TraceHead;
    this.#fields.dropLastValue(text, headAt + head.length);
    return this.#stepEvent(text, head, headAt + head.length, to, time, origin);
  }

  #stepEvent(
    text: string,
    head: TraceHead,
    from: number,
    to: number,
    time: Time | null,
    origin: Origin,
  ): Event {
    const fields = this.#fields;
    const sighting = fields.sighting();
    this.#isFollowed = fields.isFollowed;
    let note: Annotation | null = null;
    this.#end = Math.max(from, fields.end);
    if (sighting === null) {
      const rest = skipSpaces(text, from, to);
      if (rest < to) note = readAnnotation(text.slice(rest, to), this.#values);
      // Other words than a broken `IN=` are a note behind the head, which nobody folds.
      const isBroken = rest < to && "IN=".startsWith(text.slice(rest, to));
      this.#ending = rest === to ? "bare" : isBroken ? "cut" : "whole";
      this.#endsInValue = from === to;
    } else {
      this.#hasFields = true;
      this.#ending = fields.isComplete ? "whole" : "cut";
      this.#endsInValue = fields.endsInValue;
    }
    return {
      kind: "step",
      origin,
      time,
      netns: this.#context.netns,
      tracer: "xtables",
      family: sighting?.packet.family === "ip6" || note?.sighting?.packet.family === "ip6" ? "ip6" : "ip",
      table: head.table,
      chain: head.chain,
      step: head.step,
      number: head.number,
      handle: null,
      verdict: note?.verdict ?? null,
      toChain: null,
      ruleText: note?.ruleText ?? null,
      traceId: null,
      sighting: sighting ?? note?.sighting ?? null,
      mark: null,
      conntrack: null,
    };
  }

  #logEvent(
    text: string,
    prefixEnd: number,
    mark: number,
    to: number,
    time: Time | null,
    origin: Origin,
  ): Event {
    const fields = this.#fields;
    this.#end = Math.max(mark + 3, fields.end);
    this.#endsInValue = fields.endsInValue;
    this.#ending = fields.isComplete ? "whole" : "cut";
    this.#isFollowed = fields.isFollowed;
    // ebtables' words look like fields here and there, so they are asked about first.
    const bridged = readEbtablesLog(text.slice(mark, to), this.#values);
    if (bridged !== null) {
      this.#ending = "whole";
      this.#end = mark + bridged.length;
      this.#isFollowed = nextLog(text, this.#end, to) !== -1;
    }
    const sighting = bridged === null ? fields.sighting() : bridged.sighting;
    if (sighting === null || isEmpty(sighting)) {
      this.#ending = "whole";
      return this.#unparsed(origin.raw, origin.line, time, NO_PACKET);
    }
    return {
      kind: "log",
      origin,
      time,
      netns: this.#context.netns,
      prefix: text.slice(prefixEnd, mark),
      sighting,
      conntrack: null,
    };
  }

  /** A line with fields that belongs to a head which stood alone on the line before. */
  #readHeadRest(text: string): boolean {
    const held = this.#held;
    if (held === null || (held.ending !== "bare" && held.ending !== "headless")) return false;
    const joined = unfoldHead(held.text, text, held.ending === "bare");
    if (joined === null) return false;
    this.#readJoined(held, joined, text);
    return true;
  }

  #readJoined(held: Held, joined: string, text: string): void {
    const origin = { ...held.origin, raw: `${held.origin.raw}\n${text}` };
    const event = this.#decode(joined, held.prefixEnd, held.mark, joined.length, held.time, origin);
    this.#keep([], event, joined, held.prefixEnd, held.mark, held.time, held.folds + 1);
  }

  /** A line in which no record begins: the rest of one, a report of loss, a stamp that counts, or none of our business. */
  #readOther(text: string, line: number): readonly Event[] {
    const held = this.#held;
    if (held !== null && held.folds < MOST_FOLDS) {
      const joined = unfold(held.text, text, {
        isFinished: held.ending === "whole",
        isFolded: held.folds > 0,
      });
      if (joined !== null) {
        this.#readJoined(held, joined, text);
        return NO_EVENTS;
      }
    }
    const events: Event[] = [...this.flush()];
    const origin = { input: this.#context.input, line, raw: text };
    const gap = readGap(text);
    const time = this.#timeOfOther(text, gap?.at ?? null);
    if (this.#prefix.sequence !== -1) this.#checkSequence(events, origin, time);
    if (gap !== null) {
      events.push(this.#gap(gap.gap, gap.count, gap.remedy, origin, time));
    } else if (this.#isRestOfRecord(text)) {
      events.push(this.#unparsed(text, line, time, FRAGMENT));
    }
    if (text.startsWith("-- ")) this.#clock.readJournalHeader(text);
    this.#isAfterRecord = false;
    return events.length === 0 ? NO_EVENTS : events;
  }

  /** Reads the prefix of a line that is no record, where it matters: up to a report, or since it moves the clock. */
  #timeOfOther(text: string, reportAt: number | null): Time | null {
    const code = text.charCodeAt(0);
    const isStamped = code === 91 || (code >= 48 && code <= 57) || reportAt !== null;
    this.#prefix.read(text, 0, isStamped ? (reportAt ?? Math.min(text.length, 64)) : 0);
    const { wall } = this.#prefix;
    return reportAt !== null || wall === "delta" || wall === "minute"
      ? this.#clock.timeOf(this.#prefix)
      : null;
  }

  #isRestOfRecord(text: string): boolean {
    if (this.#isAfterRecord) return beginsWithField(text);
    const at = text.indexOf("PROTO=");
    return at !== -1 && text.indexOf("SRC=") !== -1 && text.indexOf("DST=") !== -1;
  }

  /** A line of JSON round a log line; null where it is none. */
  #readJson(text: string, line: number): readonly Event[] | null {
    const unwrapped = unwrapJson(text);
    if (unwrapped === null) return null;
    const { micros, bootMicros, host } = unwrapped;
    const time = micros === null ? null : this.#clock.timeOfJournal(micros, bootMicros, host);
    const events: Event[] = [...this.flush()];
    for (const message of unwrapped.message.split("\n")) {
      const trace = nextTrace(message, 0);
      const log = nextLog(message, 0, trace);
      const mark = log === -1 ? trace : log;
      if (mark === -1) continue;
      events.push(...this.#readRecords(message, mark, line, text, time), ...this.flush());
    }
    return events;
  }

  /** `/dev/kmsg` numbers its records: a hole means that some were overwritten before they were read, or left out. */
  #checkSequence(events: Event[], origin: Origin, time: Time | null): void {
    const { sequence } = this.#prefix;
    const missing = sequence - this.#sequence - 1;
    if (this.#sequence !== -1 && missing > 0)
      events.push(this.#gap("lost-by-kernel", missing, HOLE, origin, time));
    this.#sequence = sequence;
  }

  #gap(gap: GapKind, count: number | null, remedy: string, origin: Origin, time: Time | null): Event {
    return { kind: "gap", origin, time, netns: this.#context.netns, gap, count, remedy };
  }

  #unparsed(raw: string, line: number | null, time: Time | null, reason: string): UnparsedEvent {
    return {
      kind: "unparsed",
      origin: { input: this.#context.input, line, raw },
      time,
      netns: this.#context.netns,
      reason,
    };
  }
}

const NO_HEAD = "no table:chain:kind:number stands behind TRACE";
const NO_PACKET = "IN= and OUT= name no interface, and no header follows";
const FRAGMENT = "fields of a packet without the beginning of their record";
const HOLE =
  "record numbers are missing: keep every line of /dev/kmsg when saving it, and boot with a larger log buffer (log_buf_len=16M) if they were overwritten";

/** A journal entry whose message journald did not take for clean text: nothing of it can be seen from outside. */
function isJournalOfBytes(text: string): boolean {
  return text.charCodeAt(0) === BRACE && text.indexOf('"MESSAGE":[') !== -1;
}

function isEmpty(sighting: Sighting): boolean {
  const { packet } = sighting;
  return (
    sighting.in === null &&
    sighting.out === null &&
    packet.src === null &&
    packet.dst === null &&
    packet.protocol === null
  );
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
