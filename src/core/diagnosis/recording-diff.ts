/**
 * What ended otherwise in one recording than in another.
 *
 * Two recordings never hold the same packets, so kinds of packets are compared: protocol, source, destination and the port
 * of the service; the port that a client picks does not count. What has no like in the other recording is compared without
 * its source (it works from that host and not from this one), and then without its destination. Bounded: so many kinds, and of each end of a kind one example.
 */
import type { Packet } from "../packets/packet.ts";
import type { Explained } from "./diagnose.ts";
import { endpoint } from "./flows.ts";
import { type EndName, endOf } from "./outcome-key.ts";

export interface End extends EndName {
  readonly count: number;
  readonly example: Explained;
}

export interface KindDiff {
  /** `tcp 10.0.0.5 → 10.0.0.7:443` */
  readonly kind: string;
  /** How much of it is the same in both. */
  readonly comparedBy: ComparedBy;
  /** The most frequent first; empty where the recording has no such packet. */
  readonly a: readonly End[];
  readonly b: readonly End[];
}

export type ComparedBy = "all" | "without-source" | "without-addresses";

export interface RecordingDiff {
  readonly journeysA: number;
  readonly journeysB: number;
  /** Kinds in both that ended otherwise: first those that got through in one of them alone, then those with most packets. */
  readonly differing: readonly KindDiff[];
  readonly alike: number;
  readonly onlyA: readonly KindDiff[];
  readonly onlyB: readonly KindDiff[];
  /** Packets for which there was no room. */
  readonly uncounted: number;
}

const MOST_KINDS = 2_000;
const MOST_ENDS = 4;

interface Kind {
  readonly protocol: string;
  readonly src: string;
  readonly dst: string;
  /** `:443` of the one who serves, or an ICMP type; on the side that answers first. */
  readonly service: string;
  readonly isAnswer: boolean;
  readonly ends: Map<string, CountedEnd>;
}

type CountedEnd = { -readonly [Field in keyof End]: End[Field] };

/** The journeys of one recording by kind. */
export class Recording {
  readonly #kinds = new Map<string, Kind>();
  journeys = 0;
  uncounted = 0;

  add(explained: Explained): void {
    this.journeys++;
    const packet = explained.journey.first?.packet ?? null;
    if (packet === null) {
      this.uncounted++;
      return;
    }
    const named = kindOf(packet);
    const key = JSON.stringify(named);
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      if (this.#kinds.size >= MOST_KINDS) {
        this.uncounted++;
        return;
      }
      kind = { ...named, ends: new Map() };
      this.#kinds.set(key, kind);
    }
    addEnd(kind.ends, { ...endOf(explained), example: explained, count: 1 });
  }

  get kinds(): readonly Kind[] {
    return [...this.#kinds.values()];
  }

  /** The journeys most like a packet, by as much as is in both: an example of each of their ends. */
  like(explained: Explained): readonly End[] {
    const one = new Recording();
    one.add(explained);
    for (const comparedBy of STRICTEST_FIRST) {
      const [name = ""] = byName(one.kinds, comparedBy).keys();
      const kinds = byName(this.kinds, comparedBy).get(name);
      if (kinds !== undefined) return endsOf(kinds);
    }
    return [];
  }
}

function byName(kinds: readonly Kind[], comparedBy: ComparedBy): ReadonlyMap<string, readonly Kind[]> {
  const found = new Map<string, Kind[]>();
  for (const kind of kinds) {
    const name = nameOf(kind, comparedBy);
    const same = found.get(name);
    if (same === undefined) found.set(name, [kind]);
    else same.push(kind);
  }
  return found;
}

/** The most frequent first. */
function endsOf(kinds: readonly Kind[]): readonly End[] {
  const ends: Kind["ends"] = new Map();
  for (const kind of kinds) for (const end of kind.ends.values()) addEnd(ends, end);
  return [...ends.values()].sort((a, b) => b.count - a.count);
}

function addEnd(ends: Kind["ends"], end: End): void {
  const known = ends.get(end.key);
  if (known !== undefined) known.count += end.count;
  else if (ends.size < MOST_ENDS) ends.set(end.key, { ...end });
}

