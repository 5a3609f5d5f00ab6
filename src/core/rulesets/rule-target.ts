/**
 * A rule as a person names it: by its place (`filter:FORWARD:4`, `inet fw forward handle 7`, `inet fw forward 3`) or by its
 * words, whole or in part.
 */
import { ok, type Result, refused } from "../base/result.ts";
import { isFamily } from "../netfilter/family.ts";
import type { ListedChain, RuleBook } from "./rule-book.ts";
import { iptablesTextKey, nftTextKey } from "./rule-text.ts";
import type { Rule } from "./ruleset.ts";

export interface TargetRule extends ListedChain {
  readonly rule: Rule;
}

export interface TargetProblem {
  readonly message: string;
  readonly hint: string;
}

/** The rules that a name means: one, or the same of several listings (IPv4 and IPv6, namespaces, before and after). */
export function findTarget(name: string, book: RuleBook): Result<readonly TargetRule[], TargetProblem> {
  const listed = book.listedChains();
  if (listed.length === 0)
    return refused({
      message: "no rules were given",
      hint: "name a ruleset too: iptables-save, or nft -a list ruleset",
    });
  const place = placeOf(name);
  return place === null ? byWords(name, listed) : byPlace(place, listed);
}

interface Place {
  readonly family: string | null;
  readonly table: string;
  readonly chain: string;
  readonly number: number | null;
  readonly handle: bigint | null;
}

function placeOf(name: string): Place | null {
  const text = name.trim();
  const iptables =
    /^(?:(ip6?):)?(raw|mangle|nat|filter|security):([^:\s]+)(?::(?:rule:)?|\s+(?:rule\s+)?)(\d+)$/.exec(text);
  if (iptables !== null) {
    const [, family, table = "", chain = "", number] = iptables;
    return { family: family ?? null, table, chain, number: Number(number), handle: null };
  }
  const [, family = "", table = "", chain = "", word, number = ""] =
    /^(\w+)\s+(\S+)\s+(\S+)\s+(?:(handle|rule|#)\s*)?(\d+)$/.exec(text) ?? [];
  if (!isFamily(family)) return null;
  const isHandle = word === "handle" || word === "#";
  return {
    family,
    table,
    chain,
    number: isHandle ? null : Number(number),
    handle: isHandle ? BigInt(number) : null,
  };
}

function byPlace(place: Place, listed: readonly ListedChain[]): Result<readonly TargetRule[], TargetProblem> {
  const chains = listed.filter(
    ({ table, chain }) =>
      table.name === place.table &&
      chain.name === place.chain &&
      (place.family === null ? /^ip6?$/.test(table.family) : table.family === place.family),
  );
  const where =
    place.family === null ? `${place.table}:${place.chain}` : `${place.family} ${place.table} ${place.chain}`;
  const [first] = chains;
  if (first === undefined) {
    const names = [
      ...new Set(listed.filter(({ table }) => table.name === place.table).map(({ chain }) => chain.name)),
    ];
    return refused({
      message: `no listing has the chain ${where}`,
      hint: names.length === 0 ? "check the table's name" : `this table has ${names.slice(0, 12).join(", ")}`,
    });
  }
  const found = chains.flatMap((one) =>
    one.chain.rules
      .filter((rule) => (place.handle === null ? rule.number === place.number : rule.handle === place.handle))
      .map((rule) => ({ ...one, rule })),
  );
  if (found.length > 0) return ok(found);
  if (place.handle !== null)
    return refused({
      message: `${where} has no rule with handle ${place.handle} in the listing`,
      hint: "nft -a list chain shows the handles; the listing must have been made with -a",
    });
  return refused({
    message: `${where} has ${first.chain.rules.length} rules in the listing, and none with number ${place.number}`,
    hint: "rules are counted from 1: iptables -L CHAIN --line-numbers",
  });
}

function byWords(name: string, listed: readonly ListedChain[]): Result<readonly TargetRule[], TargetProblem> {
  const keys = new Set([iptablesTextKey(name), nftTextKey(name)]);
  const all = listed.flatMap((one) => one.chain.rules.map((rule): TargetRule => ({ ...one, rule })));
  const whole = all.filter(
    ({ rule }) =>
      keys.has(iptablesTextKey(rule.text)) || keys.has(nftTextKey(rule.text)) || rule.short === name,
  );
  if (whole.length > 0) return one(name, whole);
  const part = all.filter(({ rule }) => rule.text.includes(name) || rule.comment === name);
  return one(name, part);
}

/** Several rules with these words are an answer only where they are the same rule of several listings. */
function one(name: string, found: readonly TargetRule[]): Result<readonly TargetRule[], TargetProblem> {
  const places = new Set(
    found.map(({ table, chain, rule }) => `${table.name}:${chain.name}:${rule.number ?? rule.handle}`),
  );
  if (found.length === 0)
    return refused({
      message: `no rule reads ${name}`,
      hint: "name its place, filter:FORWARD:4 or inet fw forward handle 7, or words of it as the listing has them",
    });
  if (places.size > 1)
    return refused({
      message: `${places.size} rules read so: ${[...places].slice(0, 4).join(", ")}`,
      hint: "name the place of one of them",
    });
  return ok(found);
}
