/** Who wrote the rule of a step, or the policy it ended at. */
import type { Step } from "../journeys/journey.ts";
import type { RuleOrigin } from "../rulesets/origin/origin.ts";
import { originOf } from "../rulesets/origin/origin-of.ts";
import { showChain } from "./commands.ts";

/** Null where nobody can tell. */
export function originOfStep(step: Step): RuleOrigin | null {
  const { rule, chain, table } = step.resolved;
  if (step.isOwn || (rule === null && step.kind !== "policy")) return null;
  const { family, table: name, chain: chainName } = step.event;
  const chains = table?.chains.map((one) => one.name) ?? [];
  return originOf({ family, table: name, chain: chainName, rule, listing: chain, chains });
}

/** A rule's or policy's name with its writer: `nat:DOCKER rule 31 (Docker: published port 53/udp of …)`. */
export function withOrigin(name: string, origin: RuleOrigin | null): string {
  return origin === null ? name : `${name} (${origin.manager}: ${origin.what})`;
}

/** Where the rule is changed, and the command that shows it. */
export function tryAt(step: Step, origin: RuleOrigin | null, remark: string): string {
  const show = showChain(step);
  return origin === null ? `${show}  # ${remark}` : `${origin.change}; ${show}`;
}
