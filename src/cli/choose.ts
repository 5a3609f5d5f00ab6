/** Which journeys to show: `--only`, `--journey` and the filter. What is hidden is counted, so nothing disappears in silence. */
import type { Explained } from "../core/diagnosis/diagnose.ts";
import type { OutcomeVerdict } from "../core/diagnosis/outcome.ts";
import { wayOf } from "../core/diagnosis/parts.ts";
import type { Filter } from "../core/filters/filter.ts";
import { matchesFilter } from "../core/filters/predicate.ts";
import type { Journey } from "../core/journeys/journey.ts";

export const OUTCOMES: readonly OutcomeVerdict[] = [
  "delivered",
  "forwarded",
  "sent",
  "dropped",
  "rejected",
  "vanished",
  "queued",
  "unknown",
];

export interface Choice {
  readonly filter: Filter | null;
  /** Null: all. */
  readonly only: readonly OutcomeVerdict[] | null;
  /** By id of any part; null: all. */
  readonly journeys?: ReadonlySet<string> | null;
}

/** A journey is chosen, with all its parts, when its packet matches at any point of its way: before or after NAT. */
export function isChosen(explained: Explained, { filter, only, journeys }: Choice): boolean {
  const way = wayOf(explained);
  if (journeys != null && !way.some(({ journey }) => journeys.has(journey.id))) return false;
  if (only !== null && !only.includes(explained.outcome.verdict)) return false;
  return filter === null || way.some(({ journey }) => matchesAnywhere(journey, filter));
}

function matchesAnywhere(journey: Journey, filter: Filter): boolean {
  const sightings = new Set(journey.steps.map((step) => step.sighting));
  for (const sighting of [...sightings, journey.first]) {
    if (sighting !== null && matchesFilter(filter, sighting) === true) return true;
  }
  return false;
}
