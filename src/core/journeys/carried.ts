/**
 * Which packet went on in which other one: into a tunnel or IPsec, and out of it.
 *
 * On its way out a packet passes POSTROUTING, and the one that carries it is made there and then: it begins at OUTPUT. Tunnels make another
 * packet of the buffer (`skb_scrub_packet`: no trace, no input interface, another trace id), yet the device that the packet went into is
 * still the one it comes from when it passes POSTROUTING as the outer one (`ip_output`, since Linux 5.8). IPsec goes on with the
 * buffer as it is, so its trace id stays, both ways. On its way in the outer packet ends at INPUT, and the inner one comes in by the
 * tunnel's device, or again by the same interface.
 *
 * Seen so on Linux 6.12 with IPIP, GRE, VXLAN, and ESP in tunnel and transport mode and by an xfrm interface.
 */
import { nanosBetween } from "../base/time.ts";
import type { Sighting } from "../events/event.ts";
import type { Journey } from "./journey.ts";
import type { Trail } from "./trail.ts";
import { canCarry } from "./tunnel-headers.ts";

export type CarriedReason =
  /** The same trace id, and a length that fits. */
  | "same-trace-id"
  /** The tunnel's device: the inner packet goes into it, or comes out of it, and the outer one is its. */
  | "tunnel-device"
  /** The next that is as long as the inner packet with the headers of a tunnel around it. */
  | "length-and-order";

export interface Tie {
  /** `out`: the inner packet goes on in the outer one. `in`: it came out of it. */
  readonly way: "out" | "in";
  readonly inner: string;
  readonly outer: string;
  readonly by: CarriedReason;
  /** Others that fit as well as the earlier of the two: of the inner packets on the way out, of the outer ones on the way in. */
  readonly alike: readonly string[];
}

/** Whether a device is a tunnel's; null where nobody knows. */
export type IsTunnel = (netns: string | null, device: string) => boolean | null;

/** WireGuard encrypts on other CPUs, and may wait for its peer. */
const LATEST_NANOS = 1e9;
/** Without any other sign only what comes directly behind is believed. By the clock of arrival all of one reading are at once. */
const DIRECTLY_NANOS = 20e6;
/** As long as the linker takes a packet to be still under way (`STANDS_STILL_NANOS`). */
const STALE_NANOS = 100e6;
const MOST_WAITING = 256;
const MOST_NAMED = 16;

/** What is kept of a journey. */
interface Passage extends Pick<Trail, "id" | "netns" | "firstTime" | "lastTime" | "traceIds"> {
  readonly first: Sighting;
  readonly last: Sighting;
  readonly firstEvent: number;
  readonly lastEvent: number;
}

/** One that was seen before its other half. */
interface Waiting {
  readonly passage: Passage;
  /** Its other half has come. */
  isTaken: boolean;
  /** One was given to it, which may be that of another that waits. */
  isNamed: boolean;
}

interface Fitting {
  readonly waiting: Waiting;
  readonly by: CarriedReason;
}

const REASONS: readonly CarriedReason[] = ["same-trace-id", "tunnel-device", "length-and-order"];

export class CarriedMemory {
  /** By namespace, the oldest first: packets that left, and packets with others in them that arrived. */
  readonly #left = new Map<string | null, Waiting[]>();
  readonly #arrived = new Map<string | null, Waiting[]>();
  /** Devices, and the ends of the tunnels that they were seen to be of. */
  readonly #ends = new Set<string>();
  readonly #isTunnel: IsTunnel;

  constructor(isTunnel: IsTunnel) {
    this.#isTunnel = isTunnel;
  }

