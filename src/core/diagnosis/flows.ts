/**
 * What one packet tells about the others of its connection.
 *
 * nat chains are asked once per connection; everything after is rewritten from conntrack in silence. So the first packet's
 * translation is kept, and looked up for later packets and for replies, which show only half of it. Where conntrack itself
 * was heard, it is believed before any packet: it knows both ends exactly. Bounded: the oldest connections are forgotten
 * first.
 */
import { nanosBetween } from "../base/time.ts";
import type { ConntrackView, FlowEvent } from "../events/event.ts";
import type { Journey } from "../journeys/journey.ts";
import type { Trail } from "../journeys/trail.ts";
import { TCP_FLAG_BITS } from "../packets/packet.ts";
import { Silences } from "./silences.ts";
import { flowTuple, inverse, isRequest, isSame, type Tuple, tupleKey, tupleOf } from "./tuple.ts";

export interface Mapping {
  /** As the connection's first packet came. */
  readonly original: Tuple;
  /** As it left: exactly where conntrack told it, otherwise as far as that was seen. */
  readonly translated: Tuple;
  /** The journey that showed it; null: conntrack told it. */
  readonly shownBy: string | null;
  /** Whether the packet asked about goes the way of the first one. */
  readonly direction: "original" | "reply";
}

/** A connection that conntrack told of, as it was last heard. */
interface Connection {
  readonly original: Tuple;
  readonly id: number | null;
  readonly status: readonly string[];
}

export interface Answer {
  readonly journey: string;
  /** From the request's first step to the answer's; null where their clocks do not compare. */
  readonly afterNanos: number | null;
  /** A TCP reset, which refuses: the request arrived, and nobody wanted it. */
  readonly isReset: boolean;
}

/** Another connection that has the addresses and ports under which a packet was to leave. */
export type Rival = Omit<Mapping, "direction">;

const MOST_CONNECTIONS = 60_000;

/** Requests under way: an answer comes soon, or hardly ever. */
const MOST_WAITING = 20_000;

/** Where an answer was seen whose request went another way. */
export interface OtherWay {
  readonly netns: string;
  /** The answer. */
  readonly journey: string;
}

/** A request that nobody has answered so far. */
interface Waiting {
  readonly trail: Trail;
  /** The first of those that are alike: it was sent again. */
  readonly first: string;
}

/** A packet turned out to be the first answer to a request. */
export interface Answered {
  readonly request: Trail;
  readonly answer: Answer;
}

export class FlowMemory {
  /** Which requests nobody answered, as far as that can be told. */
  readonly silences = new Silences();
  readonly #mappings = new Map<string, Omit<Mapping, "direction">>();
  /** By the tuple of the packet whose translation another connection had first. */
  readonly #rivals = new Map<string, Rival>();
  readonly #connections = new Map<string, Connection>();
  /** By tuple, the namespaces that a packet with it was seen in, each with its first journey there. */
  readonly #ways = new Map<string, Map<string, string>>();
  readonly #waiting = new Map<string, Waiting>();

