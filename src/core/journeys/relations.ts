/**
 * What journeys are to each other: parts of one packet's way through several namespaces, and an answer and the packet that caused it.
 *
 * A packet that leaves one namespace for another is the same buffer on the other side: the same headers to the last bit of the TTL, and the
 * same trace id. An ICMP error quotes the headers of its packet as they were where it died; the reset that a REJECT rule or a closed
 * port sends is made of its packet's numbers (`nf_reject_ip_tcphdr_put`). Bounded: the oldest are forgotten first.
 */
import { nanosBetween } from "../base/time.ts";
import { isFragment, type Packet, TCP_FLAG_BITS } from "../packets/packet.ts";
import { CarriedMemory, type CarriedReason, type IsTunnel, type Tie } from "./carried.ts";
import { copiedFrom, isCopy } from "./copies.ts";
import { Ipv6Fragments } from "./ipv6-fragments.ts";
import type { Journey } from "./journey.ts";
import type { Trail } from "./trail.ts";
import { mixed, TrailIndex } from "./trail-index.ts";
import { Shelf } from "./trail-shelf.ts";

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
  /** The packet that this one went on in: of a tunnel, or IPsec's. */
  readonly carriedBy: Relation | null;
  /** The packet that this one came in. */
  readonly unpackedFrom: Relation | null;
  /** The packets that went on, or came, in this one. */
  readonly carries: readonly Relation[];
  /** The packet that this is a copy of: by TEE or nft's dup, or a frame that a bridge sends out by several ports. */
  readonly copyOf: Relation | null;
  readonly copies: readonly Relation[];
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
  | "same-identification"
  /** Fragments of IPv6 that make up the whole's length, the last of which has its trace id. */
  | "lengths-add-up"
  /** The same headers, and a rule that copies packets told of the first. */
  | "copied-by-rule"
  | CarriedReason;

export const NO_RELATIONS: Relations = {
  continues: null,
  causedBy: null,
  answeredWith: [],
  fragmentOf: null,
  fragments: [],
  carriedBy: null,
  unpackedFrom: null,
  carries: [],
  copyOf: null,
  copies: [],
};

