/** Parts of a rule that its writer's intent can be read from. */
import type { MatchKind, Rule } from "../ruleset.ts";
import type { RulePlace } from "./origin.ts";

/** The value of a condition that is not negated; null where the rule has none. */
export function valueFor(rule: Rule | null, kind: MatchKind): string | null {
  return rule?.matches.find((match) => match.kind === kind && !match.negated)?.value ?? null;
}

export function negatedValueFor(rule: Rule | null, kind: MatchKind): string | null {
  return rule?.matches.find((match) => match.kind === kind && match.negated)?.value ?? null;
}

/** An address without the length of a whole one. */
export function address(value: string | null): string | null {
  return value?.replace(/\/(32|128)$/, "") ?? null;
}

/** `10370/udp`; null where the rule names no port. */
export function portOf(rule: Rule | null): string | null {
  const port = valueFor(rule, "destination-port");
  if (port === null) return null;
  const named = valueFor(rule, "protocol");
  const condition = rule?.matches.find((match) => match.kind === "destination-port")?.text ?? "";
  const protocol = named ?? /\b(tcp|udp|sctp)\b/.exec(condition)?.[1] ?? null;
  return protocol === null ? port : `${port}/${protocol}`;
}

/** Where a DNAT rule sends packets to. */
export function dnatTo(rule: Rule | null): string | null {
  const statement = rule?.statements.find((one) => one.kind === "dnat");
  return statement?.kind === "dnat" ? statement.to : null;
}

/** The chain that a rule jumps to. */
export function jumpOf(rule: Rule | null): string | null {
  const statement = rule?.statements.find((one) => one.kind === "jump" || one.kind === "goto");
  return statement?.kind === "jump" || statement?.kind === "goto" ? statement.chain : null;
}

export function does(rule: Rule | null, kind: "drop" | "accept" | "masquerade" | "reject"): boolean {
  return rule?.statements.some((statement) => statement.kind === kind) ?? false;
}

export function isBuiltIn({ family, chain }: Pick<RulePlace, "family" | "chain">): boolean {
  return (
    (family === "ip" || family === "ip6") && /^(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/.test(chain)
  );
}
