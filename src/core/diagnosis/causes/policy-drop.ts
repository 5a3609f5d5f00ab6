/** The packet came to the end of a base chain whose policy is drop: no rule wanted it. */

import type { Diagnose } from "../cause.ts";
import { chainName } from "../rule-words.ts";
import { originOfStep, tryAt } from "../step-origin.ts";

export const policyDrop: Diagnose = (journey, { outcome }) => {
  if (outcome.cause !== "policy-drop") return [];
  const at = journey.steps.findLastIndex((step) => step.verdict === "drop");
  const step = journey.steps[at];
  if (step === undefined) return [];
  const origin = originOfStep(step);
  const tried = step.resolved.chain?.complete
    ? step.resolved.chain.rules.length
    : (step.event.number ?? 1) - 1;
  const rules = tried === 1 ? "its one rule" : `its ${tried} rules`;
  const known = step.event.tracer === "xtables" || step.resolved.chain !== null;
  return [
    {
      cause: "policy-drop",
      severity: "error",
      what: `${chainName(step)} dropped it by its policy${origin === null ? "" : ` (${origin.manager}: ${origin.what})`}; nobody was told`,
      why: `none of ${known && tried > 0 ? rules : "its rules"} accepted the packet, so the chain's policy, drop, decided`,
      try: tryAt(step, origin, "which rule should have accepted it?"),
      evidence: [at],
      wouldBeWrongIf: step.resolved.note ?? "the rules were changed between the trace and the listing",
      origin,
    },
  ];
};
