/** A rule dropped the packet. Its own step says so; nothing behind it saw the packet. */

import type { Diagnose } from "../cause.ts";
import { ruleName, whyRule } from "../rule-words.ts";
import { originOfStep, tryAt, withOrigin } from "../step-origin.ts";

export const ruleDrop: Diagnose = (journey, { outcome }) => {
  if (outcome.cause !== "rule-drop") return [];
  const at = journey.steps.findLastIndex((step) => step.verdict === "drop");
  const step = journey.steps[at];
  if (step === undefined) return [];
  const origin = originOfStep(step);
  return [
    {
      cause: "rule-drop",
      severity: "error",
      what: `${withOrigin(ruleName(step), origin)} dropped it; nobody was told`,
      why: whyRule(journey.steps, at),
      try: tryAt(step, origin, "its counter rises with each such packet"),
      evidence: [at],
      wouldBeWrongIf: step.resolved.note ?? "the rules were changed between the trace and the listing",
      origin,
    },
  ];
};
