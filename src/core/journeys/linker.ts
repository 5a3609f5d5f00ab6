/**
 * Decides which events are one packet.
 *
 * Neither tracer numbers packets: legacy TRACE prints headers with every line, nft's trace id is a hash of the buffer's
 * address, reused by the next packet and changed at the bridge. So an event joins the journey whose last sighting
 * it can follow: the headers agree (or differ only by what NAT may do in between) and the place comes later on the way.
 *
 * Packets can be alike in all of that: a retransmission, a datagram with identification 0. As long as one is through before the
 * next comes, the order tells them apart. Where two are under way at once, on two CPUs or in a queue, an event without a trace
 * id fits both: it joins the one touched last, and both journeys say that it may be the other way round.
 *
 * Memory is bounded: a journey that nothing was added to for a while is finished and leaves.
 */
import { nanosBetween, type Time } from "../base/time.ts";
import {
  type ConntrackEvent,
  type Event,
  type GapEvent,
  type LogEvent,
  NOWHERE,
  type Sighting,
  type SightingEvent,
  type StepEvent,
} from "../events/event.ts";
import { type Packet, unknownPacket } from "../packets/packet.ts";
import { FRAGMENT_PRIORITY, SELECTOR_PRIORITY } from "../plans/own-chains.ts";
import { isOwnTable } from "../plans/own-table.ts";
import { resolveStep } from "../rulesets/resolve.ts";
import type { RuleBook } from "../rulesets/rule-book.ts";
import { StepMemo } from "../rulesets/step-memo.ts";
import { Candidates } from "./candidates.ts";
import { type Choice, choose, type Fit, type Fitting } from "./choice.ts";
import type { LinkReason } from "./journey.ts";
import { clearLink, FIRST_EVENT, type Link, OpenJourney, type Tracer } from "./open-journey.ts";
import { canFollow, type Place, placeOfBaseChain, placeOfJumpedChain } from "./place.ts";
import { likenessBehindRules, mayBeRewritten } from "./rewritten.ts";
import { RuleChanges } from "./rule-changes.ts";
import { type Ids, isNumbered, likeness, sameContent } from "./same-packet.ts";
import { Translations } from "./translations.ts";

export interface LinkerOptions {
  /** A journey is finished when nothing was added to it for so long, by its own clock. Nanoseconds. */
  readonly idleNanos: number;
  /** … or for so many events, for sources without a clock. */
  readonly idleEvents: number;
}

export const DEFAULT_LINKER_OPTIONS: LinkerOptions = { idleNanos: 3e9, idleEvents: 20_000 };

/**
 * A packet walks all of its hooks in microseconds, so one that is touched now is rather the one that was touched a moment ago
 * than one that has stood still for so long. By the clock, or by events for sources without one.
 */
const STANDS_STILL_NANOS = 100e6;
const STANDS_STILL_EVENTS = 5_000;

