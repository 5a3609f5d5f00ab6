/**
 * Groups journeys into flows: the packets of one connection, both ways, on both sides of NAT and in every namespace that
 * was traced.
 *
 * A journey belongs to a flow when a tuple of its way (as it came, as it left, as conntrack has it) is one of the flow's,
 * either way round. Packets on loopback are of one connection only within their namespace: everybody has a 127.0.0.1.
 * An ICMP error belongs to the connection of the packet that it quotes.
 *
 * Bounded: of a long flow the beginning and the end are kept; with too many, those that were idle longest leave first.
 */
import type { Time } from "../base/time.ts";
import type { Packet } from "../packets/packet.ts";
import type { Explained } from "./diagnose.ts";
import type { Finding } from "./finding.ts";
import { isLoopback, protocolOf, tuplesOf } from "./flow-tuples.ts";
import type { Outcome } from "./outcome.ts";
import { ruleName } from "./rule-words.ts";
import { SentAgain } from "./sent-again.ts";
import { inverse, isSame, type Tuple, tupleKey } from "./tuple.ts";

/** There: the way of its first packet. */
export type Direction = "there" | "back";

export interface FlowPacket {
  readonly journey: string;
  readonly netns: string | null;
  readonly direction: Direction;
  readonly time: Time | null;
  readonly packet: Packet;
  readonly in: string | null;
  readonly out: string | null;
  readonly outcome: Outcome;
  /** An ICMP error about a packet of the flow, which is no packet of its own protocol. */
  readonly isError: boolean;
  /** The journey whose payload or SYN this sends again; null: it is new. */
  readonly again: string | null;
  /** What explains its end, and what is said about its answer. */
  readonly findings: readonly Finding[];
}

/** One address and port that became another on the way. */
export interface Translation {
  readonly direction: Direction;
  readonly netns: string | null;
  readonly side: "source" | "destination";
  readonly from: { readonly address: string; readonly port: number };
  readonly to: { readonly address: string; readonly port: number };
  /** `nat:DOCKER rule 31`, or `conntrack`; null where nobody tells. */
  readonly by: string | null;
  readonly journey: string;
}

export interface Flow {
  /** `1`, `2` … in the order in which flows began. */
  readonly id: string;
  readonly protocol: string;
  /** As its first packet came. */
  readonly original: Tuple;
  readonly packets: readonly FlowPacket[];
  /** Packets in the middle that were counted and not kept, and the place in `packets` where they would stand. */
  readonly hidden: number;
  readonly hiddenAt: number;
  readonly there: number;
  readonly back: number;
  readonly sentAgain: number;
  readonly translations: readonly Translation[];
  /** Null is the first one, or not told. */
  readonly namespaces: readonly (string | null)[];
  /** It left early, because there were too many: later packets of it stand in another flow. */
  readonly isCut: boolean;
}

export interface FlowBookOptions {
  /** Packets kept of all flows together. */
  readonly mostPackets: number;
  /** Packets kept of one flow: so many of its beginning, and half as many of its end. */
  readonly mostOfOne: number;
}

export const DEFAULT_FLOW_BOOK_OPTIONS: FlowBookOptions = { mostPackets: 50_000, mostOfOne: 40 };

const MOST_TRANSLATIONS = 8;

export class FlowBook {
  readonly #options: FlowBookOptions;
  readonly #byTuple = new Map<string, OpenFlow>();
  /** The one idle longest first. */
  readonly #open = new Set<OpenFlow>();
  #kept = 0;
  #begun = 0;
  /** Journeys without addresses belong to no flow. */
  #unplaced = 0;

  constructor(options: FlowBookOptions = DEFAULT_FLOW_BOOK_OPTIONS) {
    this.#options = options;
  }

  get unplaced(): number {
    return this.#unplaced;
  }

