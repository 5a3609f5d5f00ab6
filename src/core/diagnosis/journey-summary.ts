/**
 * Counts over many journeys: how they ended and why, the rules that ended most, requests that nobody answered, gaps.
 *
 * It holds counts and one example of each thing, never a journey, and of what may have endless variety (rules,
 * destinations) only so many: a rule that comes up when there is no more room is counted among the others.
 */
import { nanosBetween, type Time } from "../base/time.ts";
import type { GapKind } from "../events/event.ts";
import type { Journey, Step } from "../journeys/journey.ts";
import type { Explained } from "./diagnose.ts";
import type { CauseCode } from "./finding.ts";
import { endpoint } from "./flows.ts";
import type { OutcomeVerdict } from "./outcome.ts";
import { lastPartOf, wayOf } from "./parts.ts";
import { chainName, ruleName, ruleText } from "./rule-words.ts";
import { originOfStep } from "./step-origin.ts";

export interface OutcomeCount {
  readonly verdict: OutcomeVerdict;
  readonly cause: CauseCode | null;
  readonly count: number;
  /** A journey that ended so: the first. */
  readonly example: string;
}

/** A rule or policy that dropped or refused packets. */
export interface EnderCount {
  /** `filter:INPUT rule 7`, `filter:FORWARD policy` */
  readonly name: string;
  readonly netns: string | null;
  readonly text: string | null;
  /** `ufw`, `Docker`; null where nobody can tell. */
  readonly manager: string | null;
  readonly verdict: "dropped" | "rejected";
  readonly count: number;
  readonly example: string;
  /** Where the first of them was going: `tcp 10.0.0.7:443`. */
  readonly packet: string;
}

export interface SilentCount {
  /** `tcp 10.0.0.7:443` */
  readonly to: string;
  readonly count: number;
  readonly example: string;
}

export interface GapCount {
  readonly kind: GapKind;
  /** Journeys that were under way. */
  readonly journeys: number;
  readonly example: string;
  readonly remedy: string;
}

export interface JourneySummary {
  readonly journeys: number;
  readonly first: Time | null;
  readonly last: Time | null;
  readonly namespaces: readonly string[];
  /** The most frequent first. */
  readonly outcomes: readonly OutcomeCount[];
  readonly enders: readonly EnderCount[];
  /** Packets that were ended by rules which there was no room for. */
  readonly endedByOthers: number;
  readonly silent: readonly SilentCount[];
  readonly silentTotal: number;
  readonly gaps: readonly GapCount[];
  /** Every other cause that was found, with the number of journeys. */
  readonly findings: readonly {
    readonly cause: CauseCode;
    readonly count: number;
    readonly example: string;
  }[];
}

const MOST_KEYS = 5_000;
const MOST_NAMESPACES = 50;

interface Counted<Value> {
  readonly value: Value;
  readonly example: string;
  count: number;
}

export class SummaryCounter {
  #journeys = 0;
  #first: Time | null = null;
  #last: Time | null = null;
  readonly #namespaces = new Set<string>();
  readonly #outcomes = new Counts<{ verdict: OutcomeVerdict; cause: CauseCode | null }>();
  readonly #enders = new Counts<Omit<EnderCount, "count" | "example">>();
  readonly #silent = new Counts<string>();
  readonly #gaps = new Counts<{ kind: GapKind; remedy: string }>();
  readonly #findings = new Counts<CauseCode>();

  add(explained: Explained): void {
    const { journey, outcome } = explained;
    const parts = wayOf(explained);
    const findings = parts.flatMap((part) => part.findings);
    this.#journeys++;
    for (const part of parts) {
      this.#addTime(part.journey);
      const { netns } = part.journey;
      if (netns !== null && this.#namespaces.size < MOST_NAMESPACES) this.#namespaces.add(netns);
    }
    const { verdict, cause } = outcome;
    this.#outcomes.add(`${verdict} ${cause}`, journey.id, () => ({ verdict, cause }));
    if (verdict === "dropped" || verdict === "rejected")
      this.#addEnder(lastPartOf(explained).journey, verdict);
    const kinds = new Map(
      parts.flatMap((part) => part.journey.gaps.map(({ gap, remedy }) => [gap, remedy] as const)),
    );
    for (const [kind, remedy] of kinds) this.#gaps.add(kind, journey.id, () => ({ kind, remedy }));
    for (const found of new Set(findings.map((finding) => finding.cause))) {
      if (found === "no-reply") this.#addSilence(journey);
      if (found !== cause && found !== "gap") this.#findings.add(found, journey.id, () => found);
    }
  }

  summary(): JourneySummary {
    return {
      journeys: this.#journeys,
      first: this.#first,
      last: this.#last,
      namespaces: [...this.#namespaces],
      outcomes: this.#outcomes.most().map(({ value, count, example }) => ({ ...value, count, example })),
      enders: this.#enders.most().map(({ value, count, example }) => ({ ...value, count, example })),
      endedByOthers: this.#enders.others,
      silent: this.#silent.most().map(({ value, count, example }) => ({ to: value, count, example })),
      silentTotal: this.#silent.total,
      gaps: this.#gaps.most().map(({ value, count, example }) => ({ ...value, journeys: count, example })),
      findings: this.#findings.most().map(({ value, count, example }) => ({ cause: value, count, example })),
    };
  }

  #addTime({ firstTime, lastTime }: Journey): void {
    if (firstTime !== null && (this.#first === null || (nanosBetween(firstTime, this.#first) ?? 0) > 0))
      this.#first = firstTime;
    if (lastTime !== null && (this.#last === null || (nanosBetween(this.#last, lastTime) ?? 1) > 0))
      this.#last = lastTime;
  }

  #addEnder(journey: Journey, verdict: "dropped" | "rejected"): void {
    const step = journey.steps.findLast((one) => one.verdict === "drop" || one.verdict === "reject");
    if (step === undefined) return;
    const name = enderName(step);
    this.#enders.add(`${journey.netns} ${step.event.tracer} ${name}`, journey.id, () => ({
      name,
      netns: journey.netns,
      text: step.kind === "rule" ? ruleText(step) : null,
      manager: originOfStep(step)?.manager ?? null,
      verdict,
      packet: destination(journey),
    }));
  }

  #addSilence(journey: Journey): void {
    const to = destination(journey);
    this.#silent.add(to, journey.id, () => to);
  }
}

function enderName(step: Step): string {
  return step.kind === "rule" ? ruleName(step) : `${chainName(step)} policy`;
}

function destination(journey: Journey): string {
  const packet = journey.last?.packet ?? journey.first?.packet;
  return `${packet?.protocol ?? "?"} ${endpoint(packet?.dst ?? null, packet?.dport ?? null)}`;
}

/** Counts by key, of which there may be only so many. */
class Counts<Value> {
  readonly #counts = new Map<string, Counted<Value>>();
  others = 0;
  total = 0;

  add(key: string, example: string, value: () => Value): void {
    this.total++;
    const known = this.#counts.get(key);
    if (known !== undefined) known.count++;
    else if (this.#counts.size < MOST_KEYS) this.#counts.set(key, { value: value(), example, count: 1 });
    else this.others++;
  }

  most(): readonly Counted<Value>[] {
    return [...this.#counts.values()].sort((a, b) => b.count - a.count);
  }
}
