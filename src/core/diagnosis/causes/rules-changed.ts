/**
 * The nftables rules were changed after they were listed, and the packet met a table of those changed, or should have met
 * one. A handle is never used twice within a table, so the text of a rule stays right; its place in the chain, the
 * rules around it, the policy, the elements of sets and whether a chain is there at all may be as they were before.
 */
import type { RulesChangedEvent } from "../../events/event.ts";
import { changeOf } from "../../journeys/rule-changes.ts";
import type { Diagnose } from "../cause.ts";
import { word } from "../commands.ts";

export const rulesChanged: Diagnose = (journey, { outcome }) => {
  if (journey.rulesChanged === null) return [];
  const changes = new Map<string, RulesChangedEvent>();
  const evidence: number[] = [];
  for (const [at, { event }] of journey.steps.entries()) {
    const change = event.tracer === "nft" ? changeOf(journey.rulesChanged, event.family, event.table) : null;
    if (change === null) continue;
    changes.set(`${event.family} ${event.table}`, change);
    evidence.push(at);
  }
  for (const chain of outcome.silent) {
    const change = chain.tracer === "nft" ? changeOf(journey.rulesChanged, chain.family, chain.table) : null;
    if (change !== null) changes.set(`${chain.family} ${chain.table}`, change);
  }
  const [first] = changes.entries();
  if (first === undefined) return [];
  const [table, change] = first;
  const others = changes.size === 1 ? "" : ` (and ${changes.size - 1} more of its tables)`;
  const times =
    journey.rulesChanged.count === 1 ? "" : ` and again, ${journey.rulesChanged.count} times in all,`;
  return [
    {
      cause: "rules-changed",
      severity: "warning",
      what: `table ${table}${others} was changed by ${doer(change)}${times} after the rules were listed and before this packet's last step`,
      why: "rules are shown as they were listed: their places, the rules around them, policies, sets and whole chains may have been others for this packet",
      try: `nft -a list table ${table.split(" ").map(word).join(" ")}  # as it is now; trace again while nobody changes it`,
      evidence,
      wouldBeWrongIf: "the change was in a part of the table that this packet does not meet",
    },
  ];
};

function doer({ process, pid }: RulesChangedEvent): string {
  if (process === null) return pid === null ? "somebody" : `process ${pid}`;
  return pid === null ? process : `${process} (process ${pid})`;
}
