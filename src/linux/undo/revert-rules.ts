/** Taking a run's rules back out of the raw table, whether all, some or none of them were appended. */
import { commandOf } from "../../core/plans/plan.ts";
import { deleteRule, holdsTagged, type RuleDelete } from "../rule-action.ts";
import { NOTHING_REVERTED, type RevertReport } from "./revert-report.ts";

/**
 * Those of one namespace, all of them commented with `tag`; `inside` runs its argument there. A rule whose words the program
 * refuses was refused when it was to be appended, too: that no rule has the tag is enough.
 */
export function revertRules(
  netns: string | null,
  rules: readonly RuleDelete[],
  tag: string,
  lockFd: number | null,
  inside: <Value>(work: () => Value) => Value,
): RevertReport {
  const where = netns === null ? "" : ` in namespace ${netns}`;
  const deleted = new Map<string, number>();
  const refusals: { readonly rule: RuleDelete; readonly says: string }[] = [];
  for (const rule of rules) {
    const outcome = inside(() => deleteRule(rule, lockFd));
    if (outcome.ok) deleted.set(rule.program, (deleted.get(rule.program) ?? 0) + outcome.value);
    else refusals.push({ rule, says: `${outcome.error.message}${where}; by hand: ${commandOf(rule)}` });
  }
  const failed = refusals
    .filter(({ rule }) => inside(() => holdsTagged(rule, tag, lockFd)))
    .map(({ says }) => says);
  const restored = [...deleted]
    .filter(([, count]) => count > 0)
    .map(([program, count]) => `${count} rules of this trace are gone from raw (${program})${where}`);
  return { ...NOTHING_REVERTED, restored, failed };
}
