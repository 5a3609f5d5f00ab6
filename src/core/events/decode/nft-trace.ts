/**
 * The text of `nft monitor trace`.
 *
 * Each line is one netlink message, or a part of one: `trace id ID FAMILY TABLE CHAIN` and then the packet's headers
 * (`packet: …`), conntrack's view (`conntrack: …`, nft 1.1.4 and later), a rule that matched (`rule … (verdict …)`), a chain
 * that ended (`verdict continue`) or a policy (`policy accept`). `src/trace.c` prints it; before nft 0.9.1 a policy was a line
 * without a body, before 0.9.4 a rule that had been deleted was not printed at all.
 *
 * A line `verdict …` is the kernel's NFT_TRACETYPE_RETURN: a chain ended without a verdict. `return` means one that was jumped
 * to (step `return`). Linux 6.1 says `continue` when the rules ran out, of those and of base chains alike, whose policy
 * follows (step `end`): only a jump seen before tells them apart. Linux 6.18 leaves these lines out.
 */
import { type Family, isFamily } from "../../netfilter/family.ts";
import type { Verdict } from "../../netfilter/verdict.ts";
import { type DecoderContext, type LineDecoder, NO_EVENTS } from "../decoder.ts";
import type { ConntrackView, Event, Origin, StepKind } from "../event.ts";
import { FieldValues } from "./field-values.ts";
import { type GapReport, readGap } from "./log-gaps.ts";
import { readNftPacket } from "./nft-packet.ts";
import { Words } from "./words.ts";

/** A rule is folded over a handful of lines; what goes on longer is no rule. */
const MOST_FOLDS = 16;

const LONGEST = 16_384;

interface Subject {
  readonly origin: Origin;
  readonly traceId: number;
  readonly family: Family;
  readonly table: string | null;
  readonly chain: string | null;
}

/** A record that the next line may go on with. */
interface Held {
  readonly text: string;
  readonly line: number;
  readonly raw: string;
  readonly kind: "rule" | "packet" | "bodiless";
  readonly folds: number;
}

export class NftTraceDecoder implements LineDecoder {
  readonly #context: DecoderContext;
  readonly #values = new FieldValues();
  #held: Held | null = null;
  /** Whether packets of this input keep nft's trailing space, so that one without it was cut. */
  #keepsSpace = false;
  /** Family of each table seen, for lines that leave it out. */
  readonly #families = new Map<string, Family>();
  /** Chains that a rule has sent a packet to. */
  readonly #jumpedTo = new Set<string>();

  constructor(context: DecoderContext) {
    this.#context = context;
  }

  /** Whether a line begins a record: the quick gate. */
  static recognises(text: string): boolean {
    return nextRecord(text, 0, false) !== -1;
  }

