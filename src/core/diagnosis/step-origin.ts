/** Who wrote the rule of a step, or the policy it ended at. */
import type { Step } from "../journeys/journey.ts";
import type { RuleOrigin } from "../rulesets/origin/origin.ts";
import { originOf } from "../rulesets/origin/origin-of.ts";
import type { Chain, Rule, Table } from "../rulesets/ruleset.ts";
import { showChain } from "./commands.ts";

/** Null where nobody can tell. */
export function originOfStep(step: Step): RuleOrigin | null {
  const { rule, chain, table } = step.resolved;
  if (step.isOwn || (rule === null && step.kind !== "policy")) return null;
  const { family, table: name, chain: chainName } = step.event;
  const subject = rule ?? chain;
  const known = subject === null ? undefined : ORIGINS.get(subject);
  if (known !== undefined) return known;
  const chains = table === null ? NO_CHAINS : namesOf(table);
  const origin = originOf({ family, table: name, chain: chainName, rule, listing: chain, chains });
  if (subject !== null) ORIGINS.set(subject, origin);
  return origin;
}

/** A rule, or the chain of a policy, stands in one place of one listing, so the answer is the same for every packet. */
const ORIGINS = new WeakMap<Rule | Chain, RuleOrigin | null>();

function namesOf(table: Table): readonly string[] {
  let names = NAMES.get(table);
  if (names === undefined) {
    names = table.chains.map((chain) => chain.name);
    NAMES.set(table, names);
  }
  return names;
}

const NAMES = new WeakMap<Table, readonly string[]>();
const NO_CHAINS: readonly string[] = [];

/** A rule's or policy's name with its writer: `nat:DOCKER rule 31 (Docker: published port 53/udp of …)`. */
export function withOrigin(name: string, origin: RuleOrigin | null): string {
  return origin === null ? name : `${name} (${origin.manager}: ${origin.what})`;
}

/** Where the rule is changed, and the command that shows it. */
export function tryAt(step: Step, origin: RuleOrigin | null, remark: string): string {
  const show = showChain(step);
  return origin === null ? `${show}  # ${remark}` : `${origin.change}; ${show}`;
}
