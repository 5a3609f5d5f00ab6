/**
 * Looks rules up: all rulesets that describe the hosts at hand, asked by what a trace step names.
 *
 * Legacy iptables' rules and nft's are two worlds that may both be in force, even with equal names (`filter`, `FORWARD`).
 * What `ip_tables` says is looked up only among iptables' own listings, what `nf_tables` says among nft's. iptables-nft
 * lives in both: the kernel knows its rules by handle, its user by `iptables-save`, and there the place in the chain tells
 * which line it is.
 */
import type { StepEvent } from "../events/event.ts";
import type { Family } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";
import { IptablesRule } from "./iptables-rule-model.ts";
import { iptablesTextKey, nftTextKey } from "./rule-text.ts";
import type { BaseChain, Chain, Rule, Ruleset, Table } from "./ruleset.ts";

/** What names a chain in a trace. */
export interface ChainQuery {
  readonly tracer: StepEvent["tracer"];
  readonly family: Family;
  readonly netns: string | null;
  readonly table: string;
  readonly chain: string;
}

export interface FoundChain {
  readonly ruleset: Ruleset;
  readonly table: Table;
  readonly chain: Chain;
  /** Other listings of the same chain whose rules differ: the rules changed, or one listing is of another host. */
  readonly conflicts: readonly Chain[];
}

export interface FoundRule {
  /** For people: of an iptables-nft rule it is the iptables line, where one is known, with nft's handle. */
  readonly rule: Rule;
  readonly chain: Chain;
  readonly foundBy: "number" | "handle" | "text";
}

/** A base chain that some listing has. */
export interface ListedBaseChain {
  readonly netns: string | null;
  readonly tracer: StepEvent["tracer"];
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  readonly hook: Hook;
  readonly priority: number;
  readonly isNat: boolean;
}

export interface ListedChain {
  readonly ruleset: Ruleset;
  readonly table: Table;
  readonly chain: Chain;
}

type Entry = ListedChain;

const NONE: readonly Entry[] = [];

export class RuleBook {
  /** By world and name; in the order in which the rulesets were given. */
  readonly #entries = new Map<string, Entry[]>();
  readonly #namespaces = new Set<string | null>();
  readonly #handles = new WeakMap<Chain, Map<bigint, number>>();
  readonly #nftTexts = new WeakMap<Chain, Map<string, Rule[]>>();
  readonly #iptablesTexts = new WeakMap<Chain, Map<string, Rule[]>>();

  constructor(rulesets: readonly Ruleset[]) {
    for (const ruleset of rulesets) {
      this.#namespaces.add(ruleset.netns);
      for (const table of ruleset.tables) {
        for (const chain of table.chains) this.#add({ ruleset, table, chain });
      }
    }
  }

  /** The chain that a step speaks of, from the best and latest listing; null when no listing has it. */
  findChain(query: ChainQuery): FoundChain | null {
    const entries = this.#listings(query);
    const best = bestOf(entries);
    if (best === null) return null;
    const conflicts = entries
      .filter((entry) => entry !== best && differ(entry, best))
      .map((entry) => entry.chain);
    return { ...best, conflicts };
  }

  hasChain(query: ChainQuery): boolean {
    return this.#listings(query).length > 0;
  }

  /** Hook, priority and policy of a base chain; null for another chain or one that no listing has. */
  baseChain(query: ChainQuery): BaseChain | null {
    for (const entry of this.#listings(query).toReversed()) {
      if (entry.chain.base !== null) return entry.chain.base;
    }
    return null;
  }

  /** All base chains of all listings, each once. iptables' commands do not count: a typed rule is no listing. */
  baseChains(): readonly ListedBaseChain[] {
    const found = new Map<string, ListedBaseChain>();
    for (const [key, entries] of this.#entries) {
      const world = worldOf(key);
      const tracer = world === "twin" ? "nft" : world;
      for (const { ruleset, table, chain } of entries) {
        if (chain.base === null || ruleset.format === "iptables-commands") continue;
        if (world === "twin" && ruleset.backend !== "nft") continue;
        const { hook, priority, type } = chain.base;
        const { family, name } = table;
        found.set(`${tracer} ${family} ${name} ${chain.name} ${ruleset.netns}`, {
          netns: ruleset.netns,
          tracer,
          family,
          table: name,
          chain: chain.name,
          hook,
          priority,
          isNat: type === "nat",
        });
      }
    }
    return [...found.values()];
  }

