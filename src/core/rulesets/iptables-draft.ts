/**
 * iptables tables while they are being read.
 *
 * `iptables-save`, `-S` output and commands all speak in edits: create a chain, append a rule, insert one, delete one. They
 * are carried out here in order, as `iptables-restore` does, and only at the end, when every chain is known, is it said
 * whether `-j X` jumps or names a target.
 */
import type { Family } from "../netfilter/family.ts";
import { hookOfBuiltInChain, XTABLES_HOOKS, xtablesPriority } from "../netfilter/hook.ts";
import type { RuleSpecification } from "./iptables-rule.ts";
import { targetStatements } from "./iptables-targets.ts";
import type { BaseChain, Chain, Counters, Match, Rule, Statement, Table } from "./ruleset.ts";

/** A rule before it is known which chains its table has. */
export interface RuleDraft {
  readonly specification: RuleSpecification;
  readonly counters: Counters | null;
  readonly line: number;
  /** Without `-A CHAIN`. */
  readonly words: string;
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
    const chains = [...this.chains.values()].map((chain) => this.#finishChain(chain, family, name));
    return { family, name, chains, opaque: [] };
  }

  #finishChain(draft: ChainDraft, family: Family, table: string): Chain {
    return {
      name: draft.name,
      handle: null,
      base: baseChainOf(table, draft.name, draft.policy),
      counters: draft.counters,
      rules: draft.rules
        .filter((rule) => !isOfOtherFamily(rule, family))
        .map((rule, index) => this.#finishRule(rule, index, draft, family)),
      positions: draft.positions,
      complete: draft.complete,
    };
  }

  #finishRule(draft: RuleDraft, index: number, chain: ChainDraft, family: Family): Rule {
    const { matches, target, comment } = draft.specification;
    return {
      number: chain.elidedAt === null || index < chain.elidedAt ? index + 1 : null,
      handle: null,
      text: draft.words === "" ? `-A ${chain.name}` : `-A ${chain.name} ${draft.words}`,
      short: draft.words,
      comment,
      counters: draft.counters,
      target: target?.name ?? null,
      matches: matches.filter((match) => !isOwnFamily(match, family)),
      statements: target === null ? [] : this.#statements(target),
      line: draft.line,
    };
  }

  #statements(target: NonNullable<RuleSpecification["target"]>): Statement[] {
    if (target.kind === "goto") return [{ kind: "goto", chain: target.name }];
    if (this.chains.has(target.name) && hookOfBuiltInChain(target.name) === null) {
      return [{ kind: "jump", chain: target.name }];
    }
    const statements = targetStatements(target.name, target.options);
    // iptables' targets are upper-case: another name is a chain that this text does not show.
    const isChainName = statements[0]?.kind === "opaque" && /[^A-Z0-9]/.test(target.name);
    return isChainName && target.options.length === 0 ? [{ kind: "jump", chain: target.name }] : statements;
  }
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

/** `-4` and `-6` serve files for both families: `ip6tables-restore` leaves a `-4` rule out. */
function isOfOtherFamily(rule: RuleDraft, family: Family): boolean {
  if (family !== "ip" && family !== "ip6") return false;
  return rule.specification.matches.some((match) => match.kind === "family" && match.value !== family);
}

/** `-4` in an IPv4 table says nothing. */
function isOwnFamily(match: Match, family: Family): boolean {
  return match.kind === "family" && /^(-4|-6|--ipv[46])$/.test(match.text) && match.value === family;
}

/**
 * Whether anything in these rules can only be of one family; null when they tell neither.
 * An IPv6 address is the plainest sign: no IPv4 rule has one.
 */
export function familyOfRules(tables: Iterable<TableDraft>): "ip" | "ip6" | null {
  let isIpv4 = false;
  for (const table of tables) {
    for (const chain of table.chains.values()) {
      for (const rule of chain.rules) {
        for (const match of rule.specification.matches) {
          if (match.kind === "source" || match.kind === "destination") {
            if (match.value.includes(":")) return "ip6";
            if (/^\d+\.\d+\.\d+\.\d+/.test(match.value)) isIpv4 = true;
          } else if (match.kind === "protocol") {
            if (/^(ipv6-icmp|icmpv6|58)$/.test(match.value)) return "ip6";
            if (match.value === "icmp") isIpv4 = true;
          } else if (match.kind === "icmp-type" && match.text.includes("--icmpv6-type")) {
            return "ip6";
          }
        }
        const options = rule.specification.target?.options ?? [];
        if (options.some((word) => /^icmp6-/.test(word.value))) return "ip6";
      }
    }
  }
  return isIpv4 ? "ip" : null;
}
