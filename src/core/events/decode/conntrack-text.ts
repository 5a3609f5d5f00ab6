/**
 * Connections in text: `conntrack -L`, `conntrack -E` and `/proc/net/nf_conntrack`.
 *
 * All three print one connection a line: a head in columns (family, protocol, timeout, state, each of which one of them
 * leaves out), then `key=value` words, first those of the original direction, then those of the reply, then the rest.
 * `/proc` prints IPv6 addresses in full (`seq_print_acct`, `nf_conntrack_standalone.c`), the tool compressed ones.
 */
import type { Time } from "../../base/time.ts";
import { canonicalIpv6, parseIpv4 } from "../../packets/address.ts";
import { protocolName } from "../../packets/protocols.ts";
import { type DecoderContext, type LineDecoder, NO_EVENTS } from "../decoder.ts";
import type { Event, FlowEvent, FlowTuple, Origin } from "../event.ts";

/** `[1292425574.123456]` of `-o timestamp`: the tool's own clock, when it heard of the event. */
const STAMP = /^[\s/#>|*]*\[(\d+)\.(\d{1,9})\]\s*/;
const WHAT = /^[\s/#>|*]*\[(NEW|UPDATE|DESTROY)\]\s*/;
/** `ipv4 2 tcp 6 431999 ESTABLISHED`; the first pair is not in `conntrack -L`, and not everything has the last two. */
const HEAD = /(?:^|\s)(?:(?:ipv4|ipv6)\s+\d+\s+)?[\w-]+\s+(\d{1,3})(?:\s+(\d+))?(?:\s+([A-Z][A-Z_\d]*))?\s*$/;
/** The columns before the addresses, with all their padding; in front of them may stand whatever a line is quoted with. */
const LONGEST_HEAD = 100;

const KINDS: Readonly<Record<string, FlowEvent["what"]>> = {
  NEW: "new",
  UPDATE: "update",
  DESTROY: "destroy",
};

/** A tuple while its words are being read. */
interface Draft {
  src: string | null;
  dst: string | null;
  sport: number | null;
  dport: number | null;
  type: number | null;
  code: number | null;
  id: number | null;
}

export class ConntrackTextDecoder implements LineDecoder {
  readonly #context: DecoderContext;

  constructor(context: DecoderContext) {
    this.#context = context;
  }

  /** Whether a line holds a connection: the quick gate. Kernel log lines spell their keys in capitals. */
  static recognises(text: string): boolean {
    const first = text.indexOf("src=");
    if (first === -1) return false;
    const second = text.indexOf(" src=", first + 4);
    return second !== -1 && text.indexOf(" dst=", second) !== -1;
  }

  read(text: string, line: number): readonly Event[] {
    if (!ConntrackTextDecoder.recognises(text)) return NO_EVENTS;
    const origin = { input: this.#context.input, line, raw: text };
    const flow = readFlow(text, origin, this.#context.netns);
    if (typeof flow !== "string") return [flow];
    const reason = `conntrack line: ${flow}`;
    return [{ kind: "unparsed", origin, time: null, netns: this.#context.netns, reason }];
  }

  /** Every line stands for itself. */
  flush(): readonly Event[] {
    return NO_EVENTS;
  }

  end(): readonly Event[] {
    return NO_EVENTS;
  }
}

/** The connection, or why it cannot be read. */
function readFlow(text: string, origin: Origin, netns: string | null): FlowEvent | string {
  const stamp = STAMP.exec(text);
  const afterStamp = text.slice(stamp?.[0].length ?? 0);
  const what = WHAT.exec(afterStamp);
  const rest = afterStamp.slice(what?.[0].length ?? 0);
  const tuplesAt = rest.indexOf("src=");
  const head = HEAD.exec(rest.slice(Math.max(0, tuplesAt - LONGEST_HEAD), tuplesAt));
  if (head === null) return "no protocol stands before its addresses";
  const words = new FlowWords();
  for (const word of rest.slice(tuplesAt).split(/\s+/)) words.take(word);
  const original = words.tuple(0);
  const reply = words.tuple(1);
  if (original === null || reply === null) return "an address is missing or is none";
  const [, protocol = "", timeout, state] = head;
  return {
    kind: "flow",
    origin,
    time: stamp === null ? null : timeOf(stamp),
    netns,
    what: KINDS[what?.[1] ?? ""] ?? "listed",
    family: original.src.includes(":") ? "ip6" : "ip",
    protocol: protocolName(Number(protocol)),
    id: words.id,
    original,
    reply,
    status: words.status,
    state: state ?? null,
    timeout: timeout === undefined ? null : Number(timeout),
    mark: words.mark,
    zone: words.zone,
  };
}

function timeOf([, seconds = "", fraction = ""]: RegExpExecArray): Time {
  const nanos = Number(fraction.padEnd(9, "0"));
  return { clock: "arrival", epoch: "utc", seconds: Number(seconds), nanos };
}

class FlowWords {
  id: number | null = null;
  mark: number | null = null;
  zone: number | null = null;
  readonly #flags: string[] = [];
  readonly #tuples: Draft[] = [];
  #isUnreplied = false;

  /** What the flags say, in nft's words; `seen-reply` is said by the absence of one. */
  get status(): readonly string[] {
    return this.#isUnreplied ? this.#flags : ["seen-reply", ...this.#flags];
  }

  tuple(at: number): FlowTuple | null {
    const draft = this.#tuples[at];
    if (draft === undefined) return null;
    const src = address(draft.src);
    const dst = address(draft.dst);
    if (src === null || dst === null) return null;
    const { sport, dport, type, code, id } = draft;
    return { src, dst, sport, dport, icmp: type === null ? null : { type, code: code ?? 0, id: id ?? 0 } };
  }

  take(word: string): void {
    const equals = word.indexOf("=");
    if (equals === -1) {
      this.#takeFlag(word);
      return;
    }
    const key = word.slice(0, equals);
    const value = word.slice(equals + 1);
    const tuple = this.#tuples.at(-1);
    if (key === "src") this.#tuples.push({ ...EMPTY, src: value });
    else if (key === "mark") this.mark = numberOf(value);
    else if (key === "zone") this.zone = numberOf(value);
    else if (tuple === undefined) return;
    else if (key === "dst") tuple.dst = value;
    else if (key === "sport" || key === "dport" || key === "type" || key === "code")
      tuple[key] = numberOf(value);
    // ICMP's identifier stands behind its code; the entry's own id comes after both directions.
    else if (key === "id" && tuple.code !== null && tuple.id === null) tuple.id = numberOf(value);
    else if (key === "id") this.id = numberOf(value);
  }

  #takeFlag(word: string): void {
    if (word === "[UNREPLIED]") this.#isUnreplied = true;
    else if (word === "[ASSURED]") this.#flags.push("assured");
    else if (word === "[OFFLOAD]") this.#flags.push("offload");
    else if (word === "[HW_OFFLOAD]") this.#flags.push("hw-offload");
  }
}

const EMPTY: Draft = { src: null, dst: null, sport: null, dport: null, type: null, code: null, id: null };

function address(text: string | null): string | null {
  if (text === null) return null;
  if (text.includes(":")) return canonicalIpv6(text);
  return parseIpv4(text) === null ? null : text;
}

function numberOf(text: string): number | null {
  return /^\d{1,10}$/.test(text) ? Number(text) : null;
}
