/**
 * What conntrack called a packet: `new`, `established`, `related`, `invalid` or `untracked`.
 *
 * Only traces of Linux 6.16 and later say it. In all others it follows from the rules: one that matched asked for a state that
 * the packet has, one that asks for nothing else and did not match names only states that it has not.
 */
import type { Journey, Step } from "../journeys/journey.ts";
import type { Chain, Match, Rule } from "../rulesets/ruleset.ts";

export type ConntrackState = "new" | "established" | "related" | "invalid" | "untracked";

const ALL: readonly ConntrackState[] = ["new", "established", "related", "invalid", "untracked"];

/** Before it nothing is tracked yet, and every packet is INVALID to a rule that asks. */
const CONNTRACK_PRIORITY = -200;

/** The states that the packet may have had; one where it is known, all where nothing tells. */
export function statesLeft(journey: Journey): ReadonlySet<ConntrackState> {
  const said = ALL.find((state) => state === journey.conntrack?.state);
  if (said !== undefined) return new Set([said]);
  const left = new Set(ALL);
  const keep = (states: readonly ConntrackState[], isWanted: boolean) => {
    for (const state of ALL) if (states.includes(state) !== isWanted) left.delete(state);
  };
  for (const step of journey.steps) {
    // nat chains are asked for the first packet of a connection alone.
    if (step.isNat && !step.isOwn) keep(["new", "related"], true);
    if (isBeforeConntrack(step)) continue;
    if (step.kind === "rule")
      for (const { states, negated } of stateMatches(step.resolved.rule)) keep(states, !negated);
    if (journey.gaps.length > 0) continue;
    for (const rule of passedOver(journey, step))
      for (const { states, negated } of stateMatches(rule)) keep(states, negated);
  }
  return left;
}

/** Conntrack calls it so, for certain. */
export function isCalled(journey: Journey, state: ConntrackState): boolean {
  const left = statesLeft(journey);
  return left.size === 1 && left.has(state);
}

/** Whether the rule that decided at this step, or one that led to its chain, asks for conntrack's state. */
export function asksForState(journey: Journey, at: number): boolean {
  return ledBy(journey, at).some(
    ({ resolved, event }) =>
      stateMatches(resolved.rule).length > 0 ||
      /\bct state\b|--(ct)?state\b/.test(resolved.rule?.text ?? event.ruleText ?? ""),
  );
}

/** Rules of this hop that ask for nothing but conntrack's state, and that it was no match for. */
export function rulesPassedOver(journey: Journey, hop: number): readonly { step: Step; rule: Rule }[] {
  return journey.steps
    .filter((step) => step.hop === hop)
    .flatMap((step) => passedOver(journey, step).map((rule) => ({ step, rule })))
    .filter(({ rule }, at, all) => all.findIndex((other) => other.rule === rule) === at);
}

/** The step, and the jumps that led to its chain. */
function ledBy(journey: Journey, at: number): readonly Step[] {
  const found: Step[] = [];
  let depth = Number.POSITIVE_INFINITY;
  for (let index = at; index >= 0; index--) {
    const step = journey.steps[index] as Step;
    if (step.hop !== journey.steps[at]?.hop) break;
    if (step.kind !== "rule" || step.depth >= depth) continue;
    found.push(step);
    depth = step.depth;
  }
  return found;
}

function isBeforeConntrack({ priority, event }: Step): boolean {
  return event.table === "raw" || (priority !== null && priority <= CONNTRACK_PRIORITY);
}

/** Rules in front of the step in its chain that were asked, ask for the state alone, and were no match. */
function passedOver(journey: Journey, step: Step): readonly Rule[] {
  const { chain, rule } = step.resolved;
  if (chain === null || isBeforeConntrack(step) || !chain.complete || chain.positions !== "known") return [];
  const end = step.kind !== "rule" ? Number.POSITIVE_INFINITY : (rule?.number ?? step.event.number ?? 0);
  return stateRulesOf(chain).filter(
    (candidate) =>
      (candidate.number ?? Number.POSITIVE_INFINITY) < end &&
      !journey.steps.some(
        (other) => other.hop === step.hop && other.resolved.chain === chain && isSameRule(other, candidate),
      ),
  );
}

/** Asked of every packet that comes through, and a chain may have thousands of rules. */
function stateRulesOf(chain: Chain): readonly Rule[] {
  const known = STATE_RULES.get(chain);
  if (known !== undefined) return known;
  const found = chain.rules.filter((rule) => /state/i.test(rule.short) && asksForStateAlone(rule));
  STATE_RULES.set(chain, found);
  return found;
}

const STATE_RULES = new WeakMap<Chain, readonly Rule[]>();

function isSameRule({ resolved, event }: Step, rule: Rule): boolean {
  if (resolved.rule === rule) return true;
  return rule.handle !== null && event.handle !== null
    ? rule.handle === event.handle
    : (resolved.rule?.number ?? event.number) === rule.number;
}

/** nft's limits are statements, and conditions all the same. */
function asksForStateAlone(rule: Rule): boolean {
  const matches = rule.matches.filter(({ kind }) => kind !== "comment");
  const isPlain = rule.statements.every(
    (statement) => statement.kind !== "pass" || /^(counter|comment)$/.test(statement.name),
  );
  return matches.length === 1 && isPlain && stateMatches(rule).length === 1;
}

function stateMatches(rule: Rule | null): readonly { states: readonly ConntrackState[]; negated: boolean }[] {
  return (rule?.matches ?? []).flatMap((match) => {
    const states = match.kind === "ct-state" ? statesOf(match) : null;
    return states === null ? [] : [{ states, negated: match.negated }];
  });
}

/** Null where it names something else too: SNAT and DNAT are states to iptables. */
function statesOf({ value }: Match): readonly ConntrackState[] | null {
  const words = value
    .toLowerCase()
    .split(/[{},\s]+/)
    .filter((word) => word !== "");
  const states = words.flatMap((word) => ALL.find((state) => state === word) ?? []);
  return words.length > 0 && states.length === words.length ? states : null;
}
