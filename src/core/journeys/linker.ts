/**
 * Decides which events are one packet.
 *
 * Neither tracer numbers packets: legacy TRACE prints headers with every line, nft's trace id is a hash of the buffer's
 * address, reused by the next packet and changed at the bridge. So an event joins the journey whose last sighting
 * it can follow: the headers agree (or differ only by what NAT may do in between) and the place comes later on the way.
 * Among several, the one touched last wins: a CPU takes one packet through all of its hooks before the next.
 *
 * Memory is bounded: a journey that nothing was added to for a while is finished and leaves.
 */
import { nanosBetween, type Time } from "../base/time.ts";
import type {
  ConntrackEvent,
  Event,
  GapEvent,
  LogEvent,
  Sighting,
  SightingEvent,
  StepEvent,
} from "../events/event.ts";
import type { RuleBook } from "../rulesets/rule-book.ts";
import type { LinkReason } from "./journey.ts";
import { OpenJourney, type Tracer } from "./open-journey.ts";
import { canFollow, type Place, placeOfBaseChain, placeOfJumpedChain } from "./place.ts";
import { RuleChanges } from "./rule-changes.ts";
import { fingerprint, isWhole, likeness } from "./same-packet.ts";

export interface LinkerOptions {
  /** A journey is finished when nothing was added to it for so long, by its own clock. Nanoseconds. */
  readonly idleNanos: number;
  /** … or for so many events, for sources without a clock. */
  readonly idleEvents: number;
}

export const DEFAULT_LINKER_OPTIONS: LinkerOptions = { idleNanos: 3e9, idleEvents: 20_000 };

/** How far back an event with too few headers to look it up is compared. */
const PARTIAL_LOOK_BACK = 64;

const NONE: readonly OpenJourney[] = [];

const TOLD_BESIDE: ReadonlySet<GapEvent["gap"]> = new Set([
  "selector-limit",
  "flows-lost",
  "logs-lost",
  "frames-lost",
  "drops-lost",
]);

export class Linker {
  readonly #book: RuleBook;
  readonly #options: LinkerOptions;
  /** In the order of the last touch, the longest idle first. */
  readonly #open = new Set<OpenJourney>();
  readonly #byFingerprint = new Map<number, OpenJourney[]>();
  readonly #byTraceId = new Map<string, OpenJourney>();
  readonly #finished: OpenJourney[] = [];
  readonly #changes = new RuleChanges();
  /** By namespace, the last loss of steps and how many events had come by then. */
  readonly #lastGap = new Map<string | null, { readonly gap: GapEvent; readonly events: number }>();
  #events = 0;
  #journeys = 0;
  #latest: OpenJourney | null = null;

  constructor(book: RuleBook, options: LinkerOptions = DEFAULT_LINKER_OPTIONS) {
    this.#book = book;
    this.#options = options;
  }

  /** Adds an event. Those that belong to no packet (`flow`, `unparsed`) or are told beside the trace (`wire`, `drop`: see
   * `besides.ts`) are ignored here. */
  add(event: Event): void {
    this.#events++;
    switch (event.kind) {
      case "step":
        this.#addStep(event);
        break;
      case "sighting":
        this.#addSighting(event);
        break;
      case "conntrack":
        this.#addConntrack(event);
        break;
      case "log":
        this.#addLog(event);
        break;
      case "gap":
        this.#addGap(event);
        break;
      case "rules-changed":
        this.#changes.add(event);
        break;
      case "flow":
      case "wire":
      case "drop":
      case "unparsed":
        break;
    }
    if (this.#events % 256 === 0) this.expire(event.time);
  }

  /** Journeys begun so far, finished or not. */
  get begun(): number {
    return this.#journeys;
  }

  /** Journeys that are over, in the order in which they ended. Each is handed out once. */
  takeFinished(): readonly OpenJourney[] {
    return this.#finished.length === 0 ? NONE : this.#finished.splice(0);
  }

  /** Ends the journeys that have been idle for too long at `now`. */
  expire(now: Time | null): void {
    for (const journey of this.#open) {
      const idle = nanosBetween(journey.lastTime, now);
      const isStale =
        this.#events - journey.lastEvent > this.#options.idleEvents ||
        (idle !== null && idle > this.#options.idleNanos);
      if (!isStale) break;
      this.#finish(journey);
    }
  }

  /** The input has ended: every journey is over. */
  end(): void {
    for (const journey of this.#open) this.#finish(journey);
  }

  #addStep(event: StepEvent): void {
    const known = this.#byId(event);
    const place = this.#placeOf(event, event.sighting, known);
    let journey: OpenJourney | null = null;
    let reason: LinkReason = "single-event";
    if (event.sighting !== null) {
      const found = this.#search(event, event.sighting, place, known);
      if (found !== null) ({ journey, reason } = found);
    } else if (known !== null && this.#canTake(known, event, place)) {
      journey = known;
      reason = "same-trace-id";
    } else if (event.traceId === null && this.#latest !== null && this.#canTake(this.#latest, event, place)) {
      if (this.#latest.last === null || event.tracer === "nft") {
        journey = this.#latest;
        reason = "neighbouring-lines";
      }
    }
    journey ??= this.#begin(event, place);
    this.#touch(journey, event);
    journey.addStep(event, place ?? jumpedFrom(journey.placeIn(event.tracer)), reason);
    journey.rulesChanged = this.#changes.in(event.netns);
    this.#remember(journey, event.sighting, event.traceId);
  }

  #addSighting(event: SightingEvent): void {
    const known = this.#byId(event);
    const seen =
      event.table === null || event.chain === null ? null : chainSeen(event, event.table, event.chain);
    const place = seen === null ? null : placeOfBaseChain(seen, event.sighting, this.#book);
    const found = this.#search(event, event.sighting, place, known);
    const journey = found?.journey ?? this.#begin(event, place);
    this.#touch(journey, event);
    journey.see(event, place, found?.reason ?? "single-event");
    this.#remember(journey, event.sighting, event.traceId);
  }

  #addConntrack(event: ConntrackEvent): void {
    const known = this.#byId(event);
    if (known === null) {
      const journey = this.#begin(event, null);
      journey.conntrack = event.conntrack;
      this.#touch(journey, event);
      this.#remember(journey, null, event.traceId);
    } else {
      known.conntrack = event.conntrack;
      this.#touch(known, event);
    }
  }

  /** A LOG line is told of whatever packet it fits best; one that fits none was not traced, and is no journey. */
  #addLog(event: LogEvent): void {
    const found = this.#search(event, event.sighting, null, null);
    found?.journey.logs.push(event);
  }

