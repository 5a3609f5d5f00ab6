/**
 * Which of the journeys that an event fits it joins, and which it fits as well.
 *
 * Evidence is compared, the surest first: the content's sum, then how the headers agree. What is left fits equally, and then
 * nobody can tell: the first is taken (the one touched last), and the others are named.
 */
import type { OpenJourney } from "./open-journey.ts";

/** How the headers agree with the last that a journey showed. */
export type Fit = "same" | "translated-as-known" | "translated" | "partial";

export interface Fitting {
  readonly journey: OpenJourney;
  readonly fit: Fit;
  /** Whether the contents are the same, by the checksum; null where that does not tell. */
  readonly content: boolean | null;
  /** False: it fits only if an earlier step was taken for another packet's. */
  readonly isNext: boolean;
}

export interface Choice {
  readonly best: Fitting;
  readonly alike: readonly OpenJourney[];
}

const NONE: readonly OpenJourney[] = [];

/** @param fitting the one touched last first */
export function choose(fitting: readonly Fitting[]): Choice | null {
  const [only] = fitting;
  if (only === undefined) return null;
  if (fitting.length === 1) return { best: only, alike: NONE };
  const least = Math.min(...fitting.map(weaknessOf));
  const equal = fitting.filter((one) => weaknessOf(one) === least);
  const best = equal.find(({ isNext }) => isNext) ?? (equal[0] as Fitting);
  return { best, alike: equal.filter((one) => one !== best).map(({ journey }) => journey) };
}

/** A translation that is known and headers that are the same are one rank: the packet is before NAT, or behind it. */
const WEAKNESS: Readonly<Record<Fit, number>> = {
  same: 0,
  "translated-as-known": 0,
  translated: 1,
  partial: 2,
};

function weaknessOf({ fit, content }: Fitting): number {
  return WEAKNESS[fit] + (content === true ? 0 : content === null ? 10 : 20);
}
