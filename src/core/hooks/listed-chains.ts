/**
 * The base chains that rulesets list, each with what a person asks first: how many rules, where they lead, how many packets.
 *
 * A chain of iptables-nft is listed twice, by `nft` and by `iptables-nft-save`; it is one chain here. An iptables listing that
 * does not say which backend it shows is legacy's, unless nft's own listing has the same chain.
 */
import type { Family } from "../netfilter/family.ts";
import { hookOfBuiltInChain } from "../netfilter/hook.ts";
import { isOwnTable } from "../plans/own-table.ts";
import { RuleBook } from "../rulesets/rule-book.ts";
import type { BaseChain, Chain, Rule, Ruleset, Table } from "../rulesets/ruleset.ts";

export interface ListedChain {
  /** Null: an iptables listing that does not tell. */
  readonly backend: "xtables" | "nft" | null;
  /** Whether iptables' own tool can show it: legacy tables, and those that iptables-nft made. */
  readonly isIptables: boolean;
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  readonly base: BaseChain;
  readonly rules: number;
  readonly reach: Reach;
  readonly packets: PacketCount | null;
  /** nfpath made it. */
  readonly isOwn: boolean;
  /** The table says of itself that it is switched off: its chains are listed, and on no hook. */
  readonly isDormant: boolean;
}

/** Chains that a packet can be sent on to from here, directly or through others, and the rules in them. */
export interface Reach {
  readonly chains: number;
  readonly rules: number;
}

export interface PacketCount {
  readonly count: bigint;
  /** Packets that no counter tells apart came too: `count` or more. */
  readonly isAtLeast: boolean;
}

/** In the order of the listings. `dormantTables`: as `family name`, beside those that a listing says are. */
export function listedChains(
  rulesets: readonly Ruleset[],
  dormantTables: ReadonlySet<string>,
): readonly ListedChain[] {
  const book = new RuleBook(rulesets);
  const inNft = new Set<string>();
  const all = book.baseChains().map((listed) => {
    const found = book.findChain(listed);
    if (found === null) throw new Error(`a listed chain is not found: ${listed.table} ${listed.chain}`);
    const key = `${listed.family} ${listed.table} ${listed.chain}`;
    if (listed.tracer === "nft") inNft.add(key);
    return { listed, found, key };
  });
  const chains: ListedChain[] = [];
  for (const { listed, found, key } of all) {
    const { chain, table, ruleset } = found;
    if (listed.tracer === "xtables" && ruleset.backend === null && inNft.has(key)) continue;
    if (listed.tracer === "nft" && !isNftListing(ruleset) && nftLists(rulesets, table)) continue;
    const twin = listed.tracer === "nft" ? twinOf(rulesets, table, chain) : null;
    chains.push({
      backend: listed.tracer === "nft" ? "nft" : ruleset.backend,
      isIptables: listed.tracer === "xtables" || twin !== null || looksLikeIptables(table, chain),
      family: listed.family,
      table: listed.table,
      chain: listed.chain,
      base: chain.base ?? (book.baseChain(listed) as BaseChain),
      rules: chain.rules.length,
      reach: reachOf(table, chain),
      packets: packetsThrough(twin?.table ?? table, twin?.chain ?? chain),
      isOwn: isOwnTable(listed.table),
      isDormant:
        listed.tracer === "nft" &&
        (dormantTables.has(`${listed.family} ${listed.table}`) ||
          table.opaque.some((text) => DORMANT.test(text))),
    });
  }
  return chains;
}

const DORMANT = /^flags\b.*\bdormant\b/;

function isNftListing({ format }: Ruleset): boolean {
  return format === "nft-json" || format === "nft-text";
}

/**
 * Whether nft lists this table too. Then what it does not show is not there: `iptables-nft-save` (1.8.9) prints all built-in chains
 * of a table, those that nobody has made yet included, as empty and accepting.
 */
function nftLists(rulesets: readonly Ruleset[], { family, name }: Table): boolean {
  return rulesets.some(
    (ruleset) =>
      isNftListing(ruleset) && ruleset.tables.some((table) => table.family === family && table.name === name),
  );
}

