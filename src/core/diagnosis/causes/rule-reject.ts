/** A rule refused the packet and answered its sender. The kernel traces it as a drop; the rule tells the answer. */

import { statementsOf } from "../../rulesets/rule-statements.ts";
import type { Diagnose } from "../cause.ts";
import { ruleName, whyRule } from "../rule-words.ts";
import { originOfStep, tryAt, withOrigin } from "../step-origin.ts";

export const ruleReject: Diagnose = (journey, { outcome }) => {
  if (outcome.cause !== "rule-reject") return [];
  const at = journey.steps.findLastIndex((step) => step.verdict === "reject");
  const step = journey.steps[at];
  if (step === undefined) return [];
  const origin = originOfStep(step);
  const statement = statementsOf(step.resolved, step.event)?.find((candidate) => candidate.kind === "reject");
  const answer =
    statement?.kind === "reject" && statement.with !== null ? statement.with : usualAnswer(journey.family);
  return [
    {
      cause: "rule-reject",
      severity: "error",
      what: `${withOrigin(ruleName(step), origin)} refused it and answered ${journey.first?.packet.src ?? "the sender"} with ${answer}`,
      why: whyRule(journey.steps, at),
      try: tryAt(step, origin, "its counter rises with each such packet"),
      evidence: [at],
      wouldBeWrongIf: step.resolved.note ?? "the rules were changed between the trace and the listing",
      origin,
    },
  ];
};

/** `extensions/libipt_REJECT.c` and nft's `reject` without words. */
function usualAnswer(family: string): string {
  return family === "ip6" ? "icmp6-port-unreachable" : "icmp-port-unreachable";
}
