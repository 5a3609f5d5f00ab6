/**
 * Legacy iptables and nftables both have rules at one hook, and both decided about the packet, in the order of their priorities. What one
 * accepts the other may still drop: an accept ends its own chain, never the hook. Each tool lists its own rules alone.
 */
import type { Journey, Step } from "../../journeys/journey.ts";
import type { Diagnose } from "../cause.ts";
import type { Finding } from "../finding.ts";
import { chainName } from "../rule-words.ts";

export const bothBackends: Diagnose = (journey) => {
  const [first] = journey.steps;
  if (journey.steps.every(({ event }) => event.tracer === first?.event.tracer)) return [];
  const hops = new Set(journey.steps.map(({ hop }) => hop));
  return [...hops].flatMap((hop) => atHop(journey, hop)).slice(0, 1);
};

function atHop(journey: Journey, hop: number): readonly Finding[] {
  const deciding = journey.steps.flatMap((step, at) =>
    step.hop === hop && !step.isOwn && hasRules(step) ? [{ step, at }] : [],
  );
  const legacy = deciding.findLast(({ step }) => step.event.tracer === "xtables");
  const nft = deciding.findLast(({ step }) => step.event.tracer === "nft");
  if (legacy === undefined || nft === undefined) return [];
  const [first, last] = legacy.at < nft.at ? [legacy, nft] : [nft, legacy];
  const isOverruled =
    first.step.verdict === "accept" && (last.step.verdict === "drop" || last.step.verdict === "reject");
  const hook = first.step.hook?.toUpperCase() ?? "one hook";
  const [before, behind] = [chainName(first.step), chainName(last.step)];
  return [
    {
      cause: "both-backends",
      severity: isOverruled ? "warning" : "info",
      what: isOverruled
        ? `${before} accepted it, and ${behind} behind it did not: both legacy iptables and nftables have rules at ${hook}`
        : `both legacy iptables and nftables decided about it at ${hook}: first ${before}, then ${behind}`,
      why: "the kernel asks both, in the order of their priorities; accept ends a chain and not the hook",
      try: "nfpath hooks; iptables-legacy-save; nft -a list ruleset  # keep the rules of one of them",
      evidence: [first.at, last.at],
      wouldBeWrongIf: "one of them was removed after the packet had passed",
    },
  ];
}

/** A table that was only looked at exists, is empty, and decides nothing. */
function hasRules({ kind, verdict, resolved }: Step): boolean {
  return (
    kind === "rule" || verdict === "drop" || (resolved.chain !== null && resolved.chain.rules.length > 0)
  );
}