/** Journeys that fit equally: beyond so many there is no more to say. */
const MOST_ALIKE = 16;

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
  readonly #candidates = new Candidates();
  readonly #translations = new Translations();
  readonly #byTraceId = new Map<string, OpenJourney>();
  /** iptables' base chains, whose names and listings tell their place, whatever the packet. */
  readonly #named = new StepMemo((step) => placeOfBaseChain(step, null, this.#book));
  #choosesFrames = false;
  /** Through, and not yet handed out: nothing but what is told beside the trace can be added. */
  readonly #over = new Candidates();
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
    let found: Found | null = null;
    if (event.sighting !== null) found = this.#search(event, event.sighting, place, known);
    else if (known !== null && this.#canTake(known, event, place)) {
      found = { journey: known, link: clearLink("same-trace-id") };
    } else if (event.traceId === null && this.#latest !== null && this.#canTake(this.#latest, event, place)) {
      if (this.#latest.last === null || event.tracer === "nft") {
        found = { journey: this.#latest, link: clearLink("neighbouring-lines") };
      }
    }
    const journey = found?.journey ?? this.#begin(event, place);
    for (const other of found?.others ?? NONE) journey.mayBe(other);
    journey.addStep(event, place ?? jumpedFrom(journey.placeIn(event.tracer)), found?.link ?? FIRST_EVENT);
    journey.rulesChanged = this.#changes.in(event.netns);
    this.#remember(journey, event.sighting, event.traceId);
    this.#touch(journey, event);
    if (journey.isOver && isInOrder(event)) {
      this.#candidates.remove(journey);
      this.#over.remove(journey);
      this.#over.add(journey);
    }
  }

  #addSighting(event: SightingEvent): void {
    const known = this.#byId(event);
    const seen =
      event.table === null || event.chain === null ? null : chainSeen(event, event.table, event.chain);
    const after = known?.placeIn("nft") ?? null;
    const place = seen === null ? null : placeOfBaseChain(seen, event.sighting, this.#book, after);
    const found = this.#search(event, event.sighting, place, known);
    const journey = found?.journey ?? this.#begin(event, place);
    for (const other of found?.others ?? NONE) journey.mayBe(other);
    journey.see(event, place, found?.link ?? FIRST_EVENT);
    this.#remember(journey, event.sighting, event.traceId);
    this.#touch(journey, event);
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
    const journey = found?.journey ?? this.#overAlike(event);
    if (journey === null) return;
    journey.logs.push(event);
    journey.conntrack ??= event.conntrack;
  }

  /** What is told beside the trace comes later: its packet may be through already. */
  #overAlike({ sighting, netns }: LogEvent): OpenJourney | null {
    const candidates = this.#over.of(sighting.packet);
    for (let at = candidates.length - 1; at >= 0; at--) {
      const journey = candidates[at] as OpenJourney;
      if (journey.netns !== netns) continue;
      const shown = [journey.last, journey.first];
      if (
        shown.some((seen) => seen !== null && likeness(seen.packet, null, sighting.packet, null) === "same")
      )
        return journey;
    }
    return null;
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
    if (event.tracer === "xtables") {
      const named = this.#named.of(event);
      return named ?? (sighting === null ? null : placeOfJumpedChain(event, sighting));
    }
    const seen = chainSeen(event, event.table, event.chain);
    // A policy is spoken by a base chain only, so its name may be trusted even where no headers are shown.
    const witness = sighting ?? (event.step === "policy" ? (journey?.last ?? UNSEEN) : null);
    return placeOfBaseChain(seen, witness, this.#book, journey?.placeIn(event.tracer) ?? null);
  }

  #search(event: Headed, sighting: Sighting, place: Place | null, known: OpenJourney | null): Found | null {
    if (known !== null) {
      const fit = this.#fitOfKnown(known, event, sighting, place);
      if (fit !== null) {
        if (fit === "translated") this.#learnTranslation(known, sighting.packet);
        return { journey: known, link: clearLink(this.#reasonOfKnown(known, event, fit)) };
      }
    }
    // What has just come in, or was just made, was never seen before.
    if (this.#isBeginning(event, place)) return null;
    return this.#searchAlike(event, sighting, place, known);
  }

  /**
   * The selector of nfpath's own table is the first that a packet meets which has come in, or was made here; but not where
   * frames are chosen too, which go through several families' selectors.
   */
  #isBeginning(event: Headed, place: Place | null): boolean {
    if (event.kind !== "step" || place === null || !isOwnTable(event.table)) return false;
    if (place.isFrame === true) this.#choosesFrames = true;
    if (this.#choosesFrames) return false;
    if (place.priority !== SELECTOR_PRIORITY && place.priority !== FRAGMENT_PRIORITY) return false;
    return isStartOfAWay(event, place);
  }

  #fitOfKnown(journey: OpenJourney, event: Headed, sighting: Sighting, place: Place | null): Fit | null {
    if (!this.#canBeNext(journey, event, place)) return null;
    if (!isOneConnection(journey, event)) return null;
    return this.#fitByHeaders(journey, event, sighting, place, "one");
  }

  #reasonOfKnown(journey: OpenJourney, event: Headed, fit: Fit): LinkReason {
    if (journey.last === null) return "same-trace-id";
    if (fit !== "same") return REASON_OF_FIT[fit];
    return isSameConnection(journey, event) ? "same-connection-and-headers" : "same-trace-id-and-headers";
  }

  #searchAlike(
    event: Headed,
    sighting: Sighting,
    place: Place | null,
    known: OpenJourney | null,
  ): Found | null {
    const found: Fitting[] = [];
    const candidates = this.#candidates.of(sighting.packet);
    for (let at = candidates.length - 1; at >= 0 && found.length < MOST_ALIKE; at--) {
      const journey = candidates[at] as OpenJourney;
      if (journey === known || journey.netns !== event.netns) continue;
      const standsStill = this.#standsStill(journey, event);
      if (standsStill && found.length > 0) break;
      const fitting = this.#fittingOf(journey, event, sighting, place, standsStill);
      if (fitting !== null) found.push(fitting);
    }
    const choice = choose(
      found.length > 1 ? found.filter(({ journey }) => !this.#wasDropped(journey)) : found,
    );
    if (choice === null) return null;
    const { journey, fit, content, isNext } = choice.best;
    if (choice.alike.length > 0 || !isNext) {
      // Without a trace id nothing else tells that a way begins here.
      const begins =
        !isNext && journey.surelyAt === null && event.kind !== "log" && isStartOfAWay(event, place);
      return alikeLink(choice, begins);
    }
    if (fit === "translated" && content !== false) this.#learnTranslation(journey, sighting.packet);
    const isSure = fit === "same" && isSameConnection(journey, event) && isNumbered(sighting.packet);
    return { journey, link: clearLink(isSure ? "same-connection-and-headers" : REASON_OF_FIT[fit]) };
  }

  #fittingOf(
    journey: OpenJourney,
    event: Headed,
    sighting: Sighting,
    place: Place | null,
    standsStill: boolean,
  ): Fitting | null {
    if (!isOneConnection(journey, event)) return null;
    const isNext = this.#canBeNext(journey, event, place) && isInPlace(journey.here, event, place);
    const ids = event.kind === "step" && event.traceId === null ? "none" : "other";
    const fit = isNext ? this.#fitByHeaders(journey, event, sighting, place, ids) : null;
    const content = journey.last === null ? null : sameContent(journey.last.packet, sighting.packet);
    if (fit !== null && !(content === false && fit === "same" && sighting.packet.protocol === "udp"))
      return { journey, fit, content, isNext: true };
    // It may have taken a step of another like it, and stand elsewhere than it seems.
    if (journey.alike === null || standsStill || content === false || event.kind === "log") return null;
    if (!isInPlace(journey.surelyAt, event, place)) return null;
    const loose = this.#looseFit(journey, event, sighting, place);
    return loose === null ? null : { journey, fit: loose, content, isNext: false };
  }

  /** How the headers agree with any that the journey has shown so far. */
  #looseFit(journey: OpenJourney, event: Headed, sighting: Sighting, place: Place | null): Fit | null {
    const { first, last } = journey;
    if (first === null || last === null) return null;
    const now = sighting.packet;
    if (likeness(last.packet, place, now, place) === "same") return "same";
    const like = likeness(first.packet, journey.firstPlace, now, place);
    if (like !== "translated") return like;
    return this.#translations.knows(event.netns, first.packet, now) ? "translated-as-known" : like;
  }

  /** Whether its last step was a rule of iptables' that ends a packet. Legacy TRACE does not say so, the listing does. */
  #wasDropped(journey: OpenJourney): boolean {
    const last = journey.steps.at(-1);
    if (last === undefined || last.event.tracer !== "xtables") return false;
    const { verdict } = resolveStep(last.event, this.#book);
    return verdict === "drop" || verdict === "reject";
  }

  #learnTranslation(journey: OpenJourney, now: Packet): void {
    const { first, last } = journey;
    if (first === null || last === null) return;
    this.#translations.learn(journey.netns, last.packet, now);
    if (first !== last) this.#translations.learn(journey.netns, first.packet, now);
  }

  #standsStill(journey: OpenJourney, event: Headed): boolean {
    const nanos = nanosBetween(journey.lastTime, event.time);
    if (nanos !== null) return nanos > STANDS_STILL_NANOS;
    return this.#events - journey.lastEvent > STANDS_STILL_EVENTS;
  }

  #canBeNext(journey: OpenJourney, event: Headed, place: Place | null): boolean {
    if (journey.netns !== event.netns) return false;
    switch (event.kind) {
      case "step":
        return this.#canTake(journey, event, place);
      case "sighting":
        return canSee(journey, event, place);
      case "log":
        return true;
    }
  }

  #fitByHeaders(
    journey: OpenJourney,
    event: Headed,
    sighting: Sighting,
    place: Place | null,
    ids: Ids,
  ): Fit | null {
    const idle = nanosBetween(journey.lastTime, event.time);
    if (idle !== null && Math.abs(idle) > this.#options.idleNanos) return null;
    if (journey.last === null) return "partial";
    const from = journey.lastPlace;
    const before = journey.last.packet;
    let like = likeness(before, from, sighting.packet, place ?? from, ids);
    if (like === null) {
      if (event.kind === "log" || !mayBeRewritten(journey.steps, before, sighting.packet, ids)) return null;
      const now = { packet: sighting.packet, place: place ?? from };
      const then = { packet: before, place: from };
      like = likenessBehindRules(journey.steps, event, then, now, ids, this.#book);
    }
    if (like !== "translated") return like;
    if (event.kind === "log") return null;
    return this.#translations.knows(event.netns, before, sighting.packet) ? "translated-as-known" : like;
  }

  /** Whether this step can come next in a journey, by its place alone. */
  #canTake(journey: OpenJourney, event: StepEvent, place: Place | null): boolean {
    const current = journey.current[event.tracer];
    if (current === null) return place === null || meetsOtherTracer(journey, event, event.tracer, place);
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
    if (journey.firstEvent === 0) journey.firstEvent = this.#events;
    journey.lastEvent = this.#events;
    if (event.time !== null) journey.lastTime = event.time;
    this.#open.delete(journey);
    this.#open.add(journey);
    this.#candidates.touch(journey);
    this.#latest = journey;
  }

  #remember(journey: OpenJourney, sighting: Sighting | null, traceId: number | null): void {
    if (sighting !== null) this.#candidates.learn(journey, sighting.packet);
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
    this.#candidates.remove(journey);
    this.#over.remove(journey);
    journey.isFinished = true;
    this.#finished.push(journey);
  }
}

