/** Counts what came in: events of each kind, and the first of what could not be read. */
import type { Event, GapEvent, UnparsedEvent } from "../core/events/event.ts";

export type EventCounts = Readonly<Record<Event["kind"], number>>;

/** A file of another kind would fill the memory with what it is not. */
const MOST_UNPARSED_KEPT = 100;
const MOST_GAPS_KEPT = 1000;

export class EventTally {
  readonly #counts: Record<Event["kind"], number> = {
    step: 0,
    sighting: 0,
    conntrack: 0,
    flow: 0,
    log: 0,
    "rules-changed": 0,
    wire: 0,
    drop: 0,
    gap: 0,
    unparsed: 0,
  };
  readonly #unparsed: UnparsedEvent[] = [];
  readonly #gaps: GapEvent[] = [];

  count(event: Event): void {
    this.#counts[event.kind]++;
    if (event.kind === "unparsed" && this.#unparsed.length < MOST_UNPARSED_KEPT) this.#unparsed.push(event);
    if (event.kind === "gap" && this.#gaps.length < MOST_GAPS_KEPT) this.#gaps.push(event);
  }

  get counts(): EventCounts {
    return this.#counts;
  }

  /** The first of them; `counts` has the number. */
  get unparsed(): readonly UnparsedEvent[] {
    return this.#unparsed;
  }

  /** The first of them; `counts` has the number. */
  get gaps(): readonly GapEvent[] {
    return this.#gaps;
  }

  get total(): number {
    return Object.values(this.#counts).reduce((sum, count) => sum + count, 0);
  }
}