  /** Adds a journey, in each namespace by itself; returns flows that had to leave, usually none. */
  add(explained: Explained): readonly Flow[] {
    if (explained.parts.length === 0) return this.#addPart(explained);
    const here = { ...explained, outcome: explained.outcomeHere };
    return [here, ...explained.parts].flatMap((part) => this.#addPart(part));
  }

  #addPart(explained: Explained): readonly Flow[] {
    const tuples = tuplesOf(explained);
    const first = tuples[0];
    if (first === undefined) {
      this.#unplaced++;
      return [];
    }
    const { journey } = explained;
    const protocol = protocolOf(explained);
    const keys = tuples.map((tuple) => keyOf(journey.netns, protocol, tuple));
    let flow = this.#find(keys);
    if (flow?.isOver(explained)) {
      this.#letGoOfTuples(flow);
      flow = null;
    }
    if (flow === null) {
      this.#begun++;
      flow = new OpenFlow(this.#begun, protocol, first, explained, this.#options.mostOfOne);
    }
    for (const key of keys) if (flow.keys.size < 64 && !this.#byTuple.has(key)) this.#own(flow, key);
    this.#open.delete(flow);
    this.#open.add(flow);
    this.#kept += flow.add(explained, tuples);
    return this.#makeRoom();
  }

  /** The input has ended: all that are left, in the order in which they began. */
  end(): readonly Flow[] {
    const left = [...this.#open].sort((a, b) => a.number - b.number).map((flow) => flow.close(false));
    this.#open.clear();
    this.#byTuple.clear();
    this.#kept = 0;
    return left;
  }

  #find(keys: readonly string[]): OpenFlow | null {
    for (const key of keys) {
      const flow = this.#byTuple.get(key);
      if (flow !== undefined) return flow;
    }
    return null;
  }

  #own(flow: OpenFlow, key: string): void {
    this.#byTuple.set(key, flow);
    flow.keys.add(key);
  }

  #letGoOfTuples(flow: OpenFlow): void {
    for (const key of flow.keys) if (this.#byTuple.get(key) === flow) this.#byTuple.delete(key);
    flow.keys.clear();
  }

  #makeRoom(): readonly Flow[] {
    const leaving: Flow[] = [];
    for (const flow of this.#open) {
      if (this.#kept <= this.#options.mostPackets || this.#open.size === 1) break;
      this.#letGoOfTuples(flow);
      this.#open.delete(flow);
      this.#kept -= flow.kept;
      leaving.push(flow.close(true));
    }
    return leaving;
  }
}

class OpenFlow {
  readonly number: number;
  readonly keys = new Set<string>();
  readonly #protocol: string;
  readonly #original: Tuple;
  readonly #most: number;
  readonly #beginning: FlowPacket[] = [];
  #ending: FlowPacket[] = [];
  readonly #counts = { there: 0, back: 0 };
  readonly #translations: Translation[] = [];
  readonly #namespaces = new Set<string | null>();
  readonly #sentAgain = new SentAgain();
  /** As packets that go there looked at any place; the others are the same the other way round. */
  readonly #there: Tuple[] = [];
  #sequence: number | null = null;
  #isFinished = false;

  constructor(number: number, protocol: string, first: Tuple, explained: Explained, most: number) {
    this.number = number;
    this.#protocol = protocol;
    this.#most = most;
    this.#original = isAnswer(explained) ? inverse(first) : first;
    this.#there.push(this.#original);
  }

  get kept(): number {
    return this.#beginning.length + this.#ending.length;
  }

  /** Whether the connection has ended, and this packet opens another one between the same ends. */
  isOver({ journey }: Explained): boolean {
    const tcp = journey.first?.packet.tcp;
    if (tcp == null || tcp.seq === null || ((tcp.flags ?? 0) & 0x12) !== 0x02) return false;
    return this.#sequence === null ? this.#isFinished : this.#sequence !== tcp.seq;
  }

  /** How many more packets are kept than before. */
  add(explained: Explained, tuples: readonly Tuple[]): number {
    const { journey, outcome, findings } = explained;
    const packet = journey.first?.packet;
    if (packet === undefined) return 0;
    const isError = packet.quoted !== null;
    const direction = this.#directionOf(tuples, isError);
    this.#counts[direction]++;
    if (this.#namespaces.size < 16) this.#namespaces.add(journey.netns);
    const flags = packet.tcp?.flags ?? 0;
    if ((flags & 0x12) === 0x02) this.#sequence = packet.tcp?.seq ?? null;
    if ((flags & 0x05) !== 0) this.#isFinished = true;
    if (!isError) this.#learnTranslations(explained, direction);
    const kept = this.kept;
    this.#keep({
      journey: journey.id,
      netns: journey.netns,
      direction,
      time: journey.firstTime,
      packet,
      in: journey.first?.in ?? null,
      out: outcome.out,
      outcome,
      isError,
      again: isError ? null : this.#sentAgain.of(journey, direction),
      findings: findings.filter(
        ({ cause }) => cause === outcome.cause || cause === "no-reply" || cause === "asymmetric-reply",
      ),
    });
    return this.kept - kept;
  }

