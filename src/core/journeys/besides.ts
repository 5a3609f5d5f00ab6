/**
 * What is told of packets beside their trace: frames at the interfaces, and the kernel's own word of a death.
 *
 * It comes by other ways than the trace does (a capture, a tracepoint), each with its own delay, so it is kept until a journey
 * is told and only then looked for: the same headers, in the same namespace, nearest in time. Each is told of once, of the
 * packet it fits best. Bounded: the oldest are forgotten first.
 */
import { nanosBetween, type Time } from "../base/time.ts";
import type { DropEvent, Sighting, WireEvent } from "../events/event.ts";
import { isFragment, type Packet } from "../packets/packet.ts";
import type { Journey } from "./journey.ts";
import { likeness } from "./same-packet.ts";

/** What belongs to one journey. */
export interface Besides {
  /** In the order of time: in before out, as far as clocks tell. */
  readonly wire: readonly WireEvent[];
  /** The death, and what was freed with it; usually none or one. */
  readonly drops: readonly DropEvent[];
}

export const NOTHING_BESIDE: Besides = { wire: [], drops: [] };

type Beside = WireEvent | DropEvent;

const MOST_KEPT = 100_000;
/** A neighbour that does not answer is given up after 3 s; then the packet is freed. */
const LATEST_NANOS = 5e9;
/** Clocks of two sources of one host, and the way to the first hook. */
const EARLIEST_NANOS = -5e8;

export class BesideMemory {
  readonly #byKey = new Map<string, Beside[]>();
  /** First fragments of IPv6: the packet that is made of them does not have their identification. */
  readonly #firsts = new Map<string, Beside[]>();
  readonly #inOrder: { readonly key: string; readonly event: Beside }[] = [];
  #oldest = 0;