/** Headers of packets that an error could quote, or a reset answer. */
const MOST_SHAPES = 40_000;
/** Journeys alike in all headers that are named. */
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
  readonly #quotable = new TrailIndex(LATEST_NANOS - EARLIEST_NANOS, MOST_SHAPES);
  readonly #cutQuotable = new TrailIndex(LATEST_NANOS - EARLIEST_NANOS, MOST_SHAPES);
  readonly #connections = new TrailIndex(LATEST_NANOS - EARLIEST_NANOS, MOST_SHAPES);
  readonly #fragments = new Shelf();
  readonly #ipv6Fragments = new Ipv6Fragments();
  /** Of journeys that were learned and not yet told; those that have none are not in it. */
  readonly #known = new Map<string, Known>();
  readonly #untold = new Set<string>();
  readonly #carried: CarriedMemory;

  /** @param isTunnel what is known of devices */
  constructor(isTunnel: IsTunnel = () => null) {
    this.#carried = new CarriedMemory(isTunnel);
  }

  /** In the order in which journeys began. */
  learn(journey: Journey, trail: Trail): void {
    this.#untold.add(journey.id);
    // Journeys of one unnamed namespace go on nowhere else.
    if (journey.netns !== null) {
      if (hasEntered(journey)) this.#enter(journey, trail);
      if (hasLeft(journey)) this.#leave(journey, trail);
    }
    const cause = this.#causeOf(journey, trail);
    if (cause !== null) {
      this.#change(journey.id, { causedBy: cause });
      const answeredWith = this.of({ id: cause.journey }).answeredWith;
      this.#change(cause.journey, {
        answeredWith: [...answeredWith, { ...cause, journey: journey.id, alike: [] }],
      });
    }
    if (isCopy(journey)) this.#tieCopy(journey, trail);
    this.#keepShapes(trail);
    this.#putTogether(trail);
    this.#tieFragments(trail, this.#ipv6Fragments.learn(trail), "lengths-add-up");
    for (const tie of this.#carried.learn(journey, trail)) this.#tieCarried(tie);
  }

  /** What is known of it by now. */
  of({ id }: { readonly id: string }): Relations {
    return this.#known.get(id) ?? NO_RELATIONS;
  }

  /** It has been told: nothing that comes later is kept for it. */
  forget(journey: Journey): void {
    this.#untold.delete(journey.id);
    this.#known.delete(journey.id);
  }

  /** Too late for one that was told already. */
  #change(id: string, change: Partial<Relations>): void {
    if (this.#untold.has(id)) this.#known.set(id, { ...this.of({ id }), ...change });
  }

  #enter(journey: Journey, trail: Trail): void {
    const key = wholeKey(journey.first?.packet ?? null);
    if (key === null) return;
    const continues = sameElsewhere(trail, this.#exits.at(key), (before) =>
      nanosBetween(before.lastTime, journey.firstTime),
    );
    if (continues === null) {
      this.#entries.put(key, trail);
      return;
    }
    this.#change(journey.id, { continues });
    this.#exits.take(key, continues.journey);
  }

  /** The socket of the next namespace may have been read first. */
  #leave(journey: Journey, trail: Trail): void {
    const key = wholeKey(journey.last?.packet ?? null);
    if (key === null) return;
    const next = sameElsewhere(trail, this.#entries.at(key), (after) =>
      nanosBetween(journey.lastTime, after.firstTime),
    );
    if (next === null || !this.#untold.has(next.journey)) {
      this.#exits.put(key, trail);
      return;
    }
    this.#change(next.journey, { continues: { ...next, journey: journey.id, alike: [] } });
    this.#entries.take(key, next.journey);
  }

  #putTogether(trail: Trail): void {
    const packet = trail.packets[0] ?? null;
    // Hardly any trace shows fragments.
    if (packet === null || (this.#fragments.isEmpty && !isFragment(packet))) return;
    const key = fragmentKey(trail, packet);
    if (key === null) return;
    if (isFragment(packet)) {
      this.#fragments.put(key, trail);
      return;
    }
    const pieces = this.#fragments.at(key).filter((piece) => {
      const nanos = nanosBetween(piece.firstTime, trail.firstTime);
      return nanos === null || (nanos >= 0 && nanos <= FRAGMENTS_WAIT_NANOS);
    });
    for (const piece of pieces) this.#fragments.take(key, piece.id);
    this.#tieFragments(trail, pieces, "same-identification");
  }

  #tieFragments({ id }: Trail, pieces: readonly Trail[], by: RelationReason): void {
    if (pieces.length === 0) return;
    this.#change(id, { fragments: pieces.map((piece) => ({ journey: piece.id, by, alike: [] })) });
    for (const piece of pieces) this.#change(piece.id, { fragmentOf: { journey: id, by, alike: [] } });
  }

  /** Every appearance of it that an error could quote or a reset answer: before, between and after translations. */
  #keepShapes(trail: Trail): void {
    for (const packet of trail.packets) {
      // No error is sent about an error.
      if (packet.quoted !== null) continue;
      this.#quotable.put(quoteKey(packet), trail);
      this.#cutQuotable.put(cutQuoteKey(packet.src, packet), trail);
      if (packet.tcp !== null)
        this.#connections.put(connectionKey(packet.src, packet.sport, packet.dst, packet.dport), trail);
    }
  }

  /** The packet and its carrier name each other; what else fits is named by the one that came later. */
  #tieCarried({ way, inner, outer, by, alike }: Tie): void {
    const toInner: Relation = { journey: inner, by, alike: way === "out" ? alike : [] };
    const toOuter: Relation = { journey: outer, by, alike: way === "in" ? alike : [] };
    this.#change(outer, { carries: [...this.of({ id: outer }).carries, toInner] });
    if (way === "in") {
      this.#change(inner, { unpackedFrom: toOuter });
      return;
    }
    const { carriedBy } = this.of({ id: inner });
    this.#change(inner, {
      carriedBy: carriedBy === null ? toOuter : { ...carriedBy, alike: [...carriedBy.alike, outer] },
    });
  }

  #tieCopy(journey: Journey, trail: Trail): void {
    const packet = journey.first?.packet ?? null;
    if (packet === null) return;
    const found = copiedFrom(
      journey,
      this.#quotable
        .at(quoteKey(packet))
        .filter(
          (original) =>
            isRecent(original, trail) && original.packets.some((shown) => isQuoteOf(packet, shown)),
        ),
    );
    const copyOf = found === null ? null : relation(found.originals, journey.netns, found.by);
    if (copyOf === null) return;
    this.#change(journey.id, { copyOf });
    const copies = [...this.of({ id: copyOf.journey }).copies, { ...copyOf, journey: journey.id, alike: [] }];
    this.#change(copyOf.journey, { copies });
  }

  #causeOf(journey: Journey, trail: Trail): Relation | null {
    const packet = journey.first?.packet ?? null;
    if (packet === null) return null;
    if (packet.quoted !== null) {
      const quoted = fullestQuote(trail) ?? packet.quoted;
      const isCut = quoted.src === null;
      const candidates = isCut
        ? this.#cutQuotable.at(cutQuoteKey(packet.dst, quoted))
        : this.#quotable.at(quoteKey(quoted));
      const isQuoted = (shown: Packet): boolean =>
        isCut ? isCutQuoteOf(quoted, packet.dst, shown) : isQuoteOf(quoted, shown);
      const found = candidates.filter(
        (cause) => isRecent(cause, trail) && cause.packets.some((shown) => isQuoted(shown)),
      );
      return relation(found, journey.netns, "quoted-headers");
    }
    if (packet.tcp === null || ((packet.tcp.flags ?? 0) & TCP_FLAG_BITS.RST) === 0) return null;
    const found = this.#connections
      .at(connectionKey(packet.dst, packet.dport, packet.src, packet.sport))
      .filter((cause) => isRecent(cause, trail) && isResetOf(packet, cause));
    return relation(found, journey.netns, "numbers-of-a-reset");
  }
}

