/**
 * Why a rule did not match a packet: which of its conditions failed, or why it was never asked.
 *
 * The kernel traces what matches and is silent about the rest, so this is worked out from the rule's words and the
 * packet as it was in that chain. Where a condition asks for what no trace shows, that is said, and nothing concluded.
 */
import { serviceNamed } from "../filters/services.ts";
import { addressTypeOn } from "../hosts/address-type.ts";
import type { Journey, Step } from "../journeys/journey.ts";
import { type Hook, hookOfBuiltInChain } from "../netfilter/hook.ts";
import type { Holds, MatchAnswer } from "../rulesets/match/answer.ts";
import { evaluateRule } from "../rulesets/match/evaluate-match.ts";
import type { TargetRule } from "../rulesets/rule-target.ts";
import type { Rule, Table } from "../rulesets/ruleset.ts";
import type { Explained } from "./diagnose.ts";
import { ipsetsOf } from "./host-ipsets.ts";
import { wayOf } from "./parts.ts";
import { ruleName } from "./rule-words.ts";

export interface WhyNot {
  readonly target: TargetRule;
  /**
   * What happened to the rule.
   * - `matched`: it did match.
   * - `tested`: it was asked and did not match, or must have been.
   * - `not-reached`: another rule decided before it.
   * - `not-entered`: no rule led the packet to its chain.
   * - `elsewhere`: the packet's way does not pass its chain's hook, or ended before.
   * - `not-known`: the trace does not tell whether it was asked.
   */
  readonly fate: "matched" | "tested" | "not-reached" | "not-entered" | "elsewhere" | "not-known";
  /** The fate in words about this packet. */
  readonly words: string;
  /** Whether the rule's conditions hold, taken together; null where it makes no sense to ask. */
  readonly holds: Holds | null;
  readonly answers: readonly MatchAnswer[];
  /** For a chain that was not entered: the same for each rule that leads there. */
  readonly leading: readonly WhyNot[];
}

/** Of a packet's whole way; null where the rule is of another family or namespace than all of it. */
export function whyNot(explained: Explained, targets: readonly TargetRule[]): WhyNot | null {
  const fates = wayOf(explained).flatMap((part) => whyNotInPart(part, targets) ?? []);
  // A listing may not say whose rules it has: the part that came to them tells.
  return (
    fates.find(({ fate }) => fate === "matched") ??
    fates.find(({ fate }) => fate !== "elsewhere") ??
    fates[0] ??
    null
  );
}

function whyNotInPart(explained: Explained, targets: readonly TargetRule[]): WhyNot | null {
  const { journey } = explained;
  const mine = targets.filter((one) => isOfPacket(one, journey));
  const isInForce = (one: TargetRule) => journey.steps.some((step) => step.resolved.chain === one.chain);
  const target = mine.find(isInForce) ?? mine[0];
  return target === undefined ? null : fateOf(explained, target, MOST_JUMPS);
}

/** Chains that lead to chains that lead to chains: iptables itself allows loops nowhere, a listing may be damaged. */
const MOST_JUMPS = 4;

function fateOf(explained: Explained, target: TargetRule, jumps: number): WhyNot {
  const { journey } = explained;
  const matched = journey.steps.find((step) => step.kind === "rule" && isRule(step, target));
  if (matched !== undefined)
    return found(
      target,
      "matched",
      `it did match, at ${place(matched)}`,
      conditions(target, explained, matched),
    );
  const visit = visitOf(journey, target);
  if (visit !== null) return inVisit(explained, target, visit);
  return target.chain.base === null && hookOfBuiltInChain(target.chain.name) === null
    ? notEntered(explained, target, jumps)
    : elsewhere(explained, target);
}

function isOfPacket({ ruleset, table }: TargetRule, journey: Journey): boolean {
  if (ruleset.netns !== null && ruleset.netns !== journey.netns) return false;
  return table.family === journey.family || (table.family === "inet" && /^ip6?$/.test(journey.family));
}

