/**
 * A NAT rule matched, and no mapping could be made. Where every port that the rule may use is taken the kernel picks one all the same, and
 * drops the packet at the very end, behind every chain, when its connection is to be entered under addresses and ports that another
 * connection has (`__nf_conntrack_confirm`, which counts `insert_failed`).
 */

import type { Step } from "../../journeys/journey.ts";
import { statementsOf } from "../../rulesets/rule-statements.ts";
import type { Statement } from "../../rulesets/ruleset.ts";
import type { Circumstances } from "../cause.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { endpoint } from "../flows.ts";
import { isFromText } from "../log-holes.ts";
import { ruleName, ruleText } from "../rule-words.ts";

const TRANSLATIONS: readonly Statement["kind"][] = ["dnat", "redirect", "snat", "masquerade", "netmap"];

export const natFailed: FindDeath = (journey, circumstances) => {
  const { outcome, rival } = circumstances;
  const at = journey.steps.findLastIndex(translates);
  const step = journey.steps[at];
  if (step === undefined) return null;
  const isBehind =
    outcome.verdict === "forwarded" || outcome.verdict === "sent" || outcome.verdict === "delivered";
  const isGoneAtOnce =
    outcome.verdict === "vanished" &&
    at === journey.steps.length - 1 &&
    outcome.silent.some(({ hook }) => hook === step.hook);
  if (!isBehind && !isGoneAtOnce) return null;
  const drop = toldDrop(
    circumstances,
    ["NETFILTER_DROP", "NOT_SPECIFIED"],
    ["nf_hook_slow", "nf_hook_slow_list"],
  );
  const grown = insertsFailed(circumstances);
  // Of a line that a logger left out, nothing is seen either.
  const isProof = isGoneAtOnce && !isFromText(journey);
  if (drop === null && !isProof && (rival === null || grown === 0)) return null;
  const { src, sport, dst, dport } = journey.last?.packet ?? {
    src: null,
    sport: null,
    dst: null,
    dport: null,
  };
  const taken =
    rival === null
      ? ""
      : `; ${endpoint(rival.translated.src, rival.translated.sport)} to ${endpoint(rival.translated.dst, rival.translated.dport)} belongs to the connection of ${endpoint(rival.original.src, rival.original.sport)} already${rival.shownBy === null ? "" : ` (journey ${rival.shownBy})`}`;
  return {
    verdict: "dropped",
    known: drop === null ? "computed" : "told",
    what: `${ruleName(step)} was to translate it, and no mapping was free${taken}; it was dropped behind the last chain, and nobody was told`,
    why: [
      ...(drop === null ? [] : [wordsOfDrop(drop)]),
      ...(grown > 0
        ? [
            `conntrack could not enter ${grown === 1 ? "a connection" : `${grown} connections`} while the trace ran (insert_failed)`,
          ]
        : []),
      ruleText(step) ?? "the addresses before and after it differ",
    ].join("; "),
    try: `conntrack -S | grep -o 'insert_failed=[0-9]*'; conntrack -L | grep -F 'dst=${rival?.translated.dst ?? dst ?? src ?? "ADDRESS"}'  # how many connections share ${ports(step)}${sport === null && dport === null ? "" : "?"}`,
    evidence: [at],
    wouldBeWrongIf: "the other connection was over and forgotten before this packet came",
  };
};

function translates(step: Step): boolean {
  if (!step.isNat || step.isOwn || step.kind !== "rule") return false;
  return (
    statementsOf(step.resolved, step.event)?.some(({ kind }) => TRANSLATIONS.includes(kind)) ??
    step.changes.some(({ by }) => by === "rule")
  );
}

function ports({ resolved, event }: Step): string {
  for (const statement of statementsOf(resolved, event) ?? [])
    if ("to" in statement && statement.to !== null) return `${statement.to}`;
  return "its address";
}

function insertsFailed({ host, hostAtEnd }: Circumstances): number {
  const before = host?.conntrack?.stats?.insert_failed;
  const after = hostAtEnd?.conntrack?.stats?.insert_failed;
  return host === hostAtEnd || before === undefined || after === undefined ? 0 : Math.max(0, after - before);
}
