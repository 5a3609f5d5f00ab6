/**
 * Marking packets with rules of legacy iptables, for hosts without nf_tables: `-j TRACE` in the raw table.
 *
 * Appended, never inserted, so no other rule's number changes; each carries the run's tag in a comment and is deleted by its
 * exact words, so that no list is ever saved and restored. What stands before them in raw is obeyed before a packet is
 * marked: a packet that a rule there drops or accepts is not seen. There is no watch point in this way of marking.
 *
 * `-m limit` passes a packet on in silence, so each marking rule has one before it that only counts: the difference is what
 * the limit has kept from the trace.
 */
import { ruleTag } from "./own-tag.ts";
import type { Change } from "./plan.ts";

export const RULE_PROGRAMS = ["iptables-legacy", "ip6tables-legacy", "iptables", "ip6tables"] as const;
/** Programs that write legacy rules; the short names where they are not a mask of nft. */
export type RuleProgram = (typeof RULE_PROGRAMS)[number];

export const RAW_CHAINS = ["PREROUTING", "OUTPUT"] as const;
export type RawChain = (typeof RAW_CHAINS)[number];

/** A rule of raw, all but the command letter. */
export interface RawRule {
  readonly program: RuleProgram;
  readonly chain: RawChain;
  /** The exact words behind the chain's name. */
  readonly words: readonly string[];
}

/** Which packets of a family to mark, in iptables' words: rows of which one must match. */
export interface RawSelectors {
  readonly program: RuleProgram;
  readonly prerouting: readonly (readonly string[])[];
  readonly output: readonly (readonly string[])[];
}

/** The largest rate that `-m limit` takes (`libxt_limit.c`, `parse_rate`). */
const MOST_PER_RULE = 10_000;

export interface RawRuleOptions {
  readonly runId: string;
  readonly rawRules: readonly RawSelectors[];
  readonly deadline: number;
  readonly ratePerSecond: number;
}

/** The rules of one namespace, in the order of appending. */
export function ruleChanges(netns: string | null, options: RawRuleOptions): readonly Change[] {
  return options.rawRules.flatMap(({ program, prerouting, output }) => [
    ...prerouting.flatMap((match) => pairFor(netns, program, "PREROUTING", match, options)),
    ...output.flatMap((match) => pairFor(netns, program, "OUTPUT", match, options)),
  ]);
}

function pairFor(
  netns: string | null,
  program: RuleProgram,
  chain: RawChain,
  match: readonly string[],
  { runId, deadline, ratePerSecond }: RawRuleOptions,
): readonly Change[] {
  const rate = Math.min(ratePerSecond, MOST_PER_RULE);
  const tagged = [...match, "-m", "comment", "--comment", ruleTag(runId)];
  const until = ["-m", "time", "--datestop", dateOf(deadline)];
  const limit = ["-m", "limit", "--limit", `${rate}/second`, "--limit-burst", `${rate}`];
  const counts = { program, chain, words: [...tagged, ...until] };
  const marks = { program, chain, words: [...tagged, ...until, ...limit, "-j", "TRACE"] };
  return [
    ruleChange(netns, counts, "that counts the chosen packets"),
    ruleChange(netns, marks, "that marks them for tracing"),
  ];
}

function ruleChange(netns: string | null, rule: RawRule, what: string): Change {
  return {
    says: `append a rule to raw ${rule.chain} (${rule.program}) ${what}`,
    netns,
    apply: { kind: "append-rule", ...rule },
    revert: { kind: "delete-rule", ...rule },
  };
}

/** `2026-01-31T12:00:00`: xt_time takes it for UTC. */
function dateOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}

/** What a program is given: the lock is waited for, because another one's rules are changed in the same way. */
export function ruleArguments(letter: "-A" | "-D", { chain, words }: RawRule): readonly string[] {
  return ["-w", "-t", "raw", letter, chain, ...words];
}
