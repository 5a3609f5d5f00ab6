/** Takes the truth off events and keeps it aside. */
import type { Event, Sighting, StepEvent } from "../../../src/core/events/event.ts";
import { DEFAULT_LINKER_OPTIONS, Linker } from "../../../src/core/journeys/linker.ts";
import type { OpenJourney } from "../../../src/core/journeys/open-journey.ts";
import type { RuleBook } from "../../../src/core/rulesets/rule-book.ts";
import { judge, type LinkedJourney, type LinkingVerdict } from "./verdict.ts";

const LEAST_NAME = 0x100;

/** Senders of packets that are alike name them from 0x10000001 and 0x20000001 on. */
function isOneOfAlike(name: number): boolean {
  return (name & 0x3000_0000) !== 0;
}

/** Events of which everything is kept, for showing what is wrong. */
const MOST_KEPT = 300_000;

/** Links a stream of events without their names, and judges by them in the end. */
export class JudgedLinker {
  /** Microseconds of CPU time that linking took. */
  spent = 0;
  readonly #linker: Linker;
  readonly #names = new Map<StepEvent, number>();
  #count = 0;
  readonly #linked: LinkedJourney[] = [];

  constructor(book: RuleBook) {
    this.#linker = new Linker(book, { ...DEFAULT_LINKER_OPTIONS, idleEvents: 1_000_000 });
  }

  add(batch: readonly Event[]): void {
    const nameless = batch.map((event) => this.#withoutName(event));
    const begin = process.cpuUsage();
    for (const event of nameless) this.#linker.add(event);
    const { user, system } = process.cpuUsage(begin);
    this.spent += user + system;
    this.#collect();
  }

  end(): LinkingVerdict {
    this.#linker.end();
    this.#collect();
    return judge(this.#linked, isOneOfAlike);
  }

  #withoutName(event: Event): Event {
    if (event.kind !== "step") return event;
    const mark = event.mark ?? event.sighting?.mark ?? 0;
    // The kernel marks some packets of its own (MLD, IGMP) with small numbers, which no name is when it is turned round.
    const name = mark < LEAST_NAME ? 0 : reversed(mark);
    const nameless = { ...event, mark: null, sighting: withoutMark(event.sighting) };
    this.#names.set(nameless, name);
    return nameless;
  }

  #collect(): void {
    for (const open of this.#linker.takeFinished()) {
      const names = open.steps.map(({ event }) => this.#names.get(event) ?? 0);
      for (const { event } of open.steps) this.#names.delete(event);
      const { netns, number } = open;
      this.#count += names.length;
      const isKept = this.#count < MOST_KEPT;
      this.#linked.push({ netns, number, open: isKept ? open : null, names, isUnsure: isUnsure(open) });
    }
  }
}

/** The events as the kernel log would have them: of legacy iptables alone, without checksums and conntrack. */
export function asInKernelLog(batch: readonly Event[]): readonly Event[] {
  return batch.flatMap((event) => {
    if (event.kind !== "step" || event.tracer !== "xtables" || event.sighting === null) return [];
    const packet = { ...event.sighting.packet, contentSum: null };
    const time: Event["time"] = event.time === null ? null : { ...event.time, clock: "kernel-log" };
    return [{ ...event, time, conntrack: null, sighting: { ...event.sighting, packet } }];
  });
}

/** nft takes the payload's four bytes for a number of the machine's, which begins at the other end. */
function reversed(mark: number): number {
  return (((mark & 0xff) << 24) | ((mark & 0xff00) << 8) | ((mark >>> 8) & 0xff00) | (mark >>> 24)) >>> 0;
}

function withoutMark(sighting: Sighting | null): Sighting | null {
  return sighting === null ? null : { ...sighting, mark: null };
}

function isUnsure(open: OpenJourney): boolean {
  return open.joinedBy === "one-of-several-alike";
}