function isRule(step: Step, target: TargetRule): boolean {
  if (!isInTable(step, target) || step.event.chain !== target.chain.name) return false;
  const { rule } = step.resolved;
  if (rule === target.rule) return true;
  if (target.rule.handle !== null && step.event.handle !== null)
    return target.rule.handle === step.event.handle;
  const number = rule?.number ?? step.event.number;
  return number !== null && number === target.rule.number;
}

function isInTable(step: Step, { table }: TargetRule): boolean {
  return !step.isOwn && step.event.table === table.name && step.event.family === table.family;
}

/** The steps of the first hop that passed the target's chain. */
function visitOf(journey: Journey, target: TargetRule): readonly Step[] | null {
  const name = target.chain.name;
  const entry = journey.steps.find(
    (step) => isInTable(step, target) && (step.event.chain === name || step.toChain === name),
  );
  if (entry === undefined) return null;
  return journey.steps.filter((step) => step.hop === entry.hop && isInTable(step, target));
}

function inVisit(explained: Explained, target: TargetRule, visit: readonly Step[]): WhyNot {
  const own = visit.filter((step) => step.event.chain === target.chain.name);
  const witness = own[0] ?? visit.find((step) => step.toChain === target.chain.name) ?? visit[0];
  const evaluated = conditions(target, explained, witness);
  const number = target.rule.number;
  const isPast = own.some(
    (step) => step.kind !== "rule" || (numberOf(step) ?? 0) > (number ?? Number.POSITIVE_INFINITY),
  );
  if (number === null && !own.some((step) => step.kind !== "rule"))
    return found(
      target,
      "not-known",
      "its place in the chain is not known, so neither is whether it was asked",
      evaluated,
    );
  if (isPast) return tested(target, place(witness), evaluated);
  const last = visit.at(-1);
  if (last !== undefined && isDeciding(last)) {
    const what = last.kind === "rule" ? ruleName(last) : `the end of ${last.event.chain}`;
    return found(
      target,
      "not-reached",
      `it was never asked: ${what} decided before it (${last.verdict})`,
      evaluated,
    );
  }
  return found(
    target,
    "not-known",
    "the trace ends before it can be told whether the rule was asked",
    evaluated,
  );
}

function tested(target: TargetRule, where: string, evaluated: Evaluated): WhyNot {
  if (evaluated.holds === "matched")
    return found(
      target,
      "tested",
      `it was asked at ${where} and did not match, though every condition that is understood here holds: the listing is not the one that was in force, or the packet was changed on the way there`,
      evaluated,
    );
  return found(target, "tested", `it was asked at ${where} and did not match`, evaluated);
}

function isDeciding(step: Step): boolean {
  return step.verdict !== null && /^(accept|drop|reject|queue|stolen)$/.test(step.verdict);
}

function numberOf(step: Step): number | null {
  return step.resolved.rule?.number ?? step.event.number;
}

function place(step: Step | undefined): string {
  return step?.hook?.toUpperCase() ?? "a hook that is not known";
}

/** A chain that must be jumped to: the rules that do, and why they did not. */
function notEntered(explained: Explained, target: TargetRule, jumps: number): WhyNot {
  const { journey } = explained;
  const { name } = target.chain;
  const leads = target.table.chains.flatMap((chain) =>
    chain.rules
      .filter(({ statements }) =>
        statements.some((one) => (one.kind === "jump" || one.kind === "goto") && one.chain === name),
      )
      .map((rule): TargetRule => ({ ...target, chain, rule })),
  );
  if (leads.length === 0)
    return found(target, "not-entered", `no rule of the listing leads to its chain ${name}`, NOTHING);
  const leading = jumps === 0 ? [] : leads.map((lead) => fateOf(explained, lead, jumps - 1));
  const near = leads.map((lead) => visitOf(journey, lead)?.[0]).find((step) => step !== undefined);
  const many = leads.length === 1 ? "the one rule that leads" : `none of the ${leads.length} rules that lead`;
  const did = leads.length === 1 ? "there did not match" : "there matched";
  return {
    ...found(
      target,
      "not-entered",
      `its chain ${name} was never entered: ${many} ${did}`,
      conditions(target, explained, near),
    ),
    leading,
  };
}