  read(text: string, line: number): readonly Event[] {
    const first = nextRecord(text, 0, false);
    if (first === -1) return this.#readOther(text, line);
    const events: Event[] = [...this.flush()];
    let from = first;
    for (;;) {
      const next = nextRecord(text, from + 1, true);
      if (next === -1) break;
      events.push(this.#decode(text.slice(from, next), line, text.slice(from, next).trim()));
      from = next;
    }
    const record = from === 0 ? text : text.slice(from);
    this.#readLast(events, record, line, first === from ? text : record, 0);
    return events;
  }

  /** What is held back; the input goes on, but not with this decoder's lines. */
  flush(): readonly Event[] {
    const held = this.#held;
    if (held === null) return NO_EVENTS;
    this.#held = null;
    return [this.#decode(held.text, held.line, held.raw)];
  }

  end(): readonly Event[] {
    const held = this.#held;
    if (held === null) return NO_EVENTS;
    this.#held = null;
    if (held.kind === "bodiless") return [this.#unparsed(held.raw, held.line, CUT)];
    return [this.#decode(held.text, held.line, held.raw)];
  }

  #readLast(events: Event[], record: string, line: number, raw: string, folds: number): void {
    const kind = unfinished(record);
    // nft dies on some packets in the middle of their line, and its last words end up behind it.
    const gap = kind === null ? null : readGap(record);
    if (kind === null || gap !== null) {
      if (record.endsWith(" ") && record.includes(" packet:")) this.#keepsSpace = true;
      events.push(this.#decode(gap === null ? record : record.slice(0, gap.at), line, raw));
      if (gap !== null) events.push(this.#gap(gap, line, raw));
    } else {
      this.#held = { text: record, line, raw, kind, folds };
    }
  }

  #readOther(text: string, line: number): readonly Event[] {
    const held = this.#held;
    const gap = readGap(text);
    if (held !== null && gap === null && goesOn(held, text)) {
      const joined = `${held.text.trimEnd()} ${text.trim()}`;
      const events: Event[] = [];
      this.#held = null;
      this.#readLast(events, joined, held.line, `${held.raw}\n${text}`, held.folds + 1);
      return events;
    }
    const events = this.flush();
    return gap === null ? events : [...events, this.#gap(gap, line, text)];
  }

  #gap(report: GapReport, line: number, raw: string): Event {
    const { netns, input } = this.#context;
    const { gap, count, remedy } = report;
    return { kind: "gap", origin: { input, line, raw }, time: null, netns, gap, count, remedy };
  }

  /** Reads one record, which begins with `trace id `. */
  #decode(text: string, line: number, raw: string): Event {
    const head = readHead(text);
    if (head === null) return this.#unparsed(raw, line, CUT);
    const { table, chain, words } = head;
    if (head.family !== null && table !== null) this.#families.set(table, head.family);
    const family = head.family ?? (table === null ? null : this.#families.get(table)) ?? "inet";
    const origin = { input: this.#context.input, line, raw };
    return this.#body({ origin, traceId: head.traceId, family, table, chain }, text, words);
  }

  #body(subject: Subject, text: string, words: Words): Event {
    const from = words.at;
    const word = words.next();
    if (word.startsWith("packet:")) return this.#sighting(subject, text, text.indexOf("packet:", from) + 7);
    if (word === "conntrack:") return this.#conntrack(subject, words);
    if (word === "rule") return this.#rule(subject, text.slice(words.at));
    if (word === "unknown") return this.#unknownRule(subject, text.slice(words.at));
    if (word === "") return this.#step(subject, "policy", {});
    const verdict = verdictOf(words.next());
    if (word === "policy") return this.#step(subject, "policy", { verdict, mark: readMark(words) });
    if (verdict === null) return this.#unparsed(subject.origin.raw, subject.origin.line, CUT);
    const isReturn = verdict === "return" || this.#jumpedTo.has(chainKey(subject, subject.chain));
    return this.#step(subject, isReturn ? "return" : "end", { verdict, mark: readMark(words) });
  }

  #sighting(subject: Subject, text: string, from: number): Event {
    const { origin, traceId, family, table, chain } = subject;
    const sighting = readNftPacket(text, from, text.length, family, this.#values, this.#keepsSpace);
    return {
      kind: "sighting",
      origin,
      time: null,
      netns: this.#context.netns,
      family,
      table,
      chain,
      traceId,
      sighting,
    };
  }

  #conntrack(subject: Subject, words: Words): Event {
    const { origin, traceId, family, table, chain } = subject;
    const conntrack = readConntrack(words);
    return {
      kind: "conntrack",
      origin,
      time: null,
      netns: this.#context.netns,
      family,
      table,
      chain,
      traceId,
      conntrack,
    };
  }

  #rule(subject: Subject, text: string): Event {
    const at = verdictAt(text);
    // Without the verdict the rule's own text may be cut too.
    if (at === -1) return this.#step(subject, "rule", {});
    const { verdict, toChain } = readVerdict(text.slice(at));
    const rule = text.slice(0, at).trim();
    const handle = /(?:^|\s)# handle (\d+)$/.exec(rule);
    return this.#step(subject, "rule", {
      verdict,
      toChain,
      ruleText: handle === null ? rule : rule.slice(0, handle.index).trimEnd(),
      handle: handle === null ? null : BigInt(handle[1] as string),
    });
  }

