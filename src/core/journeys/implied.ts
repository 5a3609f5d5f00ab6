/**
 * What a step must have decided, told by where the packet was seen next.
 *
 * Legacy TRACE prints no verdicts. Without a ruleset the way itself is the witness: a packet that is seen in another table
 * was accepted in the last one, one that is seen in a chain below was sent there.
 */
import type { Verdict } from "../netfilter/verdict.ts";

export interface Seen {
  readonly table: string;
  readonly chain: string;
  readonly hop: number;
  readonly depth: number;
  /** A base chain's policy or a chain's end was reported, not a rule. */
  readonly isEnd: boolean;
}

export interface Implied {
  readonly verdict: Verdict;
  readonly toChain: string | null;
}

/** Null: the next step does not tell. */
export function impliedVerdict(step: Seen, next: Seen): Implied | null {
  if (next.hop !== step.hop || next.table !== step.table) return { verdict: "accept", toChain: null };
  if (step.isEnd) return null;
  if (next.depth > step.depth) return { verdict: "jump", toChain: next.chain };
  if (next.chain === step.chain) return { verdict: "continue", toChain: null };
  return next.depth < step.depth ? { verdict: "return", toChain: null } : null;
}
