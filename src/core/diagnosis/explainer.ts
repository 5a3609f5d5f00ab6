/**
 * Events in, explained journeys out: linking, assembling and diagnosing in one, for every face that has events.
 *
 * Journeys are held back while there are few, because a ruleset, a reply or another packet that comes later in the
 * input can explain an earlier one; beyond `mostHeld` the oldest leave with what is known by then, so memory is bounded.
 */
import { nanosBetween, type Time } from "../base/time.ts";
import type { Event, WireEvent } from "../events/event.ts";
import { type HostBook, NO_HOSTS } from "../hosts/host-book.ts";
import { assembleJourney } from "../journeys/assemble.ts";
import { BesideMemory } from "../journeys/besides.ts";
import type { Journey } from "../journeys/journey.ts";
import { DEFAULT_LINKER_OPTIONS, Linker, type LinkerOptions } from "../journeys/linker.ts";
import type { OpenJourney } from "../journeys/open-journey.ts";
import { unseenJourney } from "../journeys/unseen.ts";
import type { RuleBook } from "../rulesets/rule-book.ts";
import { Diagnosis, type Explained, type Takes } from "./diagnose.ts";
import { FlowMemory } from "./flows.ts";
import { joinParts, waitingTogether } from "./parts.ts";

export interface ExplainerOptions {
  readonly linker: LinkerOptions;
  /** Finished journeys to hold back before the oldest are let go. */
  readonly mostHeld: number;
  /** Which packets the trace took, where that is known: so it is known whether an answer would have been seen. */
  readonly takes?: Takes;
  /** Which packets are wanted of those that were on the wire and that no chain saw. Default: all. */
  readonly isWanted?: (frame: WireEvent) => boolean;
}

export const DEFAULT_EXPLAINER_OPTIONS: ExplainerOptions = {
  linker: DEFAULT_LINKER_OPTIONS,
  mostHeld: 5_000,
};

interface Held {
  /** In the order in which journeys began. */
  readonly number: number;
  readonly lastTime: Time | null;
  /** Null since it was assembled. */
  open: OpenJourney | null;
  /** Null until then; it was learned from at once. */
  journey: Journey | null;
}

export class Explainer {
  readonly #linker: Linker;
  readonly #mostHeld: number;
  readonly #takes: Takes | undefined;
  readonly #isWanted: (frame: WireEvent) => boolean;
  #held: Held[] = [];
  #book: RuleBook;
  #hosts: HostBook;
  readonly #flows = new FlowMemory();
  readonly #besides = new BesideMemory();
  #diagnosis: Diagnosis | null = null;
  #latest: Time | null = null;

  /** @param hosts what the hosts were like; may come later, by `useHosts` */
  constructor(
    book: RuleBook,
    options: ExplainerOptions = DEFAULT_EXPLAINER_OPTIONS,
    hosts: HostBook = NO_HOSTS,
  ) {
    this.#book = book;
    this.#hosts = hosts;
    this.#linker = new Linker(book, options.linker);
    this.#mostHeld = options.mostHeld;
    this.#takes = options.takes;
    this.#isWanted = options.isWanted ?? (() => true);
  }

  /** Rules that became known after the events began: used for every journey not yet assembled. */
  useRules(book: RuleBook): void {
    this.#book = book;
  }

  /** Snapshots that became known after the events began: used for every journey not yet explained. */
  useHosts(hosts: HostBook): void {
    this.#hosts = hosts;
    this.#diagnosis?.useHosts(hosts);
  }

  /** Adds an event; returns journeys that had to leave, usually none. */
  add(event: Event): readonly Explained[] {
    if (event.kind === "flow") this.#flows.learnFlow(event);
    else if (event.kind === "gap") this.#flows.silences.learnGap(event);
    else if (event.kind === "wire" || event.kind === "drop") this.#besides.add(event);
    // A capture beside the trace has a clock of its own.
    if (event.kind === "step" && event.time !== null) this.#latest = event.time;
    this.#linker.add(event);
    this.#collect();
    if (this.#held.length < this.#mostHeld) return NOTHING;
    return this.#release(() => true, Math.ceil(this.#mostHeld / 2));
  }

  /**
   * For a face that shows journeys while more are coming: those that have been idle at `now` for so long leave. Those
   * that ended since are learned from, so an answer that came in between is told.
   */
  settle(now: Time, idleNanos: number): readonly Explained[] {
    this.#linker.expire(now);
    this.#latest = now;
    this.#collect();
    return this.#release(
      ({ lastTime }, patience) =>
        (nanosBetween(lastTime, now) ?? Number.POSITIVE_INFINITY) >= idleNanos + patience,
    );
  }

  /** Journeys begun so far, finished or not. */
  get begun(): number {
    return this.#linker.begun;
  }

  /**
   * The input has ended: everything, in the order in which the journeys began.
   * @param at until when a live source was listened to; null for a recorded one
   */
  end(at: Time | null = null): readonly Explained[] {
    if (at !== null) this.#latest = at;
    this.#linker.end();
    this.#collect();
    return [...this.#release(() => true), ...this.#explainUnseen()];
  }

  /** Packets that were at an interface and never at a chain. */
  #explainUnseen(): readonly Explained[] {
    this.#diagnosis ??= new Diagnosis(this.#book, this.#flows, this.#hosts, this.#takes);
    const diagnosis = this.#diagnosis;
    const explained: Explained[] = [];
    for (const besides of this.#besides.takeUnseen()) {
      const [first] = besides.wire;
      if (first === undefined || !this.#isWanted(first)) continue;
      const journey = unseenJourney(String(this.#linker.begun + explained.length + 1), besides.wire);
      explained.push(diagnosis.explain(journey, besides, this.#latest));
    }
    return explained;
  }

  #collect(): void {
    for (const open of this.#linker.takeFinished())
      this.#held.push({ number: open.number, lastTime: open.lastTime, open, journey: null });
  }

  /** Lets go what may leave, the oldest first, at most `most`; every journey at hand is learned from before. */
  #release(
    mayLeave: (held: Held, patience: number) => boolean,
    most = Number.POSITIVE_INFINITY,
  ): readonly Explained[] {
    if (this.#held.length === 0) return NOTHING;
    this.#diagnosis ??= new Diagnosis(this.#book, this.#flows, this.#hosts, this.#takes);
    const diagnosis = this.#diagnosis;
    this.#held.sort((a, b) => a.number - b.number);
    for (const held of this.#held) {
      if (held.open === null) continue;
      held.journey = assembleJourney(held.open, this.#book);
      held.open = null;
      diagnosis.learn(held.journey);
    }
    const waiting = waitingTogether(
      this.#held,
      (held) => held.journey === null || mayLeave(held, diagnosis.patienceWith(held.journey)),
      (journey) => diagnosis.partBefore(journey),
    );
    const leaving: Journey[] = [];
    const staying: Held[] = [];
    for (const held of this.#held) {
      const { journey } = held;
      if (journey !== null && leaving.length < most && !waiting.has(journey.id)) leaving.push(journey);
      else staying.push(held);
    }
    this.#held = staying;
    return joinParts(
      leaving.map((journey) => diagnosis.explain(journey, this.#besides.take(journey), this.#latest)),
    );
  }
}

const NOTHING: readonly Explained[] = [];
