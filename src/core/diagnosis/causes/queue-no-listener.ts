/**
 * Handed to user space, and nobody listens on that queue: the kernel drops it (`__nf_queue`), unless the rule says `bypass`.
 */

import type { HostSnapshot } from "../../hosts/host.ts";
import type { Step } from "../../journeys/journey.ts";
import { statementsOf } from "../../rulesets/rule-statements.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { ruleName, ruleText } from "../rule-words.ts";

export const queueNoListener: FindDeath = (journey, circumstances) => {
  const { outcome, host, hostAtEnd } = circumstances;
  if (outcome.verdict !== "queued") return null;
  const at = journey.steps.findLastIndex((step) => step.verdict === "queue");
  const step = journey.steps[at];
  if (step === undefined) return null;
  const drop = toldDrop(circumstances, ["NOT_SPECIFIED"], ["nf_queue", "__nf_queue"]);
  const numbers = queuesOf(step);
  const isUnbound = [host, hostAtEnd].every((snapshot) => isDeaf(snapshot, numbers));
  if (drop === null && !isUnbound) return null;
  const queue = numbers === null ? "that queue" : `queue ${numbers.join(", ")}`;
  return {
    verdict: "dropped",
    known: drop === null ? "computed" : "told",
    what: `${ruleName(step)} handed it to user space, and no program listens on ${queue}; it was dropped and nobody was told`,
    why: [
      ...(drop === null ? [] : [wordsOfDrop(drop)]),
      ...(isUnbound ? [`/proc/net/netfilter/nfnetlink_queue has no ${queue}`] : []),
      ruleText(step) ?? "the trace tells the verdict, not the rule's text",
    ].join("; "),
    try: "cat /proc/net/netfilter/nfnetlink_queue  # a line for each queue that is listened to; does the program run? with --queue-bypass (nft: flags bypass) packets pass while it does not",
    evidence: [at],
    wouldBeWrongIf: "a program listened while the packet came, and took it without giving it back",
  };
};

/** Nobody listens on any of these queues; false where nobody can tell. */
function isDeaf(snapshot: HostSnapshot | null, numbers: readonly number[] | null): boolean {
  const bound = snapshot?.packetQueues ?? null;
  return bound !== null && numbers !== null && !numbers.some((number) => bound.includes(number));
}

/** Null where they are computed: `queue to numgen inc mod 4`. */
function queuesOf({ resolved, event }: Step): readonly number[] | null {
  const statement = statementsOf(resolved, event)?.find(({ kind }) => kind === "queue");
  if (statement?.kind !== "queue") return null;
  const [, from, to] = /^(?:to )?(\d+)(?:[-:](\d+))?$/.exec(statement.queue ?? "0") ?? [];
  if (from === undefined) return null;
  const last = Number(to ?? from);
  return Array.from({ length: Math.min(64, last - Number(from) + 1) }, (_, index) => Number(from) + index);
}
