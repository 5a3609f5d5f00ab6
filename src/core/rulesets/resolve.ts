/**
 * What a trace step really was, given the rules.
 *
 * ip_tables' tracer prints no verdict, and calls every bare `-j ACCEPT`, `-j DROP`, `-j QUEUE` or `-j RETURN` `policy` or
 * `return` (see `unconditional.ts`); only the ruleset tells such a rule from the chain's end. nf_tables' tracer prints
 * verdicts, but handles in place of rules, and `drop` for a reject. A listing that does not fit the step is not the one
 * that was in force: then no rule is claimed.
 */
import type { StepEvent, StepKind } from "../events/event.ts";
import { hookOfBuiltInChain, XTABLES_HOOKS, xtablesPriority } from "../netfilter/hook.ts";
import type { Verdict } from "../netfilter/verdict.ts";
import type { FoundRule, RuleBook } from "./rule-book.ts";
import type { BaseChain, Chain, Rule, Statement, Table } from "./ruleset.ts";
import { StepMemo } from "./step-memo.ts";
import { isTailEntry } from "./unconditional.ts";

export interface ResolvedStep {
  /** What it was; may differ from what the source called it. */
  readonly kind: StepKind;
  /** Null: no listing has it for certain. */
  readonly rule: Rule | null;
  readonly verdict: Verdict | null;
  /** As the rule names it: `DNAT`, a chain; null without a rule. */
  readonly target: string | null;
  /** The chain of a jump or goto. */
  readonly toChain: string | null;
  /**
   * Where the verdict comes from.
   * - `said`: the source printed it.
   * - `from-rule`: derived from the rule's target or the chain's policy in the listing.
   * - `unknown`: nobody told; `verdict` is null.
   */
  readonly certainty: "said" | "from-rule" | "unknown";
  /** Why less is known than could be, or what the listing hides; for a person. */
  readonly note: string | null;
  readonly chain: Chain | null;
  /** The table that the listing shows the chain in; null without a listing. */
  readonly table: Table | null;
  /** Hook, priority and policy of the chain; null for one that is jumped to. Known for iptables without a listing too. */
  readonly base: Pick<BaseChain, "hook" | "priority" | "policy"> | null;
}

/** Resolves a step against the rules; says less, never something wrong, where they do not fit. */
export function resolveStep(step: StepEvent, book: RuleBook): ResolvedStep {
  if (step.tracer === "nft") return resolveNft(step, book);
  if (step.verdict !== null || step.toChain !== null) return resolveXtables(step, book);
  let memo = MEMOS.get(book);
  if (memo === undefined) {
    memo = new StepMemo((asked) => resolveXtables(asked, book));
    MEMOS.set(book, memo);
  }
  return memo.of(step);
}

/** ip_tables' tracer says nothing but which rule it was, so the answer is the same for every packet. */
const MEMOS = new WeakMap<RuleBook, StepMemo<ResolvedStep>>();

function resolveXtables(step: StepEvent, book: RuleBook): ResolvedStep {
  const found = book.findChain(step);
  const chain = found?.chain ?? null;
  const base = chain?.base ?? builtInBase(step);
  const unknown: ResolvedStep = {
    kind: step.step,
    rule: null,
    verdict: step.verdict,
    target: null,
    toChain: step.toChain,
    certainty: step.verdict === null ? "unknown" : "said",
    note: null,
    chain,
    table: found?.table ?? null,
    base,
  };
  if (chain === null || step.number === null) return unknown;
  const note =
    found !== null && found.conflicts.length > 0 ? "listings of this chain differ; the last is used" : null;
  const rule = chain.rules.find((candidate) => candidate.number === step.number) ?? null;
  if (step.step === "rule") return resolveRuleNumber({ ...unknown, note }, step.number, rule, chain);
  return resolveTail({ ...unknown, note }, step.number, rule, chain);
}

/** `rule:N`: rule N matched, and it is none that the kernel would have called `policy` or `return`. */
function resolveRuleNumber(
  unknown: ResolvedStep,
  number: number,
  rule: Rule | null,
  chain: Chain,
): ResolvedStep {
  if (rule === null) return { ...unknown, note: missingRule(chain, number) };
  if (isTailEntry(rule) === "yes") {
    const bare = `rule ${number} has no condition in this listing`;
    return { ...unknown, note: `${WRONG_LISTING}, or written with \`-i +\`: ${bare}` };
  }
  return ofRule(unknown, rule, chain.positions === "assumed" ? countedFromCommands() : unknown.note);
}

/** `policy:N` and `return:N`: a bare rule at N, or the chain's end behind N − 1 rules. */
function resolveTail(unknown: ResolvedStep, number: number, rule: Rule | null, chain: Chain): ResolvedStep {
  if (rule !== null) {
    if (isTailEntry(rule) !== "no") {
      const note = chain.positions === "assumed" ? countedFromCommands() : unknown.note;
      return ofRule({ ...unknown, kind: "rule" }, rule, note);
    }
    const had = `the chain had ${rules(number - 1)} or a rule without conditions at ${number}`;
    const reason = chain.positions === "assumed" ? "the commands are not all of the rules" : WRONG_LISTING;
    return { ...unknown, note: `${reason}: ${had}` };
  }
  const listed = chain.rules.length;
  const isOpen = chain.positions !== "known" || !chain.complete;
  if (number === listed + 1 && !(chain.positions === "elided")) {
    const note = chain.positions === "assumed" ? countedFromCommands() : unknown.note;
    return { ...ofEnd(unknown, chain), note };
  }
  if (!isOpen || number <= listed) {
    return { ...unknown, note: `${WRONG_LISTING}: it has ${rules(listed)}, the chain had ${number - 1}` };
  }
  if (chain.positions === "assumed") {
    return { ...unknown, note: `the chain had ${rules(number - 1)}, the commands seen make ${listed}` };
  }
  const hidden = number - 1 - listed;
  const note = hidden === 0 ? unknown.note : `the listing leaves out ${hidden} of ${rules(number - 1)}`;
  return { ...ofEnd(unknown, chain), note };
}

