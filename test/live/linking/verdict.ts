/**
 * How well events were linked, against the truth.
 *
 * An event is wrong when its journey is another packet's, or when its packet has another, larger journey, and nobody said that
 * this may be so. Unsure is an event of a journey that says of itself that another reading is possible.
 */
import type { OpenJourney } from "../../../src/core/journeys/open-journey.ts";

export interface LinkingVerdict {
  readonly events: number;
  readonly journeys: number;
  readonly wrong: number;
  readonly unsure: number;
  /** Unsure ones of packets that no other is like. */
  readonly needlesslyUnsure: number;
  /** The first wrong ones, for a person. */
  readonly examples: readonly string[];
}

export interface LinkedJourney {
  readonly netns: string | null;
  readonly number: number;
  /** For the examples; null where so many were linked that they would fill the memory. */
  readonly open: OpenJourney | null;
  readonly isUnsure: boolean;
  /** The names of its events, in their order; 0: a packet without a name. */
  readonly names: readonly number[];
}

const MOST_EXAMPLES = 8;

/** @param isOneOfAlike whether packets with this name were sent among others that are alike in all headers */
export function judge(
  journeys: readonly LinkedJourney[],
  isOneOfAlike: (name: number) => boolean,
): LinkingVerdict {
  const largest = new Map<string, { journey: LinkedJourney; count: number }>();
  const counts = journeys.map(({ names }) => countNames(names));
  for (const [at, journey] of journeys.entries()) {
    for (const [name, count] of counts[at] ?? []) {
      const key = `${journey.netns} ${name}`;
      const known = largest.get(key);
      if (name !== 0 && (known === undefined || known.count < count)) largest.set(key, { journey, count });
    }
  }
  let [events, wrong, unsure, needlesslyUnsure] = [0, 0, 0, 0];
  const examples: string[] = [];
  for (const [at, journey] of journeys.entries()) {
    events += journey.names.length;
    if (journey.isUnsure) {
      unsure += journey.names.length;
      if (!journey.names.some((name) => name === 0 || isOneOfAlike(name))) {
        needlesslyUnsure += journey.names.length;
        if (examples.length < MOST_EXAMPLES) examples.push(`needlessly unsure: ${describe(journey)}`);
      }
    }
    const mostly = [...(counts[at] ?? [])].reduce((a, b) => (b[1] > a[1] ? b : a), [0, 0])[0];
    for (const [name, count] of counts[at] ?? []) {
      const main = largest.get(`${journey.netns} ${name}`)?.journey ?? journey;
      const isOthers = name !== mostly && !journey.isUnsure;
      const isTorn = main !== journey && !(main.isUnsure && journey.isUnsure);
      if (!isOthers && !isTorn) continue;
      wrong += count;
      if (examples.length < MOST_EXAMPLES) examples.push(example(name, journey, main));
    }
  }
  return { events, journeys: journeys.length, wrong, unsure, needlesslyUnsure, examples };
}

function countNames(names: readonly number[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function example(name: number, journey: LinkedJourney, main: LinkedJourney): string {
  const where = main === journey ? "" : `\n  its main journey: ${describe(main)}`;
  return `packet 0x${name.toString(16)} in ${describe(journey)}${where}`;
}

function describe({ netns, number, open, names, isUnsure }: LinkedJourney): string {
  const steps = (open?.steps ?? []).map(({ event, link }, at) => {
    const shown = event.sighting === null ? "" : ` ${event.sighting.packet.protocol}`;
    return `    0x${(names[at] ?? 0).toString(16)} ${event.tracer} ${event.table} ${event.chain} ${event.number ?? event.handle ?? event.step}${shown} ${link} ${event.traceId?.toString(16) ?? ""} ct ${event.conntrack?.id ?? ""}`;
  });
  return `journey ${number} of ${netns}${isUnsure ? " (unsure)" : ""}\n${steps.join("\n")}`;
}