/** Headers that tell nothing. */
const UNSEEN: Sighting = { packet: unknownPacket("ip"), ...NOWHERE };

/** An event that shows headers. */
type Headed = StepEvent | SightingEvent | LogEvent;

interface Found {
  /** Null: it begins another, for it comes behind none of those that it may belong to. */
  readonly journey: OpenJourney | null;
  readonly link: Link;
  readonly others?: readonly OpenJourney[];
}

function alikeLink({ best, alike }: Choice, begins: boolean): Found {
  const others = begins ? [best.journey, ...alike] : alike;
  const link: Link = { reason: "one-of-several-alike", alike: others.map(({ number }) => number) };
  return { journey: begins ? null : best.journey, link, others };
}

const REASON_OF_FIT: Readonly<Record<Fit, LinkReason>> = {
  same: "same-headers-within-window",
  "translated-as-known": "headers-through-known-nat",
  translated: "headers-through-nat",
  partial: "what-is-left-of-the-headers",
};

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
  if (current === null || current.place === null) return meetsOtherTracer(journey, event, "nft", place);
  const relation = journey.hasWalked(event) ? "again" : current.relationTo(event, true);
  return canFollow(current.place, place, relation, mayBeLoopback(event.sighting));
}

/**
 * Two tracers may report one packet over two ways, so their events may arrive in either order: it is enough that one
 * place can follow the other.
 */