  add(event: Beside): void {
    const key = keyOf(event.netns, event.sighting.packet);
    const bucket = this.#byKey.get(key);
    if (bucket === undefined) this.#byKey.set(key, [event]);
    else bucket.push(event);
    this.#inOrder.push({ key, event });
    const first = firstKeyOf(event);
    if (first !== null) this.#firsts.set(first, [...(this.#firsts.get(first) ?? []), event]);
    if (this.#inOrder.length - this.#oldest > MOST_KEPT) this.#forgetOldest();
  }

  /** Hands out what belongs to this journey, and forgets it. */
  take(journey: Journey): Besides {
    if (this.#byKey.size === 0) return NOTHING_BESIDE;
    const shapes = shapesOf(journey);
    const found = new Map<
      string,
      { readonly event: Beside; readonly key: string; readonly distance: number }
    >();
    const fragments = this.#ipv6Fragments(journey, shapes);
    const keys = shapes.flatMap(({ packet }) => keysFor(journey.netns, packet));
    for (const key of new Set([...keys, ...fragments])) {
      for (const event of this.#byKey.get(key) ?? []) {
        if (!fragments.includes(key) && !shapes.some((shape) => isOf(shape, event))) continue;
        const distance = distanceTo(journey, event);
        if (distance === null) continue;
        const place = placeOf(event);
        const best = found.get(place);
        if (best === undefined || distance < best.distance) found.set(place, { event, key, distance });
      }
    }
    if (found.size === 0) return NOTHING_BESIDE;
    for (const { event, key } of found.values()) this.#remove(key, event);
    return besidesOf([...found.values()].map(({ event }) => event).sort(byTime));
  }

  /**
   * What is left at the end: packets that were at an interface, and of which no trace told. Each group is one packet; frames
   * that only went out were made here, and chosen by nobody. Everything is forgotten.
   */
  takeUnseen(): readonly Besides[] {
    const groups: { readonly events: Beside[]; readonly places: Set<string> }[] = [];
    for (const bucket of this.#byKey.values()) {
      const open: (typeof groups)[number][] = [];
      for (const event of [...bucket].sort(byTime)) {
        const place = placeOf(event);
        let group = open.find(({ events, places }) => !places.has(place) && isOneWay(events, event));
        if (group === undefined) {
          group = { events: [], places: new Set() };
          open.push(group);
          groups.push(group);
        }
        group.events.push(event);
        group.places.add(place);
      }
    }
    this.#byKey.clear();
    this.#firsts.clear();
    this.#inOrder.length = 0;
    this.#oldest = 0;
    return groups
      .map(({ events }) => besidesOf(events))
      .filter(({ wire }) => wire.some(({ direction }) => direction !== "out"));
  }

  /**
   * Keys of the fragments that an IPv6 packet was made of, and was cut into again: those whose first one has its addresses and ports, and that
   * make up its length; the nearest in time.
   */
  #ipv6Fragments(journey: Journey, shapes: readonly Sighting[]): readonly string[] {
    if (this.#firsts.size === 0) return NO_KEYS;
    const nearest = new Map<string, { readonly key: string; readonly distance: number }>();
    for (const { packet } of shapes) {
      if (packet.family !== "ip6" || isFragment(packet)) continue;
      for (const first of this.#firsts.get(datagramKey(journey.netns, packet)) ?? []) {
        const distance = distanceTo(journey, first);
        const key = keyOf(first.netns, first.sighting.packet);
        if (distance === null || !this.#makesUp(key, first, packet)) continue;
        const place = placeOf(first);
        const best = nearest.get(place);
        if (best === undefined || distance < best.distance) nearest.set(place, { key, distance });
      }
    }
    return [...nearest.values()].map(({ key }) => key);
  }

  /** Whether fragments with this identification, at this place, are as long together as the packet. */
  #makesUp(key: string, first: Beside, packet: Packet): boolean {
    const lengths = (this.#byKey.get(key) ?? [])
      .filter((event) => event.kind === first.kind && isAtOnePlace(event, first))
      .map((event) => (event.sighting.packet.length ?? 0) - IPV6_FRAGMENT_HEADERS);
    return lengths.reduce((sum, length) => sum + length, IPV6_HEADER) === packet.length;
  }

  #remove(key: string, event: Beside): void {
    const first = firstKeyOf(event);
    if (first !== null) {
      const left = (this.#firsts.get(first) ?? []).filter((other) => other !== event);
      if (left.length === 0) this.#firsts.delete(first);
      else this.#firsts.set(first, left);
    }
    const bucket = this.#byKey.get(key);
    const at = bucket?.indexOf(event) ?? -1;
    if (bucket === undefined || at === -1) return;
    bucket.splice(at, 1);
    if (bucket.length === 0) this.#byKey.delete(key);
  }

  #forgetOldest(): void {
    const entry = this.#inOrder[this.#oldest++];
    if (entry !== undefined) this.#remove(entry.key, entry.event);
    if (this.#oldest < MOST_KEPT / 2) return;
    this.#inOrder.splice(0, this.#oldest);
    this.#oldest = 0;
  }
}

function besidesOf(events: readonly Beside[]): Besides {
  return {
    wire: events.filter((event): event is WireEvent => event.kind === "wire"),
    drops: events.filter((event): event is DropEvent => event.kind === "drop"),
  };
}

/** Frames of one packet: the same headers within the time that fragments wait for each other. */
function isOneWay(events: readonly Beside[], event: Beside): boolean {
  const [first] = events;
  if (first === undefined) return true;
  const since = nanosBetween(first.time, event.time);
  return (since === null || since <= LATEST_NANOS) && isOf(first.sighting, event);
}

/** What a packet looked like on its way: NAT gives it new headers. */
function shapesOf(journey: Journey): readonly Sighting[] {
  const shapes: Sighting[] = [];
  for (const { sighting } of journey.steps)
    if (sighting !== null && !shapes.includes(sighting)) shapes.push(sighting);
  if (journey.last !== null && !shapes.includes(journey.last)) shapes.push(journey.last);
  return shapes;
}

/** What neither NAT nor routing changes. A fragment has nothing but its datagram's identification. */
function keyOf(netns: string | null, packet: Packet): string {
  const { family, protocol, ipId, length, tcp, icmp } = packet;
  const rest = isFragment(packet) ? "fragment" : `${length} ${tcp?.seq ?? icmp?.sequence ?? ""}`;
  return `${netns ?? ""} ${family} ${protocol} ${ipId ?? ""} ${rest}`;
}

const NO_KEYS: readonly string[] = [];
const IPV6_HEADER = 40;
const IPV6_FRAGMENT_HEADERS = 48;

/** Null for all but first fragments of IPv6. */
function firstKeyOf({ netns, sighting: { packet } }: Beside): string | null {
  const isFirst = packet.family === "ip6" && packet.moreFragments === true && packet.fragmentOffset === 0;
  return isFirst ? datagramKey(netns, packet) : null;
}

function datagramKey(netns: string | null, { protocol, src, sport, dst, dport }: Packet): string {
  return `${netns ?? ""} ${protocol} ${src} ${sport} ${dst} ${dport}`;
}

function isAtOnePlace(a: Beside, b: Beside): boolean {
  if (a.kind !== "wire" || b.kind !== "wire") return a.kind === b.kind;
  return a.direction === b.direction && a.interface === b.interface;
}

/** A whole packet may have been fragments on the wire. */
function keysFor(netns: string | null, packet: Packet): readonly string[] {
  const whole = keyOf(netns, packet);
  if (isFragment(packet) || packet.family !== "ip") return [whole];
  return [whole, keyOf(netns, { ...packet, moreFragments: true })];
}

function isOf(shape: Sighting, event: Beside): boolean {
  const { packet } = event.sighting;
  if (!isFragment(packet) || isFragment(shape.packet))
    return likeness(shape.packet, null, withTtl(packet, shape), null) === "same";
  return (
    packet.src === shape.packet.src && packet.dst === shape.packet.dst && packet.ipId === shape.packet.ipId
  );
}

/** A packet is freed or sent with the TTL that routing left it, which no hook has seen yet. */
function withTtl(packet: Packet, shape: Sighting): Packet {
  return packet.ttl !== null && shape.packet.ttl !== null && Math.abs(packet.ttl - shape.packet.ttl) <= 1
    ? { ...packet, ttl: shape.packet.ttl }
    : packet;
}

/** How far an event is from where its packet's trace would have it, in nanoseconds; null for one that is none of it. */
function distanceTo(journey: Journey, event: Beside): number | null {
  const since = nanosBetween(journey.firstTime, event.time);
  if (since === null) return 0;
  if (
    since < EARLIEST_NANOS ||
    since > LATEST_NANOS + (nanosBetween(journey.firstTime, journey.lastTime) ?? 0)
  )
    return null;
  const end: Time | null =
    event.kind === "wire" && event.direction === "in" ? journey.firstTime : journey.lastTime;
  return Math.abs(nanosBetween(end, event.time) ?? 0);
}

/** One packet is seen once at each of these. */
function placeOf(event: Beside): string {
  if (event.kind === "drop") return "drop";
  const { packet } = event.sighting;
  return `${event.direction} ${event.interface} ${packet.fragmentOffset ?? 0} ${packet.src} ${packet.dst}`;
}

function byTime(a: Beside, b: Beside): number {
  return -(nanosBetween(a.time, b.time) ?? 0);
}
