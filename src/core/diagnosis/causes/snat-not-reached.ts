/**
 * It left untranslated: a rule of the nat chain ended it before the one that would have translated. Some such rules are there on
 * purpose (traffic into a VPN, within a cluster), so it is a warning only where no answer came.
 */
import type { Journey, Step } from "../../journeys/journey.ts";
import { statementsOf } from "../../rulesets/rule-statements.ts";
import type { Rule, Statement } from "../../rulesets/ruleset.ts";
import type { Diagnose } from "../cause.ts";
import { showChain } from "../commands.ts";
import { endpoint } from "../flows.ts";
import { chainName, ruleName, ruleText } from "../rule-words.ts";
import { holdAgainst } from "../why-not.ts";

const SOURCE: readonly Statement["kind"][] = ["snat", "masquerade", "netmap"];

export const snatNotReached: Diagnose = (journey, { outcome, host, isAnswered }) => {
  if (outcome.verdict !== "forwarded" && outcome.verdict !== "sent") return [];
  const ended = whereNatEnded(journey);
  if (ended === null) return [];
  const { at, base, number } = ended;
  const { chain } = base.resolved;
  const missed = (chain?.rules ?? []).find(
    (rule) =>
      (rule.number ?? 0) > number &&
      rule.statements.some(({ kind }) => SOURCE.includes(kind)) &&
      isMatch(rule, base, journey, host),
  );
  if (missed === undefined) return [];
  const step = journey.steps[at] as Step;
  const packet = journey.last?.packet;
  const from = endpoint(packet?.src ?? null, packet?.sport ?? null);
  return [
    {
      cause: "snat-not-reached",
      severity: isAnswered ? "info" : "warning",
      what: `it left as ${from}, untranslated: ${ruleName(step)} ended the chain before rule ${missed.number} would have translated it`,
      why: `${ruleText(step) ?? "the trace tells the verdict, not the rule's text"}; behind it, and never asked: ${missed.short}`,
      try: `${showChain(base)}  # should ${chainName(base)} rule ${missed.number} stand before?`,
      evidence: [at],
      wouldBeWrongIf:
        step.resolved.note ??
        `${packet?.dst ?? "the other side"} knows a way back to ${packet?.src ?? "its source"}`,
    },
  ];
};

/** The rule that ended a nat chain of POSTROUTING without translating, and its place in the base chain. */
function whereNatEnded(journey: Journey): { at: number; base: Step; number: number } | null {
  const nat = journey.steps.flatMap((step, at) =>
    step.hook === "postrouting" && step.isNat && !step.isOwn ? [at] : [],
  );
  const steps = nat.map((at) => journey.steps[at] as Step);
  if (
    steps.some(({ resolved, event }) =>
      statementsOf(resolved, event)?.some(({ kind }) => SOURCE.includes(kind)),
    )
  )
    return null;
  const index = steps.findLastIndex(
    ({ kind, verdict, depth }) =>
      kind === "rule" && (verdict === "accept" || (verdict === "return" && depth === 0)),
  );
  const at = nat[index];
  if (at === undefined) return null;
  const base = steps.slice(0, index + 1).findLast(({ depth, kind }) => depth === 0 && kind === "rule");
  const number = base?.resolved.rule?.number ?? base?.event.number ?? null;
  return base === undefined || number === null ? null : { at, base, number };
}

function isMatch(
  rule: Rule,
  base: Step,
  journey: Journey,
  host: Parameters<typeof holdAgainst>[2]["host"],
): boolean {
  if (rule.matches.length === 0) return true;
  return holdAgainst(rule, null, { journey, host }, base).holds === "matched";
}
