/** A journey while events are still being added to it: raw events, the places they happened at, and why they were joined. */
import type { Time } from "../base/time.ts";
import type {
  ConntrackEvent,
  ConntrackView,
  GapEvent,
  LogEvent,
  Sighting,
  SightingEvent,
  StepEvent,
} from "../events/event.ts";
import { isOwnTable } from "../plans/own-table.ts";
import { type LinkReason, weakerReason } from "./journey.ts";
import type { ChainRelation, Place } from "./place.ts";
import type { RulesChanged } from "./rule-changes.ts";

export type Tracer = StepEvent["tracer"];

export interface OpenStep {
  readonly event: StepEvent;
  readonly place: Place | null;
  /** Shown with the event, or on a line of its own before it; null where none was shown for this step. */
  readonly sighting: Sighting | null;
  readonly link: LinkReason;
  /** Numbers of the journeys that it fits as well. */
  readonly alike: readonly number[];
}

/** What joins an event to a journey. */
export interface Link {
  readonly reason: LinkReason;
  readonly alike: readonly number[];
}

const NO_OTHERS: readonly number[] = [];
const NO_HEADS: readonly SightingEvent[] = [];
export const FIRST_EVENT: Link = { reason: "single-event", alike: NO_OTHERS };

export function clearLink(reason: LinkReason): Link {
  return { reason, alike: NO_OTHERS };
}

export class OpenJourney {
  /** 1, 2 … in the order of the first event. */
  readonly number: number;
  readonly netns: string | null;
  readonly firstTime: Time | null;
  readonly steps: OpenStep[] = [];
  readonly logs: LogEvent[] = [];
  readonly gaps: GapEvent[] = [];
  readonly current: Record<Tracer, Position | null> = { xtables: null, nft: null };
  readonly traceKeys: string[] = [];
  conntrack: ConntrackView | null = null;
  rulesChanged: RulesChanged | null = null;
  first: Sighting | null = null;
  last: Sighting | null = null;
  firstPlace: Place | null = null;
  lastPlace: Place | null = null;
  lastTime: Time | null;
  firstEvent = 0;
  lastEvent = 0;
  fingerprint: number | null = null;
  joinedBy: LinkReason = "single-event";
  /** Where it was last, whichever tracer said so. */
  here: Place | null = null;
  /** … and as far as it is beyond doubt: by a trace id. */
  surelyAt: Place | null = null;
  /** Its way has ended for certain, if what is told comes in the order in which it happened. */
  isOver = false;
  /** It has left the linker. */
  isFinished = false;
  /** Journeys with which it may have swapped steps. */
  alike: Set<number> | null = null;
  /** Where headers were shown on a line of their own: at the head of a base chain. */
  #heads = NO_HEADS;
  /** Headers that were shown at the head of a base chain, of which no step has come. */
  unspoken: SightingEvent | null = null;
  /** A sighting on a line of its own that no step has taken yet. */
  #pending: Sighting | null = null;

  constructor(number: number, event: StepEvent | SightingEvent | ConntrackEvent) {
    this.number = number;
    this.netns = event.netns;
    this.firstTime = event.time;
    this.lastTime = event.time;
  }

  placeIn(tracer: Tracer): Place | null {
    return this.current[tracer]?.place ?? null;
  }

