/**
 * What journeys are to each other: parts of one packet's way through several namespaces, and an answer and the packet that caused it.
 *
 * A packet that leaves one namespace for another is the same buffer on the other side: the same headers to the last bit of the TTL, and the
 * same trace id. An ICMP error quotes the headers of its packet as they were where it died; the reset that a REJECT rule or a closed
 * port sends is made of its packet's numbers (`nf_reject_ip_tcphdr_put`). Bounded: the oldest are forgotten first.
 */
import { nanosBetween } from "../base/time.ts";
import { isFragment, type Packet, TCP_FLAG_BITS } from "../packets/packet.ts";
import type { Journey } from "./journey.ts";

export interface Relations {
  /** The journey in another namespace that this one goes on from. */
  readonly continues: Relation | null;
  /** The packet that this one tells the sender of: by an ICMP error, or a reset. */
  readonly causedBy: Relation | null;
  /** Errors and resets that this packet was answered with. */
  readonly answeredWith: readonly Relation[];
  /** The whole packet that defragmentation made of this fragment and others. */
  readonly fragmentOf: Relation | null;
  /** The fragments that this packet was made of, as far as they were seen. */
  readonly fragments: readonly Relation[];
}

export interface Relation {
  readonly journey: string;
  readonly by: RelationReason;
  /** Journeys that it may be as well: several were alike. */
  readonly alike: readonly string[];
}

export type RelationReason =
  /** The same trace id and the same headers, in another namespace. */
  | "same-trace-id-and-headers"
  /** The same headers, in another namespace at about the same time. */
  | "same-headers-within-window"
  /** An ICMP error quotes them. */
  | "quoted-headers"
  /** A reset carries the sequence numbers that its packet asks for. */
  | "numbers-of-a-reset"
  /** Fragments and the whole have one identification, protocol, source and destination. */
  | "same-identification";

export const NO_RELATIONS: Relations = {
  continues: null,
  causedBy: null,
  answeredWith: [],
  fragmentOf: null,
  fragments: [],
};

const MOST_KEPT = 50_000;
/** Journeys alike in all headers that are kept, and that are named. */
const MOST_ALIKE = 1_000;
const MOST_NAMED = 16;
/** Sockets of two namespaces are read one after the other. */
const EARLIEST_NANOS = -5e8;
const LATEST_NANOS = 2e9;
/** `net.ipv4.ipfrag_time`, as every kernel has it by default. */
const FRAGMENTS_WAIT_NANOS = 30e9;

type Known = { -readonly [Key in keyof Relations]: Relations[Key] };

export class RelationMemory {
  readonly #exits = new Shelf();
  readonly #entries = new Shelf();
  readonly #shapes = new Shelf();
  readonly #fragments = new Shelf();
  /** Of journeys that were learned and not yet told. */
  readonly #known = new Map<string, Known>();

  /** In the order in which journeys began. */
  learn(journey: Journey): void {
    const known: Known = { ...NO_RELATIONS };
    this.#known.set(journey.id, known);
    if (hasEntered(journey)) this.#enter(journey, known);
    if (hasLeft(journey)) this.#leave(journey);
    const cause = this.#causeOf(journey);
    if (cause !== null) {
      known.causedBy = cause;
      const caused = this.#known.get(cause.journey);
      // Too late for one that was told already.
      if (caused !== undefined)
        caused.answeredWith = [...caused.answeredWith, { ...cause, journey: journey.id, alike: [] }];
    }
    for (const key of shapeKeys(journey)) this.#shapes.put(key, journey);
    this.#putTogether(journey, known);
  }

  /** What is known of it by now. */
  of(journey: Journey): Relations {
    return this.#known.get(journey.id) ?? NO_RELATIONS;
  }

  /** It has been told: nothing that comes later is kept for it. */
  forget(journey: Journey): void {
    this.#known.delete(journey.id);
  }