  /**
   * Packets that our own limit left out were not traced at all, and what conntrack and LOG rules say is told beside the
   * trace: no journey misses a step by that.
   */
  #addGap(event: GapEvent): void {
    if (TOLD_BESIDE.has(event.gap)) return;
    for (const journey of this.#open) if (journey.netns === event.netns) journey.gaps.push(event);
    this.#lastGap.set(event.netns, { gap: event, events: this.#events });
  }

  /** The loss that can have taken the beginning of a journey which begins with this event; null where none did. */
  #gapBefore(event: StepEvent | SightingEvent | ConntrackEvent, place: Place | null): GapEvent | null {
    const last = this.#lastGap.get(event.netns);
    if (last === undefined || isStartOfAWay(event, place)) return null;
    const since = nanosBetween(last.gap.time, event.time);
    const isLongAgo =
      this.#events - last.events > this.#options.idleEvents ||
      (since !== null && since > this.#options.idleNanos);
    return isLongAgo ? null : last.gap;
  }

  #byId(event: StepEvent | SightingEvent | ConntrackEvent): OpenJourney | null {
    if (event.traceId === null) return null;
    return this.#byTraceId.get(traceKey(event.netns, event.traceId)) ?? null;
  }

  #placeOf(event: StepEvent, sighting: Sighting | null, journey: OpenJourney | null): Place | null {
    const seen = chainSeen(event, event.table, event.chain);
    // A policy is spoken by a base chain only, so its name may be trusted even where no headers are shown.
    const witness = sighting ?? (event.step === "policy" ? (journey?.last ?? null) : null);
    const base = placeOfBaseChain(seen, witness, this.#book);
    if (base !== null) return base;
    if (sighting === null) return null;
    const current = journey?.placeIn(event.tracer) ?? null;
    if (current !== null && event.tracer === "nft") return null;
    return event.tracer === "xtables" ? placeOfJumpedChain(seen, sighting) : null;
  }

  #search(
    event: StepEvent | SightingEvent | LogEvent,
    sighting: Sighting,
    place: Place | null,
    known: OpenJourney | null,
  ): { journey: OpenJourney; reason: LinkReason } | null {
    if (known !== null) {
      const reason = this.#fits(known, event, sighting, place);
      if (reason !== null) {
        const byBoth = reason === "same-headers-within-window" ? "same-trace-id-and-headers" : reason;
        return { journey: known, reason: known.last === null ? "same-trace-id" : byBoth };
      }
    }
    let best: { journey: OpenJourney; reason: LinkReason } | null = null;
    for (const journey of this.#candidates(sighting)) {
      if (journey === known) continue;
      const reason = this.#fits(journey, event, sighting, place);
      if (reason === "same-headers-within-window") return { journey, reason };
      if (reason !== null && best === null) best = { journey, reason };
    }
    return best;
  }

  *#candidates(sighting: Sighting): Iterable<OpenJourney> {
    if (isWhole(sighting.packet)) {
      const bucket = this.#byFingerprint.get(fingerprint(sighting.packet));
      if (bucket !== undefined) for (let i = bucket.length - 1; i >= 0; i--) yield bucket[i] as OpenJourney;
      return;
    }
    const recent = [...this.#open];
    for (let i = recent.length - 1; i >= Math.max(0, recent.length - PARTIAL_LOOK_BACK); i--) {
      yield recent[i] as OpenJourney;
    }
  }

  #fits(
    journey: OpenJourney,
    event: StepEvent | SightingEvent | LogEvent,
    sighting: Sighting,
    place: Place | null,
  ): LinkReason | null {
    if (journey.netns !== event.netns) return null;
    const idle = nanosBetween(journey.lastTime, event.time);
    if (idle !== null && Math.abs(idle) > this.#options.idleNanos) return null;
    if (event.kind === "step" && !this.#canTake(journey, event, place)) return null;
    if (event.kind === "sighting" && !canSee(journey, event, place)) return null;
    if (journey.last === null) return "what-is-left-of-the-headers";
    const from = journey.lastPlace;
    switch (likeness(journey.last.packet, from, sighting.packet, place ?? from)) {
      case "same":
        return "same-headers-within-window";
      case "translated":
        return event.kind === "log" ? null : "headers-through-nat";
      case "partial":
        return "what-is-left-of-the-headers";
      case null:
        return null;
    }
  }

  /** Whether this step can come next in a journey, by its place alone. */
  #canTake(journey: OpenJourney, event: StepEvent, place: Place | null): boolean {
    const current = journey.current[event.tracer];
    if (current === null) return place === null || meetsOtherTracer(journey, event.tracer, place);
    const to = place ?? current.place;
    if (current.place === null || to === null) return true;
    const relation = current.relationTo(event, place?.isBase === true);
    return canFollow(current.place, to, relation, mayBeLoopback(event.sighting));
  }

  #begin(event: StepEvent | SightingEvent | ConntrackEvent, place: Place | null): OpenJourney {
    const journey = new OpenJourney(++this.#journeys, event);
    const gap = this.#gapBefore(event, place);
    if (gap !== null) journey.gaps.push(gap);
    return journey;
  }

  #touch(journey: OpenJourney, event: Event): void {
    journey.lastEvent = this.#events;
    if (event.time !== null) journey.lastTime = event.time;
    this.#open.delete(journey);
    this.#open.add(journey);
    this.#latest = journey;
  }

  #remember(journey: OpenJourney, sighting: Sighting | null, traceId: number | null): void {
    if (sighting !== null && journey.fingerprint === null && isWhole(sighting.packet)) {
      journey.fingerprint = fingerprint(sighting.packet);
      const bucket = this.#byFingerprint.get(journey.fingerprint);
      if (bucket === undefined) this.#byFingerprint.set(journey.fingerprint, [journey]);
      else bucket.push(journey);
    }
    if (traceId !== null) {
      const key = traceKey(journey.netns, traceId);
      if (this.#byTraceId.get(key) !== journey) {
        this.#byTraceId.set(key, journey);
        journey.traceKeys.push(key);
      }
    }
  }

  #finish(journey: OpenJourney): void {
    this.#open.delete(journey);
    if (this.#latest === journey) this.#latest = null;
    for (const key of journey.traceKeys) {
      if (this.#byTraceId.get(key) === journey) this.#byTraceId.delete(key);
    }
    if (journey.fingerprint !== null) {
      const bucket = this.#byFingerprint.get(journey.fingerprint);
      if (bucket !== undefined) {
        bucket.splice(bucket.indexOf(journey), 1);
        if (bucket.length === 0) this.#byFingerprint.delete(journey.fingerprint);
      }
    }
    this.#finished.push(journey);
  }
}