function elsewhere(explained: Explained, target: TargetRule): WhyNot {
  const { journey, outcome } = explained;
  const hook = target.chain.base?.hook ?? hookOfBuiltInChain(target.chain.name);
  const hooks = journey.steps.flatMap((step) => (step.hook === null ? [] : [step.hook]));
  const evaluated = conditions(target, explained, undefined);
  if (hook !== null && hooks.includes(hook)) {
    const isNat = target.table.name === "nat" || target.chain.base?.type === "nat";
    const words = isNat
      ? "nat chains are asked for the first packet of a connection only, and this is a later one"
      : `no step of its chain was seen, though the packet came to ${hook.toUpperCase()}`;
    return found(target, isNat ? "elsewhere" : "not-known", words, evaluated);
  }
  const last = journey.steps.findLast((step) => !step.isOwn);
  const ended = last === undefined ? "" : `, and ends at ${place(last)}`;
  const way = passes(hooks, hook) ? "its way ended before that" : "its way does not lead there";
  const words = `it never came to ${hook?.toUpperCase() ?? "the chain's hook"}: ${way} (${outcome.verdict}${ended})`;
  return found(target, "elsewhere", words, evaluated);
}

/** Whether a packet that was at these hooks could still have come to another. */
function passes(hooks: readonly Hook[], hook: Hook | null): boolean {
  if (hook === "input") return !hooks.includes("forward") && !hooks.includes("output");
  if (hook === "forward") return !hooks.includes("input") && !hooks.includes("output");
  if (hook === "output") return false;
  return hook === "postrouting" && !hooks.includes("input");
}

export interface Evaluated {
  readonly holds: Holds | null;
  readonly answers: readonly MatchAnswer[];
}

const NOTHING: Evaluated = { holds: null, answers: [] };

function conditions(target: TargetRule, explained: Explained, at: Step | undefined): Evaluated {
  const hook = at?.hook ?? target.chain.base?.hook ?? hookOfBuiltInChain(target.chain.name);
  return holdAgainst(target.rule, target.table, explained, at, hook);
}

/** A rule's conditions against a packet as it was at a step; without one, as it first was. */
export function holdAgainst(
  rule: Rule,
  table: Table | null,
  { journey, host }: Pick<Explained, "journey" | "host">,
  at: Step | undefined,
  hook: Hook | null = at?.hook ?? null,
): Evaluated {
  const sighting = at?.sighting ?? nearest(journey, at) ?? journey.first;
  if (sighting === null || rule.matches.length === 0) return NOTHING;
  const unsaid = at?.event.tracer === "nft" ? null : 0;
  return evaluateRule(rule.matches, {
    sighting,
    hook,
    mark: sighting.mark ?? at?.event.mark ?? unsaid,
    conntrack: journey.conntrack,
    states: statesOf(journey),
    table,
    ipsets: host === null ? null : ipsetsOf(host),
    addressType: (address) => (host === null ? null : addressTypeOn(host, address)),
    portNumber: (name) => serviceNamed(name)?.port ?? null,
  });
}

/** A step without a sighting of its own is a moment after one that has it. */
function nearest(journey: Journey, at: Step | undefined) {
  const index = at === undefined ? -1 : journey.steps.indexOf(at);
  const before = index === -1 ? [] : journey.steps.slice(0, index);
  return before.findLast((step) => step.sighting !== null)?.sighting ?? null;
}

/** What conntrack said, or what follows from the nat chains: they are asked for new and related packets alone. */
function statesOf({ conntrack, steps }: Journey): readonly string[] {
  if (conntrack?.state != null) return [conntrack.state];
  return steps.some((step) => step.isNat && !step.isOwn) ? ["new", "related"] : [];
}

function found(
  target: TargetRule,
  fate: WhyNot["fate"],
  words: string,
  { holds, answers }: Evaluated,
): WhyNot {
  return { target, fate, words, holds, answers, leading: [] };
}
