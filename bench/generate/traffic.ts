/**
 * Packets under way at once, from a seed: which packet is seen next, and where.
 *
 * The same seed and choices give the same traffic, whoever writes it down.
 */
import { type Random, randomFrom } from "../../test/support/random.ts";
import { WAYS, type Way, type WayStep } from "./ways.ts";

export interface TrafficOptions {
  readonly seed: number;
  /** Packets that are under way at once. Default 4. */
  readonly inFlight?: number;
  /** Connections that packets are drawn from. Default 1000. */
  readonly flows?: number;
  /** Whether packets in flight come strictly one after the other, each of another flow. Default: by chance. */
  readonly inLockstep?: boolean;
  readonly ways?: readonly Way[];
}

export interface Flow {
  readonly client: string;
  readonly clientPort: number;
  readonly service: number;
  readonly isTcp: boolean;
  sequence: number;
}

export interface GeneratedPacket {
  readonly way: Way;
  readonly steps: readonly WayStep[];
  readonly flow: Flow;
  readonly id: number;
  readonly ttl: number;
  readonly length: number;
  readonly sequence: number;
  /** What `nft monitor trace` calls it. */
  readonly traceId: string;
  /** For who writes it down: what is the same in all its lines. */
  readonly texts: Map<string, string>;
  next: number;
}

export const HOST = "172.17.128.213";

/** What was generated, for whoever must find it again. */
export interface Truth {
  lines: number;
  packets: number;
  /** Packets of each way. */
  readonly ways: Record<string, number>;
}

export class Traffic {
  readonly truth: Truth = { lines: 0, packets: 0, ways: {} };
  readonly #random: Random;
  readonly #flows: readonly Flow[];
  readonly #draw: readonly Way[];
  readonly #inLockstep: boolean;
  readonly #underWay: GeneratedPacket[] = [];
  #at = 0;
  #isEnding = false;

  constructor({ seed, inFlight = 4, flows = 1000, inLockstep = false, ways = WAYS }: TrafficOptions) {
    this.#random = randomFrom(seed);
    this.#inLockstep = inLockstep;
    this.#flows = Array.from({ length: inLockstep ? inFlight : flows }, (_, at) => this.#newFlow(at));
    this.#draw = ways.flatMap((way) => Array.from({ length: way.weight }, () => way));
    while (this.#underWay.length < inFlight) this.#underWay.push(this.#newPacket(this.#underWay.length));
  }

  /** No new packet begins; those under way come to their ends. */
  end(): void {
    this.#isEnding = true;
  }

  /** The next sighting; null when all is over. */
  next(): { readonly packet: GeneratedPacket; readonly step: WayStep } | null {
    const all = this.#underWay;
    if (all.length === 0) return null;
    if (this.#inLockstep) this.#at = (this.#at + 1) % all.length;
    // A packet's chains are passed in a run, on one CPU: others come in between now and then.
    else if (this.#at >= all.length || this.#random.chance(0.25)) this.#at = this.#random.below(all.length);
    const packet = all[this.#at] as GeneratedPacket;
    const step = packet.steps[packet.next++] as WayStep;
    this.truth.lines++;
    if (packet.next === packet.steps.length) this.#replace();
    return { packet, step };
  }

  #replace(): void {
    if (!this.#isEnding) {
      this.#underWay[this.#at] = this.#newPacket(this.#at);
      return;
    }
    // The others keep their order: in lockstep nobody is passed over.
    this.#underWay.splice(this.#at, 1);
    if (this.#inLockstep) this.#at--;
  }

  #newFlow(at: number): Flow {
    const random = this.#random;
    const isTcp = random.chance(0.2);
    return {
      client: `${random.of(["203.0.113", "198.51.100", "192.0.2"])}.${1 + random.below(254)}`,
      // Of each flow its own, as far as there are ports.
      clientPort: 1024 + (at % 64_000),
      service: random.below(40),
      isTcp,
      sequence: random.below(2 ** 31),
    };
  }

  #newPacket(seat: number): GeneratedPacket {
    const random = this.#random;
    const way = random.of(this.#draw);
    const flow = this.#flows[this.#inLockstep ? seat : random.below(this.#flows.length)] as Flow;
    const length = flow.isTcp ? 52 + random.below(1400) : 60 + random.below(1460);
    this.truth.packets++;
    this.truth.ways[way.name] = (this.truth.ways[way.name] ?? 0) + 1;
    flow.sequence = (flow.sequence + length) >>> 0;
    return {
      way,
      steps: way.steps(flow.service),
      flow,
      id: random.below(65_536),
      ttl: way.from === "client" ? 40 + random.below(24) : 64,
      length,
      sequence: flow.sequence,
      traceId: (random.below(2 ** 32) >>> 0).toString(16).padStart(8, "0"),
      texts: new Map(),
      next: 0,
    };
  }
}

/** A packet's two ends at a step. */
export function endsOf(
  { way, flow }: GeneratedPacket,
  { isRouted }: WayStep,
): {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
} {
  const servicePort = 4000 + flow.service;
  const container = `172.18.0.${2 + flow.service}`;
  if (way.from === "client") {
    const dst = way.isTranslated && isRouted ? container : HOST;
    return { src: flow.client, dst, sport: flow.clientPort, dport: servicePort };
  }
  const src = way.from === "host" ? HOST : container;
  return { src, dst: flow.client, sport: servicePort, dport: flow.clientPort };
}