function chainSeen(event: StepEvent | SightingEvent, table: string, chain: string) {
  const tracer: Tracer = event.kind === "step" ? event.tracer : "nft";
  return { tracer, family: event.family, netns: event.netns, table, chain };
}

/** A chain that was jumped to is where its base chain is. */
function jumpedFrom(base: Place | null): Place | null {
  return base === null || !base.isBase ? base : { ...base, isBase: false };
}

function traceKey(netns: string | null, traceId: number): string {
  return `${netns ?? ""}/${traceId}`;
}

function mayBeLoopback(sighting: Sighting | null): boolean {
  return sighting === null || sighting.in === "lo" || sighting.in === null;
}

/** Nothing of the packet can have been told before: it has just come in, or was just made. */
function isStartOfAWay(event: StepEvent | SightingEvent | ConntrackEvent, place: Place | null): boolean {
  if (event.kind === "conntrack") return true;
  const hook = place?.hook ?? null;
  if (hook === "output") return true;
  return (
    (hook === "prerouting" || hook === "ingress") && event.sighting !== null && event.sighting.in !== "lo"
  );
}

function canSee(journey: OpenJourney, event: SightingEvent, place: Place | null): boolean {
  const current = journey.current.nft;
  if (place === null) return true;
  if (current === null || current.place === null) return meetsOtherTracer(journey, "nft", place);
  const relation = current.relationTo(event, true);
  return canFollow(current.place, place, relation, mayBeLoopback(event.sighting));
}

/**
 * Two tracers report one packet over two sockets, so their events may arrive in either order: it is enough that one
 * place can follow the other.
 */
function meetsOtherTracer(journey: OpenJourney, tracer: Tracer, place: Place): boolean {
  const other = journey.current[tracer === "nft" ? "xtables" : "nft"]?.place ?? null;
  if (other === null || other.hook === place.hook) return true;
  return canFollow(other, place, "another", true) || canFollow(place, other, "another", true);
}
