/**
 * nft's commands (`add`, `insert`, `delete`, `flush` … of nft(8), "ADDRESS FAMILIES" and "RULES"), carried out on a draft.
 *
 * Like iptables' commands they tell what was typed, not what was there before: rules added by command have assumed
 * positions.
 */
import type { Family } from "../netfilter/family.ts";
import { isFamily } from "../netfilter/family.ts";
import type { NftChainDraft } from "./nft-draft.ts";
import { NftTableDraft } from "./nft-draft.ts";
import { nftWords, unquoted } from "./nft-words.ts";
import type { Table } from "./ruleset.ts";

export class NftRulesetDraft {
  readonly #tables = new Map<string, NftTableDraft>();

  table(family: Family, name: string): NftTableDraft {
    const key = `${family} ${name}`;
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = new NftTableDraft(family, name);
      this.#tables.set(key, table);
    }
    return table;
  }

  /** Table and name of `VERB KIND [family] TABLE NAME …`; null when words are missing. */
  namedObject(
    words: readonly string[],
  ): { table: NftTableDraft; name: string; rest: readonly string[] } | null {
    const family = words[2] ?? "";
    const at = isFamily(family) ? 3 : 2;
    const [table, name] = [words[at], words[at + 1]];
    if (table === undefined || name === undefined) return null;
    return {
      table: this.table(isFamily(family) ? family : "ip", unquoted(table)),
      name: unquoted(name),
      rest: words.slice(at + 2),
    };
  }

  drop(family: Family, name: string): void {
    this.#tables.delete(`${family} ${name}`);
  }

  clear(): void {
    this.#tables.clear();
  }

  tables(): readonly NftTableDraft[] {
    return [...this.#tables.values()];
  }

  finish(): Table[] {
    return this.tables().map((table) => table.finish());
  }
}

const VERBS = "add|create|insert|replace|delete|destroy|flush|rename|list|reset";
const KINDS =
  "table|chain|rule|set|map|element|flowtable|counter|quota|limit|ct|synproxy|secmark|ruleset|tables|chains|rules";
const COMMAND = new RegExp(`^(${VERBS})\\s+(${KINDS})\\b`);

/** Whether a line is an nft command with a family, so that no sentence is taken for one. */
export function isNftCommand(line: string): boolean {
  if (/^flush ruleset\s*;?$/.test(line)) return true;
  return COMMAND.test(line) && /^\S+\s+\S+\s+(ip|ip6|inet|arp|bridge|netdev)\s+\S/.test(line);
}

/** Carries out one command. Returns null, or why it could not be. */
export function runNftCommand(draft: NftRulesetDraft, text: string, line: number): string | null {
  const words = nftWords(text.replace(/^(?:\S*\/)?nft\s+/, "")).map((word, index) =>
    index < 5 ? unquoted(word) : word,
  );
  const [verb = "", kind = ""] = words;
  if (!COMMAND.test(`${verb} ${kind}`)) return "not an nft command";
  if (verb === "list" || verb === "reset") return null;
  if (kind === "ruleset") {
    draft.clear();
    return null;
  }
  if (kind === "table") return runTableCommand(draft, verb, words);
  const named = draft.namedObject(words);
  if (named === null) return "a command without its table or name";
  if (kind === "chain") return runChainCommand(named.table, verb, named.name, named.rest);
  if (kind === "rule") return runRuleCommand(named.table, verb, named.name, named.rest, line);
  if (verb === "add" || verb === "create") named.table.opaque.push(text);
  return null;
}

function runTableCommand(draft: NftRulesetDraft, verb: string, words: readonly string[]): string | null {
  const hasFamily = isFamily(words[2] ?? "");
  const family = hasFamily ? (words[2] as Family) : "ip";
  const name = words[hasFamily ? 3 : 2];
  if (name === undefined) return "a command without its table";
  if (verb === "delete" || verb === "destroy") draft.drop(family, name);
  else if (verb === "flush") for (const chain of draft.table(family, name).chains.values()) emptied(chain);
  else draft.table(family, name);
  return null;
}

function runChainCommand(
  table: NftTableDraft,
  verb: string,
  name: string,
  rest: readonly string[],
): string | null {
  if (verb === "delete" || verb === "destroy") table.chains.delete(name);
  else if (verb === "flush") emptied(table.chain(name, "known"));
  else if (verb === "rename") {
    const chain = table.chains.get(name);
    if (chain === undefined || rest[0] === undefined) return "renames a chain that is not there";
    table.chains.delete(name);
    table.chains.set(rest[0], { ...chain, name: rest[0] });
  } else table.chain(name, verb === "create" ? "known" : "assumed");
  return null;
}

function runRuleCommand(
  table: NftTableDraft,
  verb: string,
  chainName: string,
  words: readonly string[],
  line: number,
): string | null {
  const chain = table.chain(chainName, "assumed");
  const isPlaced = /^(handle|position|index)$/.test(words[0] ?? "") && /^\d+$/.test(words[1] ?? "");
  const text = words.slice(isPlaced ? 2 : 0).join(" ");
  const at = isPlaced ? placeOf(chain, words[0] ?? "", words[1] ?? "") : -1;
  if (verb === "delete" || verb === "destroy") {
    if (at === -1) return "deletes a rule that is not there";
    chain.rules.splice(at, 1);
    return null;
  }
  if (text === "") return "a rule without words";
  const rule = { text, handle: null, line };
  if (verb === "replace") {
    if (at === -1) return "replaces a rule that is not there";
    chain.rules.splice(at, 1, { ...rule, handle: chain.rules[at]?.handle ?? null });
  } else if (verb === "insert") chain.rules.splice(at === -1 ? 0 : at, 0, rule);
  else chain.rules.splice(at === -1 ? chain.rules.length : at + 1, 0, rule);
  return null;
}

function placeOf(chain: NftChainDraft, kind: string, number: string): number {
  if (kind === "index") return Number(number) < chain.rules.length ? Number(number) : -1;
  return chain.rules.findIndex((rule) => rule.handle === BigInt(number));
}

function emptied(chain: NftChainDraft): void {
  chain.rules = [];
  chain.positions = "known";
  chain.elidedAt = null;
}
