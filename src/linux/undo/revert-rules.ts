/** Taking a run's rules back out of the raw table, whether all, some or none of them were appended. */
import { commandOf } from "../../core/plans/plan.ts";
import { deleteRule, type RuleDelete } from "../rule-action.ts";
import { NOTHING_REVERTED, type RevertReport } from "./revert-report.ts";

/** Those of one namespace; `inside` runs its argument there. */
export function revertRules(
  netns: string | null,
  rules: readonly RuleDelete[],
  lockFd: number | null,
  inside: <Value>(work: () => Value) => Value,
): RevertReport {
  const where = netns === null ? "" : ` in namespace ${netns}`;
  const deleted = new Map<string, number>();
  const failed: string[] = [];
  for (const rule of rules) {
    const outcome = inside(() => deleteRule(rule, lockFd));
    if (outcome.ok) deleted.set(rule.program, (deleted.get(rule.program) ?? 0) + outcome.value);
    else failed.push(`${outcome.error.message}${where}; by hand: ${commandOf(rule)}`);
  }
  const restored = [...deleted]
    .filter(([, count]) => count > 0)
    .map(([program, count]) => `${count} rules of this trace are gone from raw (${program})${where}`);
  return { ...NOTHING_REVERTED, restored, failed };
}