  /** Every chain of every listing, once. */
  listedChains(): readonly ListedChain[] {
    const found = new Map<Chain, ListedChain>();
    for (const entries of this.#entries.values()) for (const entry of entries) found.set(entry.chain, entry);
    return [...found.values()];
  }

  /** The rule at a 1-based position of a chain; null when the listing has none that certainly stands there. */
  ruleByNumber(query: ChainQuery, number: number): FoundRule | null {
    const found = this.findChain(query);
    const rule = found?.chain.rules.find((candidate) => candidate.number === number);
    return found === null || rule === undefined ? null : { rule, chain: found.chain, foundBy: "number" };
  }

  /** The rule with nft's handle; the latest listing that has it. */
  ruleByHandle(query: ChainQuery, handle: bigint): FoundRule | null {
    for (const { chain } of this.#candidates("nft", query).toReversed()) {
      const index = this.#handlesOf(chain).get(handle);
      const rule = index === undefined ? undefined : chain.rules[index];
      if (rule === undefined) continue;
      return { rule: this.#asIptables(query, chain, rule), chain, foundBy: "handle" };
    }
    return null;
  }

  /**
   * The one rule of a chain that reads like this text; null when there is none, or several. Counters, comments and
   * handles do not count. `-A …` text is looked up in iptables' listings.
   */
  ruleByText(query: ChainQuery, text: string): FoundRule | null {
    const isIptables = /(^|\s)-A\s/.test(text);
    const key = isIptables ? iptablesTextKey(text) : nftTextKey(text);
    const world = isIptables ? (query.tracer === "nft" ? "twin" : "xtables") : "nft";
    for (const { chain } of this.#candidates(world, query).toReversed()) {
      const same = this.#textsOf(chain, isIptables).get(key);
      if (same === undefined) continue;
      if (same.length > 1) return null;
      const rule = same[0] as Rule;
      return { rule: isIptables ? rule : this.#asIptables(query, chain, rule), chain, foundBy: "text" };
    }
    return null;
  }

  /** Where nft itself was not listed, iptables-nft's own listing shows the same chains. */
  #listings(query: ChainQuery): readonly Entry[] {
    const entries = this.#candidates(query.tracer, query);
    return entries.length === 0 && query.tracer === "nft" ? this.#candidates("twin", query) : entries;
  }

  #add(entry: Entry): void {
    for (const world of worldsOf(entry.ruleset)) {
      const key = `${world} ${entry.table.family} ${entry.table.name} ${entry.chain.name}`;
      const entries = this.#entries.get(key);
      if (entries === undefined) this.#entries.set(key, [entry]);
      else entries.push(entry);
    }
  }

  /**
   * Listings of a chain in the step's namespace. A file seldom says which namespace it is of: what names none serves the
   * steps of one that no other listing names.
   */
  #candidates(world: World, query: ChainQuery): readonly Entry[] {
    if (this.#entries.size === 0) return NONE;
    const entries = this.#entries.get(`${world} ${query.family} ${query.table} ${query.chain}`);
    if (entries === undefined) return NONE;
    const netns = this.#namespaces.has(query.netns) ? query.netns : this.#onlyNamespace(query.netns);
    if (netns === undefined) return NONE;
    return entries.every((entry) => entry.ruleset.netns === netns)
      ? entries
      : entries.filter((entry) => entry.ruleset.netns === netns);
  }

  #onlyNamespace(asked: string | null): string | null | undefined {
    if (asked !== null) return null;
    return this.#namespaces.size === 1 ? [...this.#namespaces][0] : undefined;
  }