  /** Learns this packet's translation, and finds the request that it is the first answer to; null where it is none. */
  learn(journey: Journey, trail: Trail): Answered | null {
    const original = tupleOf(journey.first?.packet ?? null);
    const translated = tupleOf(journey.last?.packet ?? null);
    if (original === null || translated === null || journey.first === null) return null;
    const protocol = journey.first.packet.protocol ?? "";
    const key = tupleKey(journey.netns, protocol, original);
    if (!isSame(original, translated)) {
      const known = this.#mappings.get(key);
      const rival = this.#mappings.get(tupleKey(journey.netns, protocol, inverse(translated)));
      if (rival !== undefined && !isSame(rival.original, original) && isSame(rival.translated, translated))
        remember(this.#rivals, key, rival);
      else if (known === undefined)
        this.#keep(journey.netns, protocol, { original, translated, shownBy: journey.id });
    }
    this.silences.heard(key);
    this.#passed(journey, protocol, original);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      this.#waiting.delete(key);
      this.silences.answered(journey.netns, protocol);
      const answer = {
        journey: journey.id,
        afterNanos: nanosBetween(waiting.trail.firstTime, journey.firstTime),
        isReset: ((journey.first.packet.tcp?.flags ?? 0) & TCP_FLAG_BITS.RST) !== 0,
      };
      return { request: waiting.trail, answer };
    }
    if (isRequest(journey.first.packet)) {
      const answerKey = tupleKey(journey.netns, protocol, inverse(translated));
      const before = this.#waiting.get(answerKey);
      const isAgain = before !== undefined && isSentAgain(before.trail, trail);
      if (isAgain) this.silences.sentAgain(before.trail.id, before.first);
      const first = isAgain ? before.first : journey.id;
      remember(this.#waiting, answerKey, { trail, first }, MOST_WAITING);
    }
    return null;
  }

  /** Addresses that several hosts may share are told apart by who saw them: only named namespaces count. */
  #passed({ netns, id }: Journey, protocol: string, tuple: Tuple): void {
    if (netns === null) return;
    const key = tupleKey(null, protocol, tuple);
    const ways = this.#ways.get(key) ?? new Map<string, string>();
    if (!ways.has(netns)) ways.set(netns, id);
    remember(this.#ways, key, ways);
  }

  /** The answer to this packet passed another host that has not seen the packet itself; null where none did. */
  answeredAnotherWay(journey: Journey): OtherWay | null {
    if (this.#ways.size === 0) return null;
    const left = tupleOf(journey.last?.packet ?? null);
    if (left === null || journey.netns === null) return null;
    const protocol = journey.last?.packet.protocol ?? "";
    const there = this.#ways.get(tupleKey(null, protocol, left));
    const back = this.#ways.get(tupleKey(null, protocol, inverse(left)));
    if (back === undefined || back.has(journey.netns)) return null;
    for (const [netns, id] of back) if (there?.has(netns) !== true) return { netns, journey: id };
    return null;
  }

  /** Learns from conntrack. An entry that is gone may still be asked about by a packet that came before. */
  learnFlow(event: FlowEvent): void {
    const original = flowTuple(event.original);
    const translated = inverse(flowTuple(event.reply));
    this.#keepConnection(event, original, inverse(translated));
    if (!isSame(original, translated))
      this.#keep(event.netns, event.protocol, { original, translated, shownBy: null });
    else this.#forget(event.netns, event.protocol, original);
  }

  /** The status at an entry's end is none that a packet met: the one before it stays. */
  #keepConnection({ netns, protocol, id, status, what }: FlowEvent, original: Tuple, reply: Tuple): void {
    const known = this.#connections.get(tupleKey(netns, protocol, original));
    if (what === "destroy" && known !== undefined && known.id === id) return;
    const connection = { original, id, status };
    remember(this.#connections, tupleKey(netns, protocol, original), connection);
    remember(this.#connections, tupleKey(netns, protocol, reply), connection);
  }

  #keep(netns: string | null, protocol: string, mapping: Omit<Mapping, "direction">): void {
    remember(this.#mappings, tupleKey(netns, protocol, mapping.original), mapping);
    remember(this.#mappings, tupleKey(netns, protocol, inverse(mapping.translated)), mapping);
  }

  /** The same addresses and ports were translated once, and are not any more. */
  #forget(netns: string | null, protocol: string, original: Tuple): void {
    const known = this.#mappings.get(tupleKey(netns, protocol, original));
    if (known === undefined || !isSame(known.original, original)) return;
    this.#mappings.delete(tupleKey(netns, protocol, original));
    this.#mappings.delete(tupleKey(netns, protocol, inverse(known.translated)));
  }

  /**
   * The entry that has this packet's addresses and ports, for a trace that came without: what the packet was to it (new,
   * established …) only the kernel knew at that moment. Null where conntrack told of none.
   */
  connectionOf(journey: Journey): ConntrackView | null {
    if (this.#connections.size === 0) return null;
    const tuple = tupleOf(journey.first?.packet ?? null);
    if (tuple === null || journey.first === null) return null;
    const protocol = journey.first.packet.protocol ?? "";
    const found = this.#connections.get(tupleKey(journey.netns, protocol, tuple));
    if (found === undefined) return null;
    const direction = isSame(found.original, tuple) ? "original" : "reply";
    return { id: found.id, direction, state: null, status: found.status };
  }

  /** The connection that had this packet's translation before; null where none is known. */
  rivalOf(journey: Journey): Rival | null {
    if (this.#rivals.size === 0) return null;
    const tuple = tupleOf(journey.first?.packet ?? null);
    if (tuple === null || journey.first === null) return null;
    return this.#rivals.get(tupleKey(journey.netns, journey.first.packet.protocol ?? "", tuple)) ?? null;
  }

  /** The translation of this packet's connection that conntrack or another journey showed; null where none did. */
  mappingOf(journey: Journey): Mapping | null {
    if (this.#mappings.size === 0) return null;
    const tuple = tupleOf(journey.first?.packet ?? null);
    if (tuple === null || journey.first === null) return null;
    const protocol = journey.first.packet.protocol ?? "";
    const found = this.#mappings.get(tupleKey(journey.netns, protocol, tuple));
    if (found === undefined || found.shownBy === journey.id) return null;
    return { ...found, direction: isSame(found.original, tuple) ? "original" : "reply" };
  }
}

/** The same SYN or echo once more. UDP has nothing to tell it by. */
function isSentAgain(before: Trail, now: Trail): boolean {
  const [first, second] = [before.packets[0], now.packets[0]];
  if (first?.tcp?.seq != null) return first.tcp.seq === second?.tcp?.seq;
  return first?.icmp?.sequence != null && first.icmp.sequence === second?.icmp?.sequence;
}

function remember<Value>(
  map: Map<string, Value>,
  key: string,
  value: Value,
  most: number = MOST_CONNECTIONS,
): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= most) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}

/** `10.0.0.1:53`, `[fe80::1]:53`, or the address alone where there is no port. */
export function endpoint(address: string | null, port: number | null): string {
  const text = address ?? "?";
  if (port === null) return text;
  return text.includes(":") ? `[${text}]:${port}` : `${text}:${port}`;
}