function meetsOtherTracer(
  journey: OpenJourney,
  event: StepEvent | SightingEvent,
  tracer: Tracer,
  place: Place,
): boolean {
  const other = journey.current[tracer === "nft" ? "xtables" : "nft"]?.place ?? null;
  if (other === null || other.hook === place.hook) return true;
  if (canFollow(other, place, "another", true)) return true;
  return !isInOrder(event) && canFollow(place, other, "another", true);
}

/** Live, both tracers are heard through one socket, in the order in which the kernel spoke. */
function isInOrder(event: Event): boolean {
  return event.time?.clock === "arrival";
}

/** Whether the place comes behind the other, whichever tracers saw the packet there. */
function isInPlace(from: Place | null, event: Headed, place: Place | null): boolean {
  if (from === null || place === null || !isInOrder(event)) return true;
  return canFollow(from, place, "another", mayBeLoopback(event.sighting));
}

/** False where conntrack has told that the two are of two connections, or go different ways. */
function isOneConnection(journey: OpenJourney, event: Headed): boolean {
  const { conntrack } = journey;
  if (event.kind === "sighting" || event.conntrack === null || conntrack === null) return true;
  // Over the loopback a packet comes in again, and the entry may have been replaced by another's that was faster.
  if (event.sighting?.in === "lo") return true;
  return agree(conntrack.id, event.conntrack.id) && agree(conntrack.direction, event.conntrack.direction);
}

function isSameConnection(journey: OpenJourney, event: Headed): boolean {
  const id = journey.conntrack?.id ?? null;
  return (
    id !== null && event.kind === "step" && event.conntrack?.id === id && isOneConnection(journey, event)
  );
}

function agree(a: string | number | null, b: string | number | null): boolean {
  return a === null || b === null || a === b;
}