  /** A trace without handles asks a chain again and again, and a chain may have thousands of rules. */
  #textsOf(chain: Chain, isIptables: boolean): Map<string, Rule[]> {
    const known = isIptables ? this.#iptablesTexts : this.#nftTexts;
    let texts = known.get(chain);
    if (texts === undefined) {
      texts = new Map();
      for (const rule of chain.rules) {
        const key = isIptables ? iptablesTextKey(rule.text) : nftTextKey(rule.text);
        const same = texts.get(key);
        if (same === undefined) texts.set(key, [rule]);
        else same.push(rule);
      }
      known.set(chain, texts);
    }
    return texts;
  }

  #handlesOf(chain: Chain): Map<bigint, number> {
    let handles = this.#handles.get(chain);
    if (handles === undefined) {
      handles = new Map();
      for (const [index, rule] of chain.rules.entries())
        if (rule.handle !== null) handles.set(rule.handle, index);
      this.#handles.set(chain, handles);
    }
    return handles;
  }

  /** The iptables line of an iptables-nft rule, found by its place; the rule itself where that is not certain. */
  #asIptables(query: ChainQuery, chain: Chain, rule: Rule): Rule {
    const { number } = rule;
    if (number === null || chain.positions !== "known" || !isIptablesTable(query)) return rule;
    for (const { chain: twin, ruleset } of this.#candidates("twin", query).toReversed()) {
      if (twin.positions !== "known" || twin.rules.length !== chain.rules.length) continue;
      const line = twin.rules[number - 1];
      if (line === undefined || !couldBeSame(line, rule)) continue;
      // A listing that does not tell its backend may be of the other one: then every line must fit.
      const isCertain = ruleset.backend === "nft";
      if (isCertain || twin.rules.every((one, index) => couldBeSame(one, chain.rules[index] as Rule))) {
        return line instanceof IptablesRule ? line.withHandle(rule.handle) : { ...line, handle: rule.handle };
      }
    }
    return rule;
  }
}

/** `twin`: iptables' view of tables that iptables-nft keeps in nft. */
type World = "xtables" | "nft" | "twin";

function worldsOf(ruleset: Ruleset): readonly World[] {
  if (ruleset.format === "nft-json" || ruleset.format === "nft-text") return ["nft"];
  if (ruleset.backend === "xtables") return ["xtables"];
  return ruleset.backend === "nft" ? ["twin"] : ["xtables", "twin"];
}

function worldOf(key: string): World {
  return key.slice(0, key.indexOf(" ")) as World;
}

/** iptables-nft uses iptables' names for tables, and no others. */
function isIptablesTable(query: ChainQuery): boolean {
  return /^(ip|ip6)$/.test(query.family) && /^(raw|mangle|nat|filter|security)$/.test(query.table);
}

/** How much a listing can be trusted to be the whole chain. */
function rank({ chain, ruleset }: Entry): number {
  if (ruleset.format === "iptables-commands" || chain.positions === "assumed") return 0;
  if (chain.positions === "elided" || !chain.complete) return 1;
  return 2;
}

/** The best listing; among equals the last, but one that shows all of each rule before one that does not. */
function bestOf(entries: readonly Entry[]): Entry | null {
  let best: Entry | null = null;
  for (const entry of entries) {
    if (best === null || rank(entry) > rank(best)) best = entry;
    else if (rank(entry) === rank(best)) {
      const isShorter = entry.ruleset.format === "iptables-list" && best.ruleset.format !== "iptables-list";
      if (!isShorter || entry.chain.rules.length !== best.chain.rules.length) best = entry;
    }
  }
  return best;
}

/** Whether two listings of a chain cannot both be right. */
function differ(a: Entry, b: Entry): boolean {
  if (rank(a) !== 2 || rank(b) !== 2) return false;
  if (a.chain.rules.length !== b.chain.rules.length) return true;
  if (a.ruleset.format !== b.ruleset.format) return false;
  if (a.chain.base?.policy !== b.chain.base?.policy) return true;
  return a.chain.rules.some((rule, index) => rule.short !== b.chain.rules[index]?.short);
}

/** Whether an iptables line and an nft rule do the same, as far as both are understood. */
function couldBeSame(line: Rule, rule: Rule): boolean {
  const [ours, theirs] = [decision(line), decision(rule)];
  return ours === null || theirs === null || ours === theirs;
}

function decision(rule: Rule): string | null {
  const last = rule.statements.findLast((statement) => statement.kind !== "pass");
  if (last === undefined || last.kind === "opaque") return null;
  if (last.kind === "jump" || last.kind === "goto") return `${last.kind} ${last.chain}`;
  return /^(accept|drop|return|reject|queue)$/.test(last.kind) ? last.kind : null;
}
