/**
 * iptables tables while they are being read.
 *
 * `iptables-save`, `-S` output and commands all speak in edits: create a chain, append a rule, insert one, delete one. They
 * are carried out here in order, as `iptables-restore` does, and only at the end, when every chain is known, is it said
 * whether `-j X` jumps or names a target.
 */
import type { Family } from "../netfilter/family.ts";
import { hookOfBuiltInChain, XTABLES_HOOKS, xtablesPriority } from "../netfilter/hook.ts";
import { IptablesRule, type RuleContext } from "./iptables-rule-model.ts";
import type { RuleSource } from "./iptables-rule-source.ts";
import type { BaseChain, Chain, Counters, Table } from "./ruleset.ts";

/** A rule before it is known which chains its table has. */
export interface RuleDraft {
  readonly source: RuleSource;
  readonly counters: Counters | null;
  readonly line: number;
}

export interface ChainDraft {
  readonly name: string;
  /** `ACCEPT`, `DROP`; `-` for a chain of the user's or an unspoken policy; null where nothing was said. */
  policy: string | null;
  counters: Counters | null;
  rules: RuleDraft[];
  positions: Chain["positions"];
  complete: boolean;
  /** How many rules stood in front of the first elision; null without one. */
  elidedAt: number | null;
}

export class TableDraft {
  readonly name: string;
  readonly chains = new Map<string, ChainDraft>();

  constructor(name: string) {
    this.name = name;
  }

  /** The chain, made with `positions` when nothing was heard of it yet. */
  chain(name: string, positions: Chain["positions"]): ChainDraft {
    let chain = this.chains.get(name);
    if (chain === undefined) {
      chain = {
        name,
        policy: null,
        counters: null,
        rules: [],
        positions,
        complete: positions === "known",
        elidedAt: null,
      };
      this.chains.set(name, chain);
    }
    return chain;
  }

  /** Somebody left lines out here: the current chain lost rules, and so may every chain that has none yet. */
  elide(current: string | null): void {
    for (const chain of this.chains.values()) {
      if (chain.name !== current && chain.rules.length > 0) continue;
      chain.elidedAt ??= chain.rules.length;
      chain.positions = "elided";
      chain.complete = false;
    }
  }

  /** `name` where the text did not say it and it was found out since. */
  finish(family: Family, name: string = this.name): Table {
    const chainNames = new Set(this.chains.keys());
    const chains = [...this.chains.values()].map((chain) =>
      finishChain(chain, name, { chain: chain.name, family, chainNames }),
    );
    return { family, name, chains, opaque: [] };
  }
}

function finishChain(draft: ChainDraft, table: string, context: RuleContext): Chain {
  const { elidedAt } = draft;
  return {
    name: draft.name,
    handle: null,
    base: baseChainOf(table, draft.name, draft.policy),
    counters: draft.counters,
    rules: ofFamily(draft.rules, context.family).map((rule, index) => {
      const number = elidedAt === null || index < elidedAt ? index + 1 : null;
      return new IptablesRule(number, rule, context);
    }),
    positions: draft.positions,
    complete: draft.complete,
  };
}

/** Where a chain of this name hangs; null for a chain of the user's. */
export function baseChainOf(table: string, chain: string, policy: string | null): BaseChain | null {
  const hook = hookOfBuiltInChain(chain);
  if (hook === null || XTABLES_HOOKS[table]?.includes(hook) !== true) return null;
  return {
    type: table === "nat" ? "nat" : table === "mangle" && hook === "output" ? "route" : "filter",
    hook,
    priority: xtablesPriority(table, hook) ?? 0,
    policy: policy === "ACCEPT" ? "accept" : policy === "DROP" ? "drop" : null,
    devices: [],
  };
}

function ofFamily(rules: readonly RuleDraft[], family: Family): readonly RuleDraft[] {
  const isOther = ({ source }: RuleDraft): boolean =>
    source.onlyIn !== null && source.onlyIn !== family && (family === "ip" || family === "ip6");
  // `-4` and `-6` serve files for both families: `ip6tables-restore` leaves a `-4` rule out.
  return rules.some(isOther) ? rules.filter((rule) => !isOther(rule)) : rules;
}

/**
 * Whether anything in these rules can only be of one family; null when they tell neither.
 * An IPv6 address is the plainest sign: no IPv4 rule has one.
 */
export function familyOfRules(tables: Iterable<TableDraft>): "ip" | "ip6" | null {
  let isIpv4 = false;
  for (const table of tables) {
    for (const chain of table.chains.values()) {
      for (const { source } of chain.rules) {
        if (source.family === "ip6") return "ip6";
        if (source.family === "ip") isIpv4 = true;
      }
    }
  }
  return isIpv4 ? "ip" : null;
}