/** iptables-nft's own listing of a chain of nft's, which alone has the policy's counter. */
function twinOf(
  rulesets: readonly Ruleset[],
  table: Table,
  chain: Chain,
): { readonly table: Table; readonly chain: Chain } | null {
  for (const ruleset of rulesets) {
    if (ruleset.backend !== "nft" || !ruleset.format.startsWith("iptables")) continue;
    const same = ruleset.tables.find((one) => one.family === table.family && one.name === table.name);
    const twin = same?.chains.find((one) => one.name === chain.name && one.base !== null);
    if (same !== undefined && twin !== undefined) return { table: same, chain: twin };
  }
  return null;
}

/** iptables-nft names tables and chains as legacy does; nobody else writes PREROUTING in capitals there. */
function looksLikeIptables(table: Table, chain: Chain): boolean {
  return (
    /^(ip|ip6|arp|bridge)$/.test(table.family) &&
    /^(raw|mangle|nat|filter|security)$/.test(table.name) &&
    hookOfBuiltInChain(chain.name) !== null
  );
}

function reachOf(table: Table, from: Chain): Reach {
  const reached = reachable(table, from);
  let rules = 0;
  for (const chain of reached) rules += chain.rules.length;
  return { chains: reached.size, rules };
}

/** User chains that can be come to, `from` not among them. A verdict map's targets stand in rules' text only, and do not count. */
function reachable(table: Table, from: Chain): ReadonlySet<Chain> {
  const byName = new Map(table.chains.map((chain) => [chain.name, chain]));
  const reached = new Set<Chain>();
  const open = [from];
  for (let chain = open.pop(); chain !== undefined; chain = open.pop()) {
    for (const rule of chain.rules) {
      for (const name of targetsOf(rule)) {
        const next = byName.get(name);
        if (next === undefined || next === from || reached.has(next)) continue;
        reached.add(next);
        open.push(next);
      }
    }
  }
  return reached;
}

function targetsOf(rule: Rule): readonly string[] {
  const targets: string[] = [];
  for (const statement of rule.statements) {
    if (statement.kind === "jump" || statement.kind === "goto") targets.push(statement.chain);
  }
  return targets;
}

/**
 * Packets that came into a base chain, as far as counters tell. A first rule without conditions counts them all. Otherwise those
 * that reached the policy, which only iptables counts, and those that a rule of this chain or of one that serves it alone
 * decided: never too many, and exact when there is nothing else that could have ended a packet's way.
 */
function packetsThrough(table: Table, chain: Chain): PacketCount | null {
  const first = chain.rules[0];
  if (
    first?.number === 1 &&
    first.matches.length === 0 &&
    first.counters?.packets != null &&
    isPlain(first)
  ) {
    return { count: first.counters.packets, isAtLeast: false };
  }
  const policy = chain.counters?.packets ?? null;
  if (policy === null) return null;
  let count = policy;
  let isAtLeast = !chain.complete;
  const own = [chain, ...reachable(table, chain)];
  const elsewhere = reachedFromOthers(table, chain);
  for (const one of own) {
    for (const rule of one.rules) {
      const ends = endsTheWay(rule);
      if (ends === false) continue;
      const packets = rule.counters?.packets ?? null;
      if (ends === "maybe" || packets === null || elsewhere.has(one)) isAtLeast ||= packets !== 0n;
      else count += packets;
    }
  }
  return isAtLeast && count === 0n ? null : { count, isAtLeast };
}

/** A `limit` or a quota in front of a counter would let it see only some packets. */
function isPlain(rule: Rule): boolean {
  return rule.statements.every(
    (statement) =>
      statement.kind !== "opaque" && !(statement.kind === "pass" && /limit|quota/.test(statement.name)),
  );
}

function reachedFromOthers(table: Table, chain: Chain): ReadonlySet<Chain> {
  const reached = new Set<Chain>();
  for (const other of table.chains) {
    if (other === chain || other.base === null) continue;
    for (const one of reachable(table, other)) reached.add(one);
  }
  return reached;
}

/** Whether a packet that fits the rule does not go on in this base chain. */
function endsTheWay(rule: Rule): boolean | "maybe" {
  let answer: boolean | "maybe" = false;
  for (const statement of rule.statements) {
    switch (statement.kind) {
      case "accept":
      case "drop":
      case "reject":
      case "queue":
      case "dnat":
      case "snat":
      case "masquerade":
      case "redirect":
      case "netmap":
        return true;
      case "opaque":
        answer = "maybe";
        break;
      default:
        break;
    }
  }
  return answer;
}