/** Null for what defragmentation does not make: it joins fragments of one namespace by these (`ip4_frag_match`). */
function fragmentKey({ netns }: Trail, { family, protocol, src, dst, ipId }: Packet): string | null {
  return family === "ip" && src !== null && dst !== null && ipId !== null
    ? `${netns ?? ""} ${protocol} ${src} ${dst} ${ipId}`
    : null;
}

/** The latest of those that fit, of the own namespace before any other. */
function relation(found: readonly Trail[], netns: string | null, by: RelationReason): Relation | null {
  const here = found.filter((trail) => trail.netns === netns);
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
  trail: Trail,
  candidates: readonly Trail[],
  since: (other: Trail) => number | null,
): Relation | null {
  const found = candidates.filter((other) => {
    const nanos = since(other);
    return (
      other.netns !== trail.netns && (nanos === null || (nanos >= EARLIEST_NANOS && nanos <= LATEST_NANOS))
    );
  });
  const same = found.filter(({ traceIds }) => traceIds.some((id) => trail.traceIds.includes(id)));
  const fitting = same.length > 0 ? same : found;
  const [best] = fitting;
  if (best === undefined) return null;
  const by = same.length > 0 ? "same-trace-id-and-headers" : "same-headers-within-window";
  return { journey: best.id, by, alike: fitting.slice(1, 1 + MOST_NAMED).map(({ id }) => id) };
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

function isRecent(cause: Trail, trail: Trail): boolean {
  const nanos = nanosBetween(cause.firstTime, trail.firstTime);
  return cause.id !== trail.id && (nanos === null || (nanos >= EARLIEST_NANOS && nanos <= LATEST_NANOS));
}

function isResetOf(reset: Packet, cause: Trail): boolean {
  const isTurned = ({ src, sport, dst, dport }: Packet): boolean =>
    src === reset.dst && sport === reset.dport && dst === reset.src && dport === reset.sport;
  return (
    cause.packets.some(isTurned) &&
    cause.packets.some(({ tcp, length }) => {
      if (tcp === null || reset.tcp === null || ((tcp.flags ?? 0) & TCP_FLAG_BITS.RST) !== 0) return false;
      if (((tcp.flags ?? 0) & TCP_FLAG_BITS.ACK) !== 0) return tcp.ack !== null && reset.tcp.seq === tcp.ack;
      // How long the data is, is not shown: at most the whole packet.
      if (tcp.seq === null || reset.tcp.ack === null) return false;
      const acknowledged = (reset.tcp.ack - tcp.seq) >>> 0;
      return acknowledged >= 1 && acknowledged <= (length ?? 1);
    })
  );
}

/** All that stays the same on a wire. Null where too little was shown. */
function wholeKey(packet: Packet | null): string | null {
  if (packet === null || packet.src === null || packet.dst === null || packet.length === null) return null;
  const { src, sport, dst, dport, protocol, ipId, ttl, length, fragmentOffset, tcp, icmp } = packet;
  return `${protocol} ${src} ${sport} ${dst} ${dport} ${ipId} ${ttl} ${length} ${fragmentOffset} ${tcp?.seq} ${tcp?.flags} ${icmp?.type} ${icmp?.id} ${icmp?.sequence}`;
}

function quoteKey({ protocol, src, sport, dst, dport, ipId, tcp }: Packet): number {
  return mixed(mixed(connectionKey(src, sport, dst, dport), ipId), tcp?.seq ?? protocol);
}

function isQuoteOf(quoted: Packet, shown: Packet): boolean {
  return (
    quoted.protocol === shown.protocol &&
    quoted.src === shown.src &&
    quoted.sport === shown.sport &&
    quoted.dst === shown.dst &&
    quoted.dport === shown.dport &&
    quoted.ipId === shown.ipId &&
    quoted.icmp?.id === shown.icmp?.id &&
    quoted.icmp?.sequence === shown.icmp?.sequence &&
    quoted.tcp?.seq === shown.tcp?.seq
  );
}

/** nft shows 20 bytes of an error, and of the quotation no more than the 12 before its addresses: its sender is who is told. */
function cutQuoteKey(sender: string | null, { protocol, ipId, length }: Packet): number {
  return mixed(mixed(mixed(mixed(0, protocol), sender), ipId), length);
}

function isCutQuoteOf(quoted: Packet, sender: string | null, shown: Packet): boolean {
  return (
    quoted.protocol === shown.protocol &&
    sender === shown.src &&
    quoted.ipId === shown.ipId &&
    quoted.length === shown.length
  );
}

/** As far as any tracer showed it. */
function fullestQuote({ packets }: Trail): Packet | null {
  return packets.find(({ quoted }) => quoted !== null && quoted.src !== null)?.quoted ?? null;
}

function connectionKey(
  src: string | null,
  sport: number | null,
  dst: string | null,
  dport: number | null,
): number {
  return mixed(mixed(mixed(mixed(0, src), sport), dst), dport);
}
