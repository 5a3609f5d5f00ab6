/**
 * Its connection was handed to a flowtable (`flow add`): from then on its packets go from ingress to egress, past every other chain (or are
 * forwarded by the network card), and a trace does not see them. Only connections that conntrack calls established are taken, those
 * that end or need a helper come back.
 */
import type { Step } from "../../journeys/journey.ts";
import type { Diagnose } from "../cause.ts";
import { ruleName, ruleText } from "../rule-words.ts";

export const offloaded: Diagnose = (journey) => {
  const at = journey.steps.findIndex(handsOver);
  const status = journey.conntrack?.status.find((one) => one === "offload" || one === "hw-offload") ?? null;
  if (at === -1 && status === null) return [];
  const step = journey.steps[at];
  const how =
    step === undefined
      ? `conntrack has its connection as offloaded (${status})`
      : `${ruleName(step)} hands its connection to a flowtable`;
  return [
    {
      cause: "offloaded",
      severity: "info",
      what: `${how}: later packets of it pass beneath the chains, so they are not seen here and no rule counts them`,
      why:
        step === undefined
          ? "conntrack's status of it says so"
          : (ruleText(step) ?? "the rule says flow add"),
      try: "nft list flowtables; conntrack -L | grep -i offload  # tcpdump at the interfaces sees them, unless the card forwards (flags offload)",
      evidence: [at === -1 ? 0 : at],
      wouldBeWrongIf:
        "the connection was not established yet, or could not be offloaded (a helper, an IPsec policy, another route back)",
    },
  ];
};

function handsOver({ kind, event, resolved }: Step): boolean {
  if (kind !== "rule") return false;
  const text = resolved.rule?.text ?? event.ruleText ?? "";
  return /\bflow (add|offload) @?\w|-j FLOWOFFLOAD\b/.test(text);
}