  /** In the order in which journeys began. @returns what this one has to do with earlier ones; usually nothing */
  learn(journey: Journey, trail: Trail): readonly Tie[] {
    const { first, last } = journey;
    if (first === null || last === null) return NONE;
    const isOuter = isCarrier(first);
    const isLeaving = hasPassedOut(journey);
    const isMade = trail.begins === "output" && isOuter;
    const isArriving = (trail.begins === "prerouting" || trail.begins === "ingress") && first.in !== "lo";
    if (!isLeaving && !isMade && !isArriving) return NONE;
    const passage = passageOf(journey, trail, first, last);
    const ties: Tie[] = [];
    if (isMade) {
      const via = deviceItCameBy(journey);
      const found = this.#choose(this.#left.get(trail.netns), passage, (inner) =>
        this.#asOuter(inner, passage, via),
      );
      if (found !== null) ties.push({ way: "out", inner: found.id, outer: trail.id, ...found.rest });
    } else if (isArriving) {
      const found = this.#choose(this.#arrived.get(trail.netns), passage, (outer) =>
        this.#asInner(outer, passage),
      );
      if (found !== null) ties.push({ way: "in", inner: trail.id, outer: found.id, ...found.rest });
    }
    if (isLeaving) wait(this.#left, passage);
    else if (isOuter && hasArrived(journey)) wait(this.#arrived, passage);
    return ties;
  }

  /** @param via the device that the outer packet came by before it left; null for one that was made here, or where that is not shown */
  #asOuter(inner: Passage, outer: Passage, via: string | null): CarriedReason | null {
    const [left, made] = [inner.last, outer.first];
    if (left.out === null) return null;
    const carrying = canCarry(made.packet, left.packet);
    if (carrying === null) return null;
    if (carrying !== "perhaps" && sharesTraceId(inner, outer)) return "same-trace-id";
    const isOfDevice = via !== null && via !== made.out && (via === left.out || via === left.physOut);
    if (isOfDevice) {
      this.#ends.add(endKey(inner.netns, via, made, "out"));
      return "tunnel-device";
    }
    if (via !== null && via !== made.out && via !== left.in) return null;
    if (carrying === "perhaps") return null;
    if (left.out === made.out && (carrying === "tunnel" || bothHaveTraceIds(inner, outer))) return null;
    if (left.out !== made.out && this.#isTunnel(inner.netns, left.out) === false) return null;
    return isDirectlyBehind(inner, outer) ? "length-and-order" : null;
  }

  #asInner(outer: Passage, inner: Passage): CarriedReason | null {
    const [arrived, came] = [outer.last, inner.first];
    if (came.in === null) return null;
    const carrying = canCarry(arrived.packet, came.packet);
    if (carrying === null) return null;
    if (carrying !== "perhaps" && sharesTraceId(inner, outer)) return "same-trace-id";
    if (came.in === arrived.in) {
      if (carrying !== "ipsec" || bothHaveTraceIds(inner, outer) || !isOfOneStation(arrived, came))
        return null;
      return isDirectlyBehind(outer, inner) ? "length-and-order" : null;
    }
    const isTunnel = this.#isTunnel(inner.netns, came.in);
    if (isTunnel === false) return null;
    if (isTunnel === true || this.#ends.has(endKey(inner.netns, came.in, arrived, "in")))
      return "tunnel-device";
    return carrying !== "perhaps" && isDirectlyBehind(outer, inner) ? "length-and-order" : null;
  }

  /** The one that came first of those that fit best: tunnels keep the order. */
  #choose(
    waiting: readonly Waiting[] | undefined,
    later: Passage,
    reason: (earlier: Passage) => CarriedReason | null,
  ) {
    const fitting: Fitting[] = [];
    for (const one of waiting ?? []) {
      if (one.isTaken || !isBefore(one.passage, later)) continue;
      const by = reason(one.passage);
      if (by !== null) fitting.push({ waiting: one, by });
    }
    if (fitting.length === 0) return null;
    const by = REASONS.find((candidate) => fitting.some((one) => one.by === candidate)) ?? "length-and-order";
    const equal = withoutStale(
      fitting.filter((one) => one.by === by).map((one) => one.waiting),
      later,
    );
    const best = equal.find(({ isNamed }) => !isNamed) ?? equal[0];
    if (best === undefined) return null;
    const others = equal.filter((one) => one !== best);
    best.isNamed = true;
    // As many were given away as there are: none of them waits any more, whichever belongs to which.
    if (equal.every(({ isNamed }) => isNamed)) for (const one of equal) one.isTaken = true;
    return {
      id: best.passage.id,
      rest: { by, alike: others.slice(0, MOST_NAMED).map((one) => one.passage.id) },
    };
  }
}