const WRONG_LISTING = "not the rules that were in force";

function ofEnd(unknown: ResolvedStep, chain: Chain): ResolvedStep {
  const verdict = unknown.kind === "return" ? "return" : (chain.base?.policy ?? null);
  return { ...unknown, verdict, certainty: verdict === null ? "unknown" : "from-rule" };
}

function ofRule(unknown: ResolvedStep, rule: Rule, note: string | null): ResolvedStep {
  const verdict = verdictOf(rule);
  return {
    ...unknown,
    rule,
    verdict,
    target: rule.target,
    toChain: chainOf(rule),
    certainty: verdict === null ? "unknown" : "from-rule",
    note: verdict === null ? `what ${rule.target ?? "this rule"} does to the packet is not known` : note,
  };
}

function missingRule(chain: Chain, number: number): string {
  const listed = chain.rules.length;
  if (chain.positions === "assumed")
    return `the commands seen make ${rules(listed)} in this chain, not ${number}`;
  if (chain.positions === "elided" || !chain.complete)
    return `rule ${number} is not shown: the listing leaves rules out`;
  return `${WRONG_LISTING}: this listing has ${rules(listed)} in the chain`;
}

function countedFromCommands(): string {
  return "counted from commands, as if the chain had been empty before";
}

function rules(count: number): string {
  return count === 1 ? "1 rule" : `${count} rules`;
}

function resolveNft(step: StepEvent, book: RuleBook): ResolvedStep {
  const listed = book.findChain(step);
  const chain = listed?.chain ?? null;
  const base = book.baseChain(step) ?? (chain === null ? builtInBase(step) : null);
  const resolved: ResolvedStep = {
    kind: step.step,
    rule: null,
    verdict: step.verdict,
    target: null,
    toChain: step.toChain,
    certainty: step.verdict === null ? "unknown" : "said",
    note: null,
    chain,
    table: listed?.table ?? null,
    base,
  };
  if (step.step !== "rule") {
    if (step.verdict !== null || step.step !== "policy" || base?.policy == null) return resolved;
    return { ...resolved, verdict: base.policy, certainty: "from-rule" };
  }
  const found = findNftRule(step, book);
  const rejects =
    found?.rule.statements.some((statement) => statement.kind === "reject") ?? saysReject(step.ruleText);
  const verdict = step.verdict === "drop" && rejects ? "reject" : step.verdict;
  if (found === null) return { ...resolved, verdict, note: missingNftRule(step, chain) };
  const derived = verdict ?? verdictOf(found.rule);
  return {
    ...resolved,
    rule: found.rule,
    verdict: derived,
    target: found.rule.target,
    toChain: step.toChain ?? chainOf(found.rule),
    certainty: step.verdict !== null ? "said" : derived === null ? "unknown" : "from-rule",
  };
}

function findNftRule(step: StepEvent, book: RuleBook): FoundRule | null {
  const byHandle = step.handle === null ? null : book.ruleByHandle(step, step.handle);
  if (byHandle !== null) return byHandle;
  return step.ruleText === null ? null : book.ruleByText(step, step.ruleText);
}

function missingNftRule(step: StepEvent, chain: Chain | null): string | null {
  if (chain === null || step.handle === null) return null;
  if (chain.rules.some((rule) => rule.handle !== null))
    return `no rule with handle ${step.handle} in this chain's listing`;
  return "the listing has no handles (nft -a), so the rule cannot be told";
}

function saysReject(text: string | null): boolean {
  return text !== null && /(^|\s)reject(\s|$)|-j REJECT(\s|$)/.test(text);
}

/** What becomes of a packet at a rule that matched it; null when a part of the rule that nobody knows decides. */
export function verdictOf(rule: Rule): Verdict | null {
  let isKnown = true;
  for (const statement of rule.statements) {
    const verdict = verdictOfStatement(statement);
    if (verdict === null) isKnown = false;
    else if (verdict !== "continue") return isKnown ? verdict : null;
  }
  return isKnown ? "continue" : null;
}

function verdictOfStatement(statement: Statement): Verdict | null {
  switch (statement.kind) {
    case "accept":
    case "drop":
    case "return":
    case "continue":
    case "jump":
    case "goto":
    case "reject":
    case "queue":
      return statement.kind;
    case "dnat":
    case "snat":
    case "masquerade":
    case "redirect":
    case "netmap":
      return "accept";
    case "mark":
    case "log":
    case "trace":
    case "notrack":
    case "pass":
      return "continue";
    case "opaque":
      return null;
  }
}

function chainOf(rule: Rule): string | null {
  const jump = rule.statements.find((statement) => statement.kind === "jump" || statement.kind === "goto");
  return jump?.kind === "jump" || jump?.kind === "goto" ? jump.chain : null;
}

/** Where iptables' built-in chains hang needs no listing. */
function builtInBase(step: StepEvent): ResolvedStep["base"] {
  const hook = hookOfBuiltInChain(step.chain);
  if (hook === null || XTABLES_HOOKS[step.table]?.includes(hook) !== true) return null;
  return { hook, priority: xtablesPriority(step.table, hook) ?? 0, policy: null };
}