const STRICTEST_FIRST: readonly ComparedBy[] = ["all", "without-source", "without-addresses"];

/** Each kind is compared with what is most like it; what is left over at the end is in one recording alone. */
export function diffRecordings(a: Recording, b: Recording): RecordingDiff {
  const both: KindDiff[] = [];
  let [leftA, leftB] = [a.kinds, b.kinds];
  for (const comparedBy of STRICTEST_FIRST) {
    const [ofA, ofB] = [byName(leftA, comparedBy), byName(leftB, comparedBy)];
    for (const [kind, mine] of ofA) {
      const theirs = ofB.get(kind);
      if (theirs !== undefined) both.push({ kind, comparedBy, a: endsOf(mine), b: endsOf(theirs) });
    }
    leftA = [...ofA].flatMap(([kind, kinds]) => (ofB.has(kind) ? [] : kinds));
    leftB = [...ofB].flatMap(([kind, kinds]) => (ofA.has(kind) ? [] : kinds));
  }
  const differing = both.filter((kind) => !endAlike(kind));
  differing.sort((one, two) => Number(isTurn(two)) - Number(isTurn(one)) || packets(two) - packets(one));
  const alone = (kinds: readonly Kind[], side: "a" | "b") =>
    [...byName(kinds, "all")].map(([kind, same]): KindDiff => {
      const ends = endsOf(same);
      return { kind, comparedBy: "all", a: side === "a" ? ends : [], b: side === "b" ? ends : [] };
    });
  return {
    journeysA: a.journeys,
    journeysB: b.journeys,
    differing,
    alike: both.length - differing.length,
    onlyA: alone(leftA, "a"),
    onlyB: alone(leftB, "b"),
    uncounted: a.uncounted + b.uncounted,
  };
}

/** It got through in one of the recordings, and in the other it did not. */
function isTurn({ a, b }: KindDiff): boolean {
  const through = (ends: readonly End[]) =>
    ends.some(({ example }) => /^(delivered|forwarded|sent)$/.test(example.outcome.verdict));
  return through(a) !== through(b);
}

/** The same ends, however often. */
function endAlike({ a, b }: KindDiff): boolean {
  const keys = (ends: readonly End[]) => ends.map((end) => end.key).toSorted();
  return keys(a).join("\n") === keys(b).join("\n");
}

function packets({ a, b }: KindDiff): number {
  return [...a, ...b].reduce((sum, { count }) => sum + count, 0);
}

function kindOf(packet: Packet): Omit<Kind, "ends"> {
  const { sport, dport, icmp } = packet;
  const base = { protocol: packet.protocol ?? "?", src: packet.src ?? "?", dst: packet.dst ?? "?" };
  if (icmp !== null) return { ...base, service: ` type ${icmp.type ?? "?"}`, isAnswer: false };
  if (sport === null || dport === null) return { ...base, service: "", isAnswer: false };
  const isSynAck = ((packet.tcp?.flags ?? 0) & 0x12) === 0x12;
  const isSyn = ((packet.tcp?.flags ?? 0) & 0x12) === 0x02;
  // Clients pick their port from the high ones (`net.ipv4.ip_local_port_range`).
  const isAnswer = isSynAck || (!isSyn && sport < 32768 && dport >= 32768);
  return { ...base, service: `:${isAnswer ? sport : dport}`, isAnswer };
}

function nameOf({ protocol, src, dst, service, isAnswer }: Kind, comparedBy: ComparedBy): string {
  const [from, to] = isAnswer ? [withPort(src, service), dst] : [src, withPort(dst, service)];
  const way = isAnswer ? "answers of " : "";
  if (comparedBy === "all") return `${protocol} ${from} → ${to}`;
  if (comparedBy === "without-source") return `${protocol} ${way}${isAnswer ? from : `to ${to}`}`;
  return `${protocol} ${way}${service.replace(/^:/, "port ")}`.trim();
}

function withPort(address: string, service: string): string {
  return service.startsWith(":") ? endpoint(address, Number(service.slice(1))) : `${address}${service}`;
}