const NONE: readonly Tie[] = [];

function passageOf(
  { firstEvent, lastEvent }: Journey,
  { id, netns, firstTime, lastTime, traceIds }: Trail,
  first: Sighting,
  last: Sighting,
): Passage {
  return { id, netns, first, last, firstTime, lastTime, firstEvent, lastEvent, traceIds };
}

function wait(shelf: Map<string | null, Waiting[]>, passage: Passage): void {
  const waiting = shelf.get(passage.netns);
  const one: Waiting = { passage, isTaken: false, isNamed: false };
  if (waiting === undefined) shelf.set(passage.netns, [one]);
  else {
    waiting.push(one);
    if (waiting.length > MOST_WAITING) waiting.shift();
  }
}

/** One that has waited for long is not waiting any more if another has just come: it was dropped. */
function withoutStale(waiting: readonly Waiting[], later: Passage): readonly Waiting[] {
  const fresh = waiting.filter((one) => {
    const nanos = nanosBetween(one.passage.lastTime, later.firstTime);
    return nanos === null || nanos <= STALE_NANOS;
  });
  return fresh.length > 0 ? fresh : waiting;
}

function isCarrier({ packet }: Sighting): boolean {
  return packet.protocol !== null && CARRIERS.has(packet.protocol);
}

const CARRIERS: ReadonlySet<string> = new Set(["ipip", "ipv6", "gre", "esp", "ah", "udp"]);

function hasPassedOut({ steps, last }: Journey): boolean {
  const step = steps.at(-1);
  if (step === undefined || last === null || last.out === null || last.out === "lo") return false;
  const isAlive = step.verdict !== "drop" && step.verdict !== "reject";
  return isAlive && (step.hook === "postrouting" || step.hook === "output" || step.hook === "forward");
}

function hasArrived({ steps }: Journey): boolean {
  const step = steps.at(-1);
  return step?.hook === "input" && step.verdict !== "drop" && step.verdict !== "reject";
}

/** A packet that was made here has no input interface, unless it is the buffer of one that came by it. */
function deviceItCameBy({ steps }: Journey): string | null {
  return (
    steps.find(({ hook, sighting }) => hook === "postrouting" && sighting?.in != null)?.sighting?.in ?? null
  );
}

/** The kernel tells of the earlier one's last hook before it makes the later one. */
function isBefore(earlier: Passage, later: Passage): boolean {
  if (earlier.lastEvent > later.firstEvent) return false;
  const nanos = nanosBetween(earlier.lastTime, later.firstTime);
  return nanos === null || (nanos >= 0 && nanos <= LATEST_NANOS);
}

function isDirectlyBehind(earlier: Passage, later: Passage): boolean {
  const nanos = nanosBetween(earlier.lastTime, later.firstTime);
  return nanos === null || nanos <= DIRECTLY_NANOS;
}

/** Frames keep their link header through decryption. */
function isOfOneStation(a: Sighting, b: Sighting): boolean {
  const [one, other] = [a.packet.link?.source ?? null, b.packet.link?.source ?? null];
  return one === null || other === null || one === other;
}

function sharesTraceId(a: Passage, b: Passage): boolean {
  return b.traceIds.some((id) => a.traceIds.includes(id));
}

function bothHaveTraceIds(a: Passage, b: Passage): boolean {
  return a.traceIds.length > 0 && b.traceIds.length > 0;
}

/** The tunnel's two ends, as packets of either way show them. */
function endKey(netns: string | null, device: string, { packet }: Sighting, way: "out" | "in"): string {
  const [here, there] = way === "out" ? [packet.src, packet.dst] : [packet.dst, packet.src];
  return `${netns ?? ""} ${device} ${packet.protocol} ${here} ${there}`;
}