  /** The rule was deleted before nft could look it up. */
  #unknownRule(subject: Subject, text: string): Event {
    const match = /^\s*rule handle (\d+) (?=\()/.exec(text);
    const { verdict, toChain } = readVerdict(match === null ? "" : text.slice(match[0].length));
    const handle = match === null ? null : BigInt(match[1] as string);
    return this.#step(subject, "rule", { verdict, toChain, handle });
  }

  #step(
    subject: Subject,
    step: StepKind,
    told: {
      readonly verdict?: Verdict | null;
      readonly toChain?: string | null;
      readonly ruleText?: string | null;
      readonly handle?: bigint | null;
      readonly mark?: number | null;
    },
  ): Event {
    const { origin, traceId, family, table, chain } = subject;
    if (table === null || chain === null) return this.#unparsed(origin.raw, origin.line, NO_CHAIN);
    if (told.toChain) this.#jumpedTo.add(chainKey(subject, told.toChain));
    return {
      kind: "step",
      origin,
      time: null,
      netns: this.#context.netns,
      tracer: "nft",
      family,
      table,
      chain,
      step,
      number: null,
      handle: told.handle ?? null,
      verdict: told.verdict ?? null,
      toChain: told.toChain ?? null,
      ruleText: told.ruleText ?? null,
      traceId,
      sighting: null,
      mark: told.mark ?? null,
      conntrack: null,
    };
  }

  #unparsed(raw: string, line: number | null, reason: string): Event {
    const { netns, input } = this.#context;
    return { kind: "unparsed", origin: { input, line, raw }, time: null, netns, reason };
  }
}

function chainKey({ family, table }: Subject, chain: string | null): string {
  return `${family} ${table} ${chain}`;
}

const CUT = "the line ends before it says what happened";
const NO_CHAIN = "no table and chain are named";

const VERDICTS: Readonly<Record<string, Verdict>> = {
  accept: "accept",
  drop: "drop",
  continue: "continue",
  // NFT_BREAK: the rule gave up half way, the next one is asked.
  break: "continue",
  return: "return",
  jump: "jump",
  goto: "goto",
  queue: "queue",
  stolen: "stolen",
};

/**
 * Index of the next `trace id ` with an id behind it, from `from`; −1 where there is none. `isInside`: within a line, where
 * a rule's comment could hold the words, so that a family must follow and no quote be open.
 */
function nextRecord(text: string, from: number, isInside: boolean): number {
  for (let at = text.indexOf("trace id ", from); at !== -1; at = text.indexOf("trace id ", at + 1)) {
    const match = /^trace id [0-9a-f]{1,8}(?:\s+([a-z0-9]+)\s|\s|$)/.exec(text.slice(at, at + 40));
    if (match === null) continue;
    if (!isInside) return at;
    if (match[1] !== undefined && isFamily(match[1]) && !isQuoteOpen(text, from, at)) return at;
  }
  return -1;
}

function isQuoteOpen(text: string, from: number, to: number): boolean {
  let isOpen = false;
  for (let at = text.indexOf('"', from); at !== -1 && at < to; at = text.indexOf('"', at + 1))
    isOpen = !isOpen;
  return isOpen;
}

function isBody(word: string): boolean {
  switch (word) {
    case "conntrack:":
    case "rule":
    case "unknown":
    case "verdict":
    case "policy":
      return true;
    default:
      return word.startsWith("packet:");
  }
}

interface Head {
  readonly traceId: number;
  readonly family: Family | null;
  readonly table: string | null;
  readonly chain: string | null;
  /** Stands in front of the body. */
  readonly words: Words;
}

/** Reads a record up to its body; null where it ends before. */
function readHead(text: string): Head | null {
  const words = new Words(text, text.indexOf("trace id ") + 9, text.length);
  const traceId = Number.parseInt(words.next(), 16);
  const family = isFamily(words.peek()) ? (words.next() as Family) : null;
  const names = readNames(words);
  return names === null ? null : { traceId, family, table: names[0], chain: names[1], words };
}

