/** What the checks ask of the rules in force: whose they are, how many, and which can take a packet away. */
import type { Chain, Rule, Ruleset, Table } from "../../core/rulesets/ruleset.ts";
import type { NetnsSituation } from "./check.ts";

/** Whether legacy tables exist here; false also where that may not be seen. */
export function legacyInUse({ netns }: NetnsSituation): boolean {
  return (netns.legacyTables.ip?.length ?? 0) > 0 || (netns.legacyTables.ip6?.length ?? 0) > 0;
}

/** Why nft's rules are not known; null when they are. */
export function whyNoNft({ host, rules }: NetnsSituation): string | null {
  if (host.programs.nft === null) return "nft, which would list the rules, is not installed";
  return rules.refusals.find(({ message }) => message.startsWith("nft "))?.message ?? null;
}

/** Why the rules of legacy iptables are not known; null when they are. */
export function whyNoLegacy({ netns, rules }: NetnsSituation): string | null {
  if (netns.legacyTables.ip === null || netns.legacyTables.ip6 === null)
    return "which legacy tables exist is shown to root only";
  return rules.refusals.find(({ message }) => /^ip6?tables-legacy/.test(message))?.message ?? null;
}

export interface Rules {
  /** `iptables-legacy`, `ip6tables-legacy` or `nft`: who lists and changes it. */
  readonly program: "iptables-legacy" | "ip6tables-legacy" | "nft";
  readonly table: Table;
  readonly count: number;
}

/** Tables in which something can happen to a packet: a rule, or a policy that drops. */
export function tablesInForce({ rulesets }: NetnsSituation["rules"]): readonly Rules[] {
  const found: Rules[] = [];
  for (const ruleset of rulesets) {
    const program = programOf(ruleset);
    if (program === null) continue;
    for (const table of ruleset.tables) {
      const count = table.chains.reduce((sum, chain) => sum + chain.rules.length, 0);
      const drops = table.chains.some((chain) => chain.base?.policy === "drop");
      if (count > 0 || drops) found.push({ program, table, count });
    }
  }
  return found;
}

/** nft's own listing holds what iptables-nft wrote too: that is left out, or it would count twice. */
function programOf(ruleset: Ruleset): Rules["program"] | null {
  if (ruleset.format === "nft-json") return "nft";
  const [, program] = /^(ip6?tables-legacy)-save/.exec(ruleset.input) ?? [];
  return program === "iptables-legacy" || program === "ip6tables-legacy" ? program : null;
}

/** `filter (3 rules)`, `ip6 nat (1 rule)`. */
export function rulesWords({ program, table, count }: Rules): string {
  const name = program === "nft" ? `${table.family} ${table.name}` : table.name;
  return `${name} (${count} rule${count === 1 ? "" : "s"})`;
}

export interface Taker {
  readonly chain: Chain;
  /** Null: the policy of the chain. */
  readonly rule: Rule | null;
}

/**
 * The first rule that can end a packet's way, in a base chain or where it leads to; null when none can, or when a rule in
 * front of it marks the packet for tracing, so that its end is told.
 */
export function firstTaker(table: Table, base: Chain): Taker | null {
  const { taker, isMarked } = takerIn(table, base, new Set());
  if (taker !== null) return taker;
  return base.base?.policy === "drop" && !isMarked ? { chain: base, rule: null } : null;
}

interface Walk {
  readonly taker: Taker | null;
  readonly isMarked: boolean;
}

function takerIn(table: Table, chain: Chain, seen: Set<string>): Walk {
  seen.add(chain.name);
  for (const rule of chain.rules) {
    for (const statement of rule.statements) {
      if (statement.kind === "trace") return { taker: null, isMarked: true };
      if (statement.kind === "drop" || statement.kind === "reject" || statement.kind === "queue")
        return { taker: { chain, rule }, isMarked: false };
      if (statement.kind === "opaque" && MAY_TAKE.test(statement.text))
        return { taker: { chain, rule }, isMarked: false };
      if (statement.kind !== "jump" && statement.kind !== "goto") continue;
      const next = table.chains.find(({ name }) => name === statement.chain);
      if (next === undefined || seen.has(next.name)) continue;
      const walk = takerIn(table, next, seen);
      if (walk.taker !== null || walk.isMarked) return walk;
    }
  }
  return { taker: null, isMarked: false };
}

/** Words that end a packet's way inside of verdict maps, and statements that hand it elsewhere. */
const MAY_TAKE = /\b(?:drop|reject|queue|fwd|synproxy|vmap @)/;

/** Flowtables a table declares. The reader keeps them as the JSON they came in. */
export function flowtables(table: Table): readonly string[] {
  return table.opaque.flatMap((text) => {
    const entry: unknown = text.startsWith('{"flowtable"') ? JSON.parse(text) : null;
    return isFlowtable(entry) ? [entry.flowtable.name] : [];
  });
}

function isFlowtable(value: unknown): value is { readonly flowtable: { readonly name: string } } {
  if (typeof value !== "object" || value === null || !("flowtable" in value)) return false;
  const { flowtable } = value;
  return typeof flowtable === "object" && flowtable !== null && "name" in flowtable;
}
