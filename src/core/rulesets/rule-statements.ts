/** What a rule does, from its text alone: some sources print the rule of a step, and nobody has sent a listing. */
import type { StepEvent } from "../events/event.ts";
import { parseRuleWords } from "./iptables-rule.ts";
import { targetStatements } from "./iptables-targets.ts";
import { parseNftRule } from "./nft-rule.ts";
import type { ResolvedStep } from "./resolve.ts";
import type { Statement } from "./ruleset.ts";
import { restoreWords } from "./words.ts";

/** By the listing, or else by the words that the source printed; null where neither tells. */
export function statementsOf(
  { rule }: Pick<ResolvedStep, "rule">,
  { ruleText }: Pick<StepEvent, "ruleText">,
): readonly Statement[] | null {
  if (rule !== null) return rule.statements;
  return ruleText === null ? null : statementsOfText(ruleText);
}

/** An iptables target that is a chain's name is told as `opaque`: which chains there are, the text does not say. */
function statementsOfText(text: string): readonly Statement[] {
  if (!text.startsWith("-A ")) return parseNftRule(text).statements;
  const { target } = parseRuleWords(restoreWords(text).slice(2));
  if (target === null) return [];
  return target.kind === "goto"
    ? [{ kind: "goto", chain: target.name }]
    : targetStatements(target.name, target.options);
}
