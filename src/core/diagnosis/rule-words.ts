/** How a step's chain and rule are named and shown in sentences, the same in findings and in views. */
import type { Step } from "../journeys/journey.ts";
import { isIptablesText } from "./commands.ts";

/** `nat:DOCKER rule 31`, `a rule of inet fw input`. */
export function ruleName(step: Step): string {
  const number = step.resolved.rule?.number ?? step.event.number;
  const { handle } = step.event;
  if (number !== null) return `${chainName(step)} rule ${number}`;
  return handle === null
    ? `a rule of ${chainName(step)}`
    : `the rule with handle ${handle} of ${chainName(step)}`;
}

/** The rule's own words, with its comment and without its counters; null where nobody tells them. */
export function ruleText(step: Step): string | null {
  const { rule } = step.resolved;
  if (rule === null)
    return step.event.ruleText?.replace(/\bcounter packets \d+ bytes \d+ ?/, "").trim() ?? null;
  const isShown = rule.comment === null || rule.short.includes(rule.comment);
  return isShown ? rule.short : `${rule.short} comment "${rule.comment}"`;
}

/** The rule's words, and for one that has no condition of its own, the rule that led to its chain. */
export function whyRule(steps: readonly Step[], at: number): string {
  const step = steps[at];
  if (step === undefined) return "";
  const text = ruleText(step) ?? "the trace tells the verdict, not the rule's text";
  if (step.depth === 0 || step.resolved.rule === null || step.resolved.rule.matches.length > 0) return text;
  const jump = steps
    .slice(0, at)
    .findLast((earlier) => earlier.hop === step.hop && earlier.depth < step.depth && earlier.kind === "rule");
  if (jump === undefined) return text;
  return `${text}; ${ruleName(jump)} led there: ${ruleText(jump) ?? "its text is not known"}`;
}

/** How people name a chain: `filter:INPUT` for iptables, `inet fw4 input` for nft. */
export function chainName(step: Step): string {
  const { tracer, family, table, chain } = step.event;
  return tracer === "xtables" || isIptablesText(step) ? `${table}:${chain}` : `${family} ${table} ${chain}`;
}
