/**
 * Taken out of conntrack, by NOTRACK in raw or `notrack`: no NAT, no state but `untracked`. Rules that let NEW and ESTABLISHED through are
 * no match for it, and nat chains are not asked.
 */
import type { Step } from "../../journeys/journey.ts";
import { statementsOf } from "../../rulesets/rule-statements.ts";
import type { Diagnose } from "../cause.ts";
import { showChain } from "../commands.ts";
import { isCalled, rulesPassedOver } from "../conntrack-states.ts";
import { chainName, ruleName, ruleText } from "../rule-words.ts";

export const untracked: Diagnose = (journey, { chains, outcome }) => {
  const at = journey.steps.findIndex(takesOut);
  if (at === -1 && !isCalled(journey, "untracked")) return [];
  const step = journey.steps[at] ?? null;
  const last = journey.steps.at(-1);
  const isLost = outcome.verdict === "dropped" || outcome.verdict === "rejected";
  const [passed] = isLost && last !== undefined ? rulesPassedOver(journey, last.hop) : [];
  const hooks = new Set(journey.steps.flatMap(({ hook }) => (hook === null ? [] : [hook])));
  const hasNat = [...hooks].some((hook) => chains.hasNat(hook, journey.netns, journey.family));
  const effects = [
    ...(passed === undefined
      ? []
      : [
          `${chainName(passed.step)} rule ${passed.rule.number ?? "?"} (${passed.rule.short}) was no match for it`,
        ]),
    ...(hasNat ? ["the nat chains were not asked, so it is not translated"] : []),
  ];
  const effect = effects.length === 0 ? "it has no state and is not translated" : effects.join(", and ");
  return [
    {
      cause: "untracked",
      severity: isLost && passed !== undefined ? "warning" : "info",
      what: `${step === null ? "it was taken out of conntrack" : `${ruleName(step)} took it out of conntrack`}: ${effect}`,
      why:
        step === null ? "conntrack's state of it is untracked" : (ruleText(step) ?? "the rule says notrack"),
      try: step === null ? "nft -a list ruleset | grep -w notrack; iptables -t raw -S" : showChain(step),
      evidence: [at === -1 ? journey.steps.length - 1 : at],
      wouldBeWrongIf: "the listing is not the one that was in force",
    },
  ];
};

function takesOut({ kind, resolved, event }: Step): boolean {
  return kind === "rule" && (statementsOf(resolved, event)?.some((one) => one.kind === "notrack") ?? false);
}
