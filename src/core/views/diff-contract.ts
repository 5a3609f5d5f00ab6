/** The public shape of a comparison, `nfpath/diff@1`: what `nfpath diff --format json` prints. Add to it, never change it. */
import type { JourneyDiff } from "../diagnosis/journey-diff.ts";
import type { End, KindDiff, RecordingDiff } from "../diagnosis/recording-diff.ts";
import { ruleText } from "../diagnosis/rule-words.ts";
import type { Step } from "../journeys/journey.ts";
import { journeyContract } from "./contract.ts";

export const DIFF_SCHEMA = "nfpath/diff@1";

/** A plain object, ready for `JSON.stringify`. Either of the two may be absent. */
export function diffContract(journeys: JourneyDiff | null, recordings: RecordingDiff | null) {
  return {
    schema: DIFF_SCHEMA,
    journeys: journeys === null ? null : journeysContract(journeys),
    recordings: recordings === null ? null : recordingsContract(recordings),
  };
}

export type DiffContract = ReturnType<typeof diffContract>;

function journeysContract(diff: JourneyDiff) {
  return {
    a: journeyContract(diff.a),
    b: journeyContract(diff.b),
    packet: diff.packet,
    /** Steps that are the same from the beginning. */
    common: diff.common.length,
    /** The first steps that differ; null where a way has ended. */
    first: {
      a: diff.first.a === null ? null : stepContract(diff.first.a),
      b: diff.first.b === null ? null : stepContract(diff.first.b),
    },
    reasons: diff.reasons.map(({ side, step, kind, answers }) => ({
      side,
      rule: stepContract(step),
      kind,
      conditions: answers.map(({ match, holds, words }) => ({ text: match.text, holds, why: words })),
    })),
    natAskedOf: diff.natAskedOf,
    endsAlike: diff.endsAlike,
  };
}

function stepContract(step: Step) {
  const { netns, family, table, chain, number } = step.event;
  return {
    netns,
    hook: step.hook,
    family,
    table,
    chain,
    kind: step.kind,
    number: step.resolved.rule?.number ?? number,
    text: step.kind === "rule" ? ruleText(step) : null,
    verdict: step.verdict,
  };
}

function recordingsContract(diff: RecordingDiff) {
  return {
    a: { journeys: diff.journeysA },
    b: { journeys: diff.journeysB },
    differing: diff.differing.map(kindContract),
    alike: diff.alike,
    onlyA: diff.onlyA.map(kindContract),
    onlyB: diff.onlyB.map(kindContract),
    uncounted: diff.uncounted,
  };
}

function kindContract({ kind, comparedBy, a, b }: KindDiff) {
  return { kind, comparedBy, a: a.map(endContract), b: b.map(endContract) };
}

function endContract({ words, count, example }: End) {
  return { end: words, count, example: example.journey.id };
}