/**
 * Table and chain, up to the body. They may be named like a body's first word, so their places count first; only a line
 * that somebody shortened has fewer. Null where the line ends within them.
 */
function readNames(words: Words): readonly [string | null, string | null] | null {
  const first = words.peek();
  if (first === "") return null;
  const ahead = words.copy();
  ahead.next();
  const second = ahead.next();
  const isSecondWhole = second !== "" && !ahead.isAtEnd;
  const third = ahead.peek();
  if (isBody(third) || (third === "" && isSecondWhole && !isBody(first) && !isBody(second))) {
    words.next();
    words.next();
    return [first, second];
  }
  if (isBody(first)) return [null, null];
  if (!isBody(second)) return null;
  words.next();
  return [null, first];
}

/** What a record may still be waiting for; null where it is whole, or past help. */
function unfinished(record: string): Held["kind"] | null {
  const head = readHead(record);
  if (head === null) return null;
  const word = head.words.next();
  if (word === "") return "bodiless";
  if (word === "rule" && verdictAt(record) === -1) return "rule";
  return word.startsWith("packet:") && !record.endsWith(" ") ? "packet" : null;
}

const STATEMENT =
  /^(?:iif|oif|ether|vlan|arp|ip6?|tcp|udp|udplite|sctp|dccp|icmp|icmpv6|ah|esp) (?:"|[a-z])|^@(?:ll|nh|th),/;

/** Whether a line that begins no record goes on with the one held back. */
function goesOn(held: Held, text: string): boolean {
  const rest = text.trim();
  if (rest === "" || held.folds >= MOST_FOLDS || held.text.length + rest.length > LONGEST) return false;
  return held.kind === "rule" || (held.kind === "packet" && STATEMENT.test(rest));
}

/** Index of the closing `(verdict …`; −1 where there is none. A comment may hold the words. */
function verdictAt(text: string): number {
  for (
    let at = text.lastIndexOf("(verdict");
    at !== -1;
    at = at === 0 ? -1 : text.lastIndexOf("(verdict", at - 1)
  ) {
    if (!isQuoteOpen(text, at, text.length)) return at;
  }
  return -1;
}

function readVerdict(text: string): { readonly verdict: Verdict | null; readonly toChain: string | null } {
  const match = /^\(verdict\s+([a-z]+)(?:\s+([^\s)]+)[^)]*)?\)/.exec(text);
  const verdict = match === null ? null : verdictOf(match[1] as string);
  const isCall = verdict === "jump" || verdict === "goto";
  return { verdict, toChain: isCall ? (match?.[2] ?? null) : null };
}

function verdictOf(word: string): Verdict | null {
  return Object.hasOwn(VERDICTS, word) ? (VERDICTS[word] as Verdict) : null;
}

/** `meta mark 0x00000042`: always eight digits, so that fewer were cut. */
function readMark(words: Words): number | null {
  if (words.next() !== "meta" || words.next() !== "mark") return null;
  const value = words.next();
  return /^0x[0-9a-f]{8}$/.test(value) ? Number(value) : null;
}

/** `ct direction original ct state new ct status dnat-done ct id 32`, any part of which may be absent. */
function readConntrack(words: Words): ConntrackView {
  let id: number | null = null;
  let direction: ConntrackView["direction"] = null;
  let state: string | null = null;
  let status: readonly string[] = [];
  for (let word = words.next(); word !== ""; word = words.next()) {
    if (word !== "ct") continue;
    const field = words.next();
    const value = words.next();
    // Only the id comes last, so any other value that ends the line was cut.
    if (words.isAtEnd && field !== "id") break;
    if (field === "direction") direction = value === "original" || value === "reply" ? value : null;
    else if (field === "state") state = value;
    else if (field === "status") status = value.split(",");
    else if (field === "id") id = /^\d{1,10}$/.test(value) ? Number(value) : null;
  }
  // A template's (`ct zone set`) are not the connection's: see `netlink/conntrack-status.ts`.
  return status.includes("template")
    ? { id: null, direction: null, state: null, status }
    : { id, direction, state, status };
}
