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
  lastPlace: Place | null = null;
  lastTime: Time | null;
  lastEvent = 0;
  fingerprint: number | null = null;
  joinedBy: LinkReason = "single-event";
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

  addStep(event: StepEvent, place: Place | null, link: LinkReason): void {
    const sighting = event.sighting ?? this.#pending;
    this.#pending = null;
    this.steps.push({ event, place, sighting, link });
    this.joinedBy = weakerReason(this.joinedBy, link);
    if (event.conntrack !== null) this.conntrack = event.conntrack;
    if (event.sighting !== null) this.#look(event.sighting, place);
    this.#position(event.tracer, place).moveTo(place, event);
  }

  /** The headers were shown on a line of their own; the next step takes them. */
  see(event: SightingEvent, place: Place | null, link: LinkReason): void {
    this.joinedBy = weakerReason(this.joinedBy, link);
    this.#pending = event.sighting;
    this.#look(event.sighting, place);
    if (place !== null && event.table !== null && event.chain !== null) {
      this.#position("nft", place).enter(place, event);
    }
  }

  #position(tracer: Tracer, place: Place | null): Position {
    this.current[tracer] ??= new Position(place);
    return this.current[tracer];
  }

  #look(sighting: Sighting, place: Place | null): void {
    this.first ??= sighting;
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