  #enter(journey: Journey, known: Known): void {
    const key = wholeKey(journey.first?.packet ?? null);
    if (key === null) return;
    known.continues = sameElsewhere(journey, this.#exits.at(key), (before) =>
      nanosBetween(before.lastTime, journey.firstTime),
    );
    const before = known.continues === null ? null : known.continues.journey;
    if (before === null) this.#entries.put(key, journey);
    else this.#exits.take(key, before);
  }

  /** The socket of the next namespace may have been read first. */
  #leave(journey: Journey): void {
    const key = wholeKey(journey.last?.packet ?? null);
    if (key === null) return;
    const next = sameElsewhere(journey, this.#entries.at(key), (after) =>
      nanosBetween(journey.lastTime, after.firstTime),
    );
    const known = next === null ? undefined : this.#known.get(next.journey);
    if (next === null || known === undefined) {
      this.#exits.put(key, journey);
      return;
    }
    known.continues = { ...next, journey: journey.id, alike: [] };
    this.#entries.take(key, next.journey);
  }

  #putTogether(journey: Journey, known: Known): void {
    const packet = journey.first?.packet ?? null;
    // Hardly any trace shows fragments.
    if (packet === null || (this.#fragments.isEmpty && !isFragment(packet))) return;
    const key = fragmentKey(journey, packet);
    if (key === null) return;
    if (isFragment(packet)) {
      this.#fragments.put(key, journey);
      return;
    }
    const pieces = this.#fragments.at(key).filter((piece) => {
      const nanos = nanosBetween(piece.firstTime, journey.firstTime);
      return nanos === null || (nanos >= 0 && nanos <= FRAGMENTS_WAIT_NANOS);
    });
    known.fragments = pieces.map((piece) => sameIdentification(piece));
    for (const piece of pieces) {
      this.#fragments.take(key, piece.id);
      const ofPiece = this.#known.get(piece.id);
      if (ofPiece !== undefined) ofPiece.fragmentOf = sameIdentification(journey);
    }
  }

  #causeOf(journey: Journey): Relation | null {
    const packet = journey.first?.packet ?? null;
    if (packet === null) return null;
    if (packet.quoted !== null) {
      const quoted = fullestQuote(journey) ?? packet.quoted;
      const key = quoted.src === null ? cutQuoteKey(packet.dst, quoted) : quoteKey(quoted);
      const found = this.#shapes.at(key).filter((cause) => isRecent(cause, journey));
      return relation(found, journey.netns, "quoted-headers");
    }
    if (packet.tcp === null || ((packet.tcp.flags ?? 0) & TCP_FLAG_BITS.RST) === 0) return null;
    const found = this.#shapes
      .at(connectionKey(packet.dst, packet.dport, packet.src, packet.sport))
      .filter((cause) => isRecent(cause, journey) && isResetOf(packet, cause));
    return relation(found, journey.netns, "numbers-of-a-reset");
  }
}

function sameIdentification({ id }: Journey): Relation {
  return { journey: id, by: "same-identification", alike: [] };
}

/** Null for what defragmentation does not make: it joins fragments of one namespace by these (`ip4_frag_match`). */
function fragmentKey({ netns }: Journey, { family, protocol, src, dst, ipId }: Packet): string | null {
  return family === "ip" && src !== null && dst !== null && ipId !== null
    ? `${netns ?? ""} ${protocol} ${src} ${dst} ${ipId}`
    : null;
}

/** The latest of those that fit, of the own namespace before any other. */
function relation(found: readonly Journey[], netns: string | null, by: RelationReason): Relation | null {
  const here = found.filter((journey) => journey.netns === netns);
  const fitting = here.length > 0 ? here : found;
  const best = fitting.at(-1);
  if (best === undefined) return null;
  return {
    journey: best.id,
    by,
    alike: fitting
      .slice(0, -1)
      .slice(-MOST_NAMED)
      .map(({ id }) => id),
  };
}

function sameElsewhere(
  journey: Journey,
  candidates: readonly Journey[],
  since: (other: Journey) => number | null,
): Relation | null {
  const found = candidates.filter((other) => {
    const nanos = since(other);
    return (
      other.netns !== journey.netns && (nanos === null || (nanos >= EARLIEST_NANOS && nanos <= LATEST_NANOS))
    );
  });
  const ids = traceIdsOf(journey);
  const same = found.filter((other) => [...traceIdsOf(other)].some((id) => ids.has(id)));
  const fitting = same.length > 0 ? same : found;
  const [best] = fitting;
  if (best === undefined) return null;
  const by = same.length > 0 ? "same-trace-id-and-headers" : "same-headers-within-window";
  return { journey: best.id, by, alike: fitting.slice(1, 1 + MOST_NAMED).map(({ id }) => id) };
}

function traceIdsOf(journey: Journey): ReadonlySet<number> {
  const ids = new Set<number>();
  for (const { event } of journey.steps) if (event.traceId !== null) ids.add(event.traceId);
  return ids;
}

function hasEntered({ steps, first }: Journey): boolean {
  const hook = steps[0]?.hook ?? null;
  return (hook === "prerouting" || hook === "ingress") && first !== null && first.in !== "lo";
}