  close(isCut: boolean): Flow {
    const { there, back } = this.#counts;
    return {
      id: String(this.number),
      protocol: this.#protocol,
      original: this.#original,
      packets: [...this.#beginning, ...this.#ending],
      hidden: there + back - this.kept,
      hiddenAt: this.#beginning.length,
      there,
      back,
      sentAgain: this.#sentAgain.count,
      translations: this.#translations,
      namespaces: [...this.#namespaces],
      isCut,
    };
  }

  #keep(packet: FlowPacket): void {
    if (this.#beginning.length < this.#most) this.#beginning.push(packet);
    else this.#ending.push(packet);
    if (this.#ending.length > this.#most / 2) this.#ending = this.#ending.slice(1);
  }

  /** What NAT shows of a packet that goes there belongs to that way from then on. */
  #directionOf(tuples: readonly Tuple[], isError: boolean): Direction {
    const goesThere = tuples.some((tuple) => this.#there.some((known) => isSame(known, tuple)));
    const comesBack = tuples.some((tuple) => this.#there.some((known) => isSame(known, inverse(tuple))));
    const direction: Direction = goesThere || !comesBack ? "there" : "back";
    for (const tuple of tuples) {
      const known = direction === "there" ? tuple : inverse(tuple);
      if (this.#there.length < 16 && !this.#there.some((one) => isSame(one, known))) this.#there.push(known);
    }
    // The tuples of an error are those of the packet that it quotes, which it goes back against.
    if (!isError) return direction;
    return direction === "there" ? "back" : "there";
  }

  #learnTranslations({ journey, findings }: Explained, direction: Direction): void {
    const [before, after] = [journey.first?.packet, journey.last?.packet];
    if (before == null || after == null) return;
    const sides = [
      ["source", before.src, before.sport, after.src, after.sport, "snat"],
      ["destination", before.dst, before.dport, after.dst, after.dport, "dnat"],
    ] as const;
    for (const [side, address, port, newAddress, newPort, cause] of sides) {
      if (address === null || newAddress === null || (address === newAddress && port === newPort)) continue;
      const from = { address, port: port ?? 0 };
      const to = { address: newAddress, port: newPort ?? 0 };
      const isKnown = this.#translations.some(
        (one) =>
          one.direction === direction &&
          one.netns === journey.netns &&
          one.side === side &&
          one.from.address === from.address &&
          one.from.port === from.port &&
          one.to.address === to.address &&
          one.to.port === to.port,
      );
      if (isKnown || this.#translations.length >= MOST_TRANSLATIONS) continue;
      const rule = findings.find((finding) => finding.cause === cause)?.evidence[0];
      const step = rule === undefined ? undefined : journey.steps[rule];
      const isSilent = findings.some((finding) => finding.cause === "nat-from-conntrack");
      const by = step === undefined ? (isSilent ? "conntrack" : null) : ruleName(step);
      this.#translations.push({ direction, netns: journey.netns, side, from, to, by, journey: journey.id });
    }
  }
}

/** By what it is itself: a SYN ACK, an echo reply, or what conntrack says. */
function isAnswer({ journey, mapping }: Explained): boolean {
  const packet = journey.first?.packet;
  if (packet?.quoted != null) return false;
  if (journey.conntrack?.direction != null) return journey.conntrack.direction === "reply";
  if (mapping !== null) return mapping.direction === "reply";
  if (((packet?.tcp?.flags ?? 0) & 0x12) === 0x12) return true;
  const type = packet?.icmp?.type;
  return (packet?.protocol === "icmp" && type === 0) || (packet?.protocol === "icmpv6" && type === 129);
}

/** The same for both ways. */
function keyOf(netns: string | null, protocol: string, tuple: Tuple): string {
  const place = isLoopback(tuple.src) || isLoopback(tuple.dst) ? netns : null;
  const keys = [tuple, inverse(tuple)].map((one) => tupleKey(place, protocol, one));
  return keys.sort()[0] ?? "";
}
