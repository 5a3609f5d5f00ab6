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
  /** The first wrong ones, for a person. */
  readonly examples: readonly string[];
}

export interface LinkedJourney {
  readonly open: OpenJourney;
  readonly isUnsure: boolean;
  /** The names of its events, in their order; 0: a packet without a name. */
  readonly names: readonly number[];
}

const MOST_EXAMPLES = 8;

export function judge(journeys: readonly LinkedJourney[]): LinkingVerdict {
  const largest = new Map<string, { journey: LinkedJourney; count: number }>();
  const counts = journeys.map(({ names }) => countNames(names));
  for (const [at, journey] of journeys.entries()) {
    for (const [name, count] of counts[at] ?? []) {
      const key = `${journey.open.netns} ${name}`;
      const known = largest.get(key);
      if (name !== 0 && (known === undefined || known.count < count)) largest.set(key, { journey, count });
    }
  }
  let [events, wrong, unsure] = [0, 0, 0];
  const examples: string[] = [];
  for (const [at, journey] of journeys.entries()) {
    events += journey.names.length;
    if (journey.isUnsure) unsure += journey.names.length;
    const mostly = [...(counts[at] ?? [])].reduce((a, b) => (b[1] > a[1] ? b : a), [0, 0])[0];
    for (const [name, count] of counts[at] ?? []) {
      const main = largest.get(`${journey.open.netns} ${name}`)?.journey ?? journey;
      const isOthers = name !== mostly && !journey.isUnsure;
      const isTorn = main !== journey && !(main.isUnsure && journey.isUnsure);
      if (!isOthers && !isTorn) continue;
      wrong += count;
      if (examples.length < MOST_EXAMPLES) examples.push(example(name, journey, main));
    }
  }
  return { events, journeys: journeys.length, wrong, unsure, examples };
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

function describe({ open, names, isUnsure }: LinkedJourney): string {
  const steps = open.steps.map(({ event, link }, at) => {
    const shown = event.sighting === null ? "" : ` ${event.sighting.packet.protocol}`;
    return `    0x${(names[at] ?? 0).toString(16)} ${event.tracer} ${event.table} ${event.chain} ${event.number ?? event.handle ?? event.step}${shown} ${link} ${event.traceId?.toString(16) ?? ""} ct ${event.conntrack?.id ?? ""}`;
  });
  return `journey ${open.number} of ${open.netns}${isUnsure ? " (unsure)" : ""}\n${steps.join("\n")}`;
}
