/**
 * Deaths outside the rules. The trace shows the last hook that let the packet go; who killed it behind that is told by the
 * kernel (`--drops`), or follows from the host as it was (a snapshot), the surest first.
 *
 * A cause that the kernel told of beats every one that was computed, wherever it stands in the order.
 */
import type { DropEvent } from "../events/event.ts";
import type { Journey } from "../journeys/journey.ts";
import type { Circumstances } from "./cause.ts";
import type { CauseCode, Finding } from "./finding.ts";
import type { Outcome } from "./outcome.ts";

/** What a cause has to say about a packet that it killed. */
export interface Death {
  /** Whether its sender was told: `rejected`, or not: `dropped`. */
  readonly verdict: "dropped" | "rejected";
  /** `told`: the kernel said so, or its answer was seen. `computed`: the host was such that it could go no other way. */
  readonly known: "told" | "computed";
  readonly what: string;
  readonly why: string;
  readonly try: string | null;
  readonly wouldBeWrongIf: string;
  /** Indexes into the journey's steps; left out: the last step at a hook. */
  readonly evidence?: readonly number[];
}

/** Null: this cause did not kill it, or nothing says so. */
export type FindDeath = (journey: Journey, circumstances: Circumstances) => Death | null;

export interface KnownDeath {
  readonly outcome: Outcome;
  readonly finding: Finding;
}

/**
 * The death of a packet whose trace does not show one; null where it lives, or where nobody knows.
 * @param finders each cause with its code, in the order in which the stack would have asked
 */
export function deathOf(
  journey: Journey,
  circumstances: Circumstances,
  finders: readonly (readonly [CauseCode, FindDeath])[],
): KnownDeath | null {
  const { outcome, besides, isAnswered, isRefused } = circumstances;
  if (outcome.verdict === "dropped" || outcome.verdict === "rejected") return null;
  // Across a hole nothing is computed, nor against an answer; what the kernel said stands.
  const mayCompute = outcome.verdict !== "unknown" && journey.gaps.length === 0 && !isAnswered;
  if (!mayCompute && besides.drops.length === 0 && besides.wire.length === 0 && !isRefused) return null;
  let computed: KnownDeath | null = null;
  for (const [cause, find] of finders) {
    const death = find(journey, circumstances);
    if (death === null) continue;
    if (death.known === "told") return knownDeath(cause, death, journey, outcome);
    if (mayCompute) computed ??= knownDeath(cause, death, journey, outcome);
  }
  return computed;
}

function knownDeath(cause: CauseCode, death: Death, journey: Journey, outcome: Outcome): KnownDeath {
  const last = journey.steps.findLastIndex((step) => step.hook !== null);
  return {
    outcome: { ...outcome, verdict: death.verdict, cause, out: null, missing: null },
    finding: {
      cause,
      severity: "error",
      what: death.what,
      why: death.why,
      try: death.try,
      evidence: death.evidence ?? (last === -1 ? [] : [last]),
      wouldBeWrongIf: death.wouldBeWrongIf,
    },
  };
}

/** The kernel's word with one of these reasons, freed in one of these functions; null where it gave none such. */
export function toldDrop(
  { besides }: Circumstances,
  reasons: readonly string[],
  functions: readonly string[] | null = null,
): DropEvent | null {
  return (
    besides.drops.find(
      (drop) => reasons.includes(drop.reason) && (functions === null || functions.includes(drop.function)),
    ) ?? null
  );
}

/** What a person is told of the kernel's word. */
export function wordsOfDrop(drop: DropEvent): string {
  return `the kernel freed it in ${drop.function} for ${drop.reason}`;
}
