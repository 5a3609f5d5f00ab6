/**
 * What nfpath said, beside the truth of a scenario.
 *
 * A truth may need a cause that nfpath cannot conclude yet. It is then awaited: told apart by the list of codes that there are, and
 * judged from the day on which the code is added.
 */
import type { Explained } from "../../core/diagnosis/diagnose.ts";
import { CAUSE_CODES } from "../../core/diagnosis/finding.ts";
import type { Filter } from "../../core/filters/filter.ts";
import { parseFilter } from "../../core/filters/parse.ts";
import { matchesFilter } from "../../core/filters/predicate.ts";
import type { Journey, Step } from "../../core/journeys/journey.ts";
import type { Relation } from "../../core/journeys/relations.ts";
import { type Beside, forVariant, type Scenario, type Truth, type Variant } from "./scenario.ts";

export interface Comparison {
  /** Where nfpath is wrong, a sentence each. */
  readonly wrong: readonly string[];
  /** Codes that some truth needs and that nfpath does not have yet. */
  readonly awaited: readonly string[];
  /** Packets of truths that this evidence cannot show. */
  readonly unseen: readonly string[];
}

/** Where the journeys come from. */
export interface Witness {
  /** The hosts' namespaces as the journeys call them; null where they do not tell, and come from one host. */
  readonly netns: Readonly<Record<string, string>> | null;
  /** What was heard beside netfilter's word. */
  readonly besides: readonly Beside[];
  /** What the printed script has collected, and not a live trace. */
  readonly isCollection?: boolean;
}

export function compare(
  scenario: Scenario,
  variant: Variant,
  explained: readonly Explained[],
  { netns, besides, isCollection = false }: Witness,
): Comparison {
  const unseen: string[] = [];
  const wrong: string[] = [];
  const awaited: string[] = [];
  for (const truth of scenario.truths) {
    const findings = truth.findings === undefined ? [] : forVariant(truth.findings, variant);
    const needed = [...(truth.cause === null ? [] : [truth.cause]), ...findings];
    awaited.push(...needed.filter((code) => !isKnown(code)));
    if (truth.needs !== undefined && !besides.includes(truth.needs)) {
      unseen.push(`${truth.packet} (needs ${truth.needs})`);
      continue;
    }
    if (isCollection && truth.notCollected !== undefined) {
      unseen.push(`${truth.packet} (${truth.notCollected})`);
      continue;
    }
    const filter = filterOf(truth);
    const about = explained.filter(
      ({ journey }) =>
        (netns === null || journey.netns === netns[truth.host]) &&
        journey.first !== null &&
        matchesFilter(filter, journey.first) === true,
    );
    wrong.push(
      ...compareAll(truth, about, findings, variant).map((what) => `${truth.packet}: ${what}`),
      ...about.flatMap((one) => wrongCarriers(one, truth, explained)),
    );
  }
  return { wrong, awaited: [...new Set(awaited)], unseen };
}

function compareAll(
  truth: Truth,
  about: readonly Explained[],
  findings: readonly string[],
  variant: Variant,
): readonly string[] {
  const isAwaited = truth.cause !== null && !isKnown(truth.cause);
  const place = forVariant(truth.place, variant);
  if (place === "never" && about.some(({ journey }) => journey.steps.length > 0))
    return ["netfilter never sees it, and there is a step"];
  // What is on the wire becomes a journey with the cause that explains it.
  if (place === "never" && (isAwaited || !findings.every(isKnown))) return [];
  const packets = truth.packets ?? 1;
  if (about.length < packets) return [`${about.length} journeys, and not ${packets}`];
  if (isAwaited) return [];
  return about.flatMap((one) => compareOne(one, truth, place, findings.filter(isKnown)));
}

function compareOne(
  { journey, outcome, findings }: Explained,
  truth: Truth,
  place: string,
  needed: readonly string[],
): readonly string[] {
  const wrong: string[] = [];
  if (outcome.verdict !== truth.outcome) wrong.push(`${outcome.verdict}, and not ${truth.outcome}`);
  if (truth.out !== undefined && outcome.out !== truth.out)
    wrong.push(`it left by ${outcome.out}, and not by ${truth.out}`);
  if (outcome.cause !== truth.cause) wrong.push(`its cause is ${outcome.cause}, and not ${truth.cause}`);
  const codes: readonly string[] = findings.map(({ cause }) => cause);
  for (const code of truth.cause === null ? needed : [truth.cause, ...needed])
    if (!codes.includes(code)) wrong.push(`no finding ${code}`);
  const ended = endOf(journey, place);
  if (ended !== place) wrong.push(`it ended at ${ended}, and not at ${place}`);
  return wrong;
}

/** Where it is tied to another packet than the one that carries it. */
function wrongCarriers(
  { relations }: Explained,
  { packet, carriedBy, unpackedFrom }: Truth,
  explained: readonly Explained[],
): readonly string[] {
  const isIn = (relation: Relation | null, wanted: string | undefined) => {
    if (wanted === undefined) return true;
    const outer = explained.find(({ journey }) => journey.id === relation?.journey)?.journey.first ?? null;
    return outer !== null && matchesFilter(filterOf({ packet: wanted }), outer) === true;
  };
  return [
    ...(isIn(relations.carriedBy, carriedBy) ? [] : [`${packet}: it does not go on in ${carriedBy}`]),
    ...(isIn(relations.unpackedFrom, unpackedFrom) ? [] : [`${packet}: it did not come in ${unpackedFrom}`]),
  ];
}

/** In the terms that a truth's place is in: of the rule that ended it, or of the last hook that it is known to have passed. */
function endOf(journey: Journey, place: string): string {
  if (place.startsWith("after "))
    return `after ${journey.steps.findLast(({ hook }) => hook !== null)?.hook ?? "?"}`;
  if (journey.steps.length === 0) return "never";
  const last = journey.steps.findLast((step) => !step.isOwn);
  return last === undefined ? "no rule" : stepPlace(last);
}

function stepPlace({ event, kind, resolved }: Step): string {
  const what = kind === "rule" ? (resolved.rule?.number ?? event.number ?? "?") : kind;
  return `${event.table}:${event.chain}:${what}`;
}

function filterOf({ packet }: Pick<Truth, "packet">): Filter {
  const filter = parseFilter(packet);
  if (!filter.ok || filter.value === null) throw new Error(`a truth's packet cannot be read: ${packet}`);
  return filter.value;
}

function isKnown(code: string): boolean {
  return CAUSE_CODES.some((known) => known === code);
}
