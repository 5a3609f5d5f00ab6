/** Takes the truth off events and keeps it aside. */
import type { Event, Sighting, StepEvent } from "../../../src/core/events/event.ts";
import { DEFAULT_LINKER_OPTIONS, Linker } from "../../../src/core/journeys/linker.ts";
import type { OpenJourney } from "../../../src/core/journeys/open-journey.ts";
import type { RuleBook } from "../../../src/core/rulesets/rule-book.ts";
import { judge, type LinkedJourney, type LinkingVerdict } from "./verdict.ts";

/** Senders name their packets from here on. */
const LEAST_NAME = 0x0100_0000;

/** Links a stream of events without their names, and judges by them in the end. */
export class JudgedLinker {
  /** Nanoseconds that linking took. */
  spent = 0n;
  readonly #linker: Linker;
  readonly #names = new Map<StepEvent, number>();
  readonly #linked: LinkedJourney[] = [];

  constructor(book: RuleBook) {
    this.#linker = new Linker(book, { ...DEFAULT_LINKER_OPTIONS, idleEvents: 1_000_000 });
  }

  add(batch: readonly Event[]): void {
    const nameless = batch.map((event) => this.#withoutName(event));
    const begin = process.hrtime.bigint();
    for (const event of nameless) this.#linker.add(event);
    this.spent += process.hrtime.bigint() - begin;
    this.#collect();
  }

  end(): LinkingVerdict {
    this.#linker.end();
    this.#collect();
    return judge(this.#linked);
  }

  #withoutName(event: Event): Event {
    if (event.kind !== "step") return event;
    const mark = event.mark ?? event.sighting?.mark ?? 0;
    // The kernel marks some packets of its own (MLD, IGMP) with small numbers.
    const name = mark < LEAST_NAME ? 0 : mark;
    const nameless = { ...event, mark: null, sighting: withoutMark(event.sighting) };
    this.#names.set(nameless, name);
    return nameless;
  }

  #collect(): void {
    for (const open of this.#linker.takeFinished()) {
      const names = open.steps.map(({ event }) => this.#names.get(event) ?? 0);
      for (const { event } of open.steps) this.#names.delete(event);
      this.#linked.push({ open, names, isUnsure: isUnsure(open) });
    }
  }
}

function withoutMark(sighting: Sighting | null): Sighting | null {
  return sighting === null ? null : { ...sighting, mark: null };
}

function isUnsure(open: OpenJourney): boolean {
  return open.joinedBy === "one-of-several-alike";
}