function hasLeft({ steps, last }: Journey): boolean {
  const step = steps.at(-1);
  if (step === undefined || last === null || last.out === null || last.out === "lo") return false;
  return (
    step.verdict !== "drop" &&
    step.verdict !== "reject" &&
    step.hook !== "prerouting" &&
    step.hook !== "input"
  );
}

function isRecent(cause: Journey, journey: Journey): boolean {
  const nanos = nanosBetween(cause.firstTime, journey.firstTime);
  return cause.id !== journey.id && (nanos === null || (nanos >= EARLIEST_NANOS && nanos <= LATEST_NANOS));
}

function isResetOf(reset: Packet, cause: Journey): boolean {
  return cause.steps.some(({ sighting }) => {
    const tcp = sighting?.packet.tcp ?? null;
    if (tcp === null || reset.tcp === null || ((tcp.flags ?? 0) & TCP_FLAG_BITS.RST) !== 0) return false;
    if (((tcp.flags ?? 0) & TCP_FLAG_BITS.ACK) !== 0) return tcp.ack !== null && reset.tcp.seq === tcp.ack;
    // How long the data is, is not shown: at most the whole packet.
    if (tcp.seq === null || reset.tcp.ack === null) return false;
    const acknowledged = (reset.tcp.ack - tcp.seq) >>> 0;
    return acknowledged >= 1 && acknowledged <= (sighting?.packet.length ?? 1);
  });
}

/** All that stays the same on a wire. Null where too little was shown. */
function wholeKey(packet: Packet | null): string | null {
  if (packet === null || packet.src === null || packet.dst === null || packet.length === null) return null;
  const { src, sport, dst, dport, protocol, ipId, ttl, length, fragmentOffset, tcp, icmp } = packet;
  return `${protocol} ${src} ${sport} ${dst} ${dport} ${ipId} ${ttl} ${length} ${fragmentOffset} ${tcp?.seq} ${tcp?.flags} ${icmp?.type} ${icmp?.id} ${icmp?.sequence}`;
}

/** Every appearance of it that an error could quote or a reset answer: before, between and after translations. */
function shapeKeys(journey: Journey): ReadonlySet<string> {
  const keys = new Set<string>();
  let last: Packet | null = null;
  for (const { sighting } of journey.steps) {
    const packet = sighting?.packet ?? null;
    if (packet === null || packet === last) continue;
    last = packet;
    // No error is sent about an error.
    if (packet.quoted !== null) continue;
    keys.add(quoteKey(packet));
    keys.add(cutQuoteKey(packet.src, packet));
    if (packet.tcp !== null) keys.add(connectionKey(packet.src, packet.sport, packet.dst, packet.dport));
  }
  return keys;
}

function quoteKey({ protocol, src, sport, dst, dport, ipId, icmp, tcp }: Packet): string {
  return `${protocol} ${src} ${sport} ${dst} ${dport} ${ipId} ${icmp?.id} ${icmp?.sequence} ${tcp?.seq}`;
}

/** nft shows 20 bytes of an error, and of the quotation no more than the 12 before its addresses: its sender is who is told. */
function cutQuoteKey(sender: string | null, { protocol, ipId, length }: Packet): string {
  return `cut ${protocol} ${sender} ${ipId} ${length}`;
}

/** As far as any tracer showed it. */
function fullestQuote(journey: Journey): Packet | null {
  for (const { sighting } of journey.steps) {
    const quoted = sighting?.packet.quoted ?? null;
    if (quoted !== null && quoted.src !== null) return quoted;
  }
  return null;
}

function connectionKey(
  src: string | null,
  sport: number | null,
  dst: string | null,
  dport: number | null,
): string {
  return `tcp ${src} ${sport} ${dst} ${dport}`;
}

/** Journeys by key, the oldest first; the oldest keys are forgotten first. */
class Shelf {
  readonly #byKey = new Map<string, Journey[]>();

  get isEmpty(): boolean {
    return this.#byKey.size === 0;
  }

  at(key: string): readonly Journey[] {
    return this.#byKey.get(key) ?? [];
  }

  put(key: string, journey: Journey): void {
    const there = this.#byKey.get(key) ?? [];
    this.#byKey.delete(key);
    this.#byKey.set(key, there);
    there.push(journey);
    if (there.length > MOST_ALIKE) there.shift();
    if (this.#byKey.size <= MOST_KEPT) return;
    const oldest = this.#byKey.keys().next();
    if (!oldest.done) this.#byKey.delete(oldest.value);
  }

  take(key: string, id: string): void {
    const left = this.at(key).filter((journey) => journey.id !== id);
    if (left.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, left);
  }
}
