/** The public shape of an answer to `--why-not`, `nfpath/why-not@1`. Add to it, never change it. */
import type { Explained } from "../diagnosis/diagnose.ts";
import type { WhyNot } from "../diagnosis/why-not.ts";
import type { MatchAnswer } from "../rulesets/match/answer.ts";
import { targetName } from "./why-not-tree.ts";

export const WHY_NOT_SCHEMA = "nfpath/why-not@1";

/** A plain object, ready for `JSON.stringify`. */
export function whyNotContract({ journey }: Explained, why: WhyNot | null) {
  return { schema: WHY_NOT_SCHEMA, journey: journey.id, ...(why === null ? NONE : fate(why)) };
}

export type WhyNotContract = ReturnType<typeof whyNotContract>;

/** The rule is of another family or namespace than the packet. */
const NONE = { rule: null, fate: null, what: null, holds: null, conditions: [], leading: [] } as const;

function fate(why: WhyNot): Fate {
  return {
    rule: { name: targetName(why.target), text: why.target.rule.text },
    fate: why.fate,
    what: why.words,
    holds: why.holds,
    conditions: why.answers.map(condition),
    leading: why.leading.map(fate),
  };
}

interface Fate {
  readonly rule: { readonly name: string; readonly text: string };
  readonly fate: WhyNot["fate"];
  readonly what: string;
  /** All conditions together; null where it makes no sense to ask. */
  readonly holds: WhyNot["holds"];
  readonly conditions: readonly ReturnType<typeof condition>[];
  /** For a chain that was not entered: the same for each rule that leads there. */
  readonly leading: readonly Fate[];
}

function condition({ match, holds, words }: MatchAnswer) {
  return { text: match.text, kind: match.kind, holds, why: words };
}