  /** Whether it has been in that base chain before. Where no listing tells priorities, this alone tells a new pass. */
  hasWalked(event: SightingEvent): boolean {
    return this.#heads.some(
      ({ family, table, chain }) => chain === event.chain && table === event.table && family === event.family,
    );
  }

  addStep(event: StepEvent, place: Place | null, link: Link): void {
    const sighting = event.sighting ?? this.#pending;
    this.#pending = this.unspoken = null;
    this.steps.push({ event, place, sighting, link: link.reason, alike: link.alike });
    this.joinedBy = weakerReason(this.joinedBy, link.reason);
    if (event.conntrack !== null) this.conntrack = event.conntrack;
    if (event.sighting !== null) this.#look(event.sighting, place);
    this.#position(event.tracer, place).moveTo(place, event);
    if (place !== null) {
      this.here = place;
      if (event.traceId !== null) this.surelyAt = place;
    }
    // nft's word alone is sure: it comes with a trace id, or is the only tracer there is.
    if (event.tracer === "nft") this.isOver = isLastOfTheWay(event, place);
  }

  /** Another journey is as like to be the one that some step belongs to: that is said of both. */
  mayBe(other: OpenJourney): void {
    this.alike ??= new Set();
    other.alike ??= new Set();
    this.alike.add(other.number);
    other.alike.add(this.number);
    this.joinedBy = other.joinedBy = "one-of-several-alike";
  }

  /** The headers were shown on a line of their own; the next step takes them. */
  see(event: SightingEvent, place: Place | null, link: Link): void {
    this.joinedBy = weakerReason(this.joinedBy, link.reason);
    this.#pending = event.sighting;
    this.unspoken = event.chain === null ? null : event;
    if (event.chain !== null) this.#heads = [...this.#heads, event];
    this.#look(event.sighting, place);
    if (place !== null) this.here = this.surelyAt = place;
    if (place !== null && event.table !== null && event.chain !== null) {
      this.#position("nft", place).enter(place, event);
    }
  }

  #position(tracer: Tracer, place: Place | null): Position {
    this.current[tracer] ??= new Position(place);
    return this.current[tracer];
  }

  #look(sighting: Sighting, place: Place | null): void {
    if (this.first === null) {
      this.first = sighting;
      this.firstPlace = place;
    }
    this.last = sighting;
    this.lastPlace = place;
  }
}

/** Where one tracer saw the packet last. */
export class Position {
  place: Place | null;
  /** Family and name: `ip filter` and `inet filter` are two tables of one packet. */
  #table = "";
  #base: string | null = null;
  #chain = "";
  #number: number | null = null;
  #hasEnded = false;

  constructor(place: Place | null) {
    this.place = place;
  }

  moveTo(place: Place | null, event: StepEvent): void {
    if (place !== null) this.place = place;
    if (place?.isBase) this.#base = event.chain;
    else if (this.#table !== tableOf(event)) this.#base = null;
    this.#table = tableOf(event);
    this.#chain = event.chain;
    this.#number = event.number;
    this.#hasEnded = endsChain(event);
  }

  /** The packet was shown at the head of a base chain; no step was made there yet. */
  enter(place: Place, event: SightingEvent): void {
    this.place = place;
    this.#table = tableOf(event);
    this.#base = event.chain;
    this.#chain = event.chain ?? "";
    this.#number = null;
    this.#hasEnded = false;
  }

  /**
   * nft shows the headers once a base chain, with the first message about it: headers shown again are a new pass.
   */
  relationTo(event: StepEvent | SightingEvent, isBase: boolean): ChainRelation {
    if (tableOf(event) !== this.#table) return "another";
    if (isBase && this.#base !== null && event.chain !== this.#base) return "another";
    const isHead = event.kind === "sighting" || (event.tracer === "nft" && event.sighting !== null);
    if (isHead && isBase) return "again";
    const number = event.kind === "step" ? event.number : null;
    // A bare `-j RETURN` in a built-in chain is printed as a policy, and the true policy follows it.
    if (event.chain === this.#chain && this.#number !== null && number !== null) {
      return number > this.#number ? "goes-on" : "again";
    }
    return this.#hasEnded ? "again" : "goes-on";
  }
}

function tableOf(event: StepEvent | SightingEvent): string {
  return `${event.family} ${event.table ?? ""}`;
}

function endsChain(event: StepEvent): boolean {
  if (event.step === "policy") return true;
  return event.verdict === "accept" || event.verdict === "drop" || event.verdict === "reject";
}

/**
 * A packet that was dropped is no more, and the watch points are behind all rules. A packet over the loopback comes in again;
 * one that goes into a tunnel does so in other headers.
 */
function isLastOfTheWay(event: StepEvent, place: Place | null): boolean {
  if (event.verdict === "drop") return true;
  // A frame that a bridge lets go may go on at IP's hooks.
  if (!isOwnTable(event.table) || place === null || place.isFrame === true) return false;
  return place.hook === "input" || (place.hook === "postrouting" && event.sighting?.out !== "lo");
}
