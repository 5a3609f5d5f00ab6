/** Packets that each rule of a namespace has counted, by its place: `filter:FORWARD:2`, `filter:FORWARD:policy`. */
import { ok, type Result } from "../../core/base/result.ts";
import { runSuccessfully } from "../../linux/process.ts";
import type { HostRefusal } from "../../linux/refusal.ts";
import type { Variant } from "./scenario.ts";

export async function readRuleCounts(
  netns: string,
  variant: Variant,
): Promise<Result<ReadonlyMap<string, number>, HostRefusal>> {
  const counts = new Map<string, number>();
  if (variant !== "nft") {
    for (const program of ["iptables-legacy-save", "ip6tables-legacy-save"]) {
      const saved = await runSuccessfully(program, ["-c"], { netns });
      if (!saved.ok) return saved;
      addSaved(saved.value, counts);
    }
  }
  if (variant !== "legacy") {
    const listed = await runSuccessfully("nft", ["-j", "list", "ruleset"], { netns });
    if (!listed.ok) return listed;
    addListed(listed.value, counts);
  }
  return ok(counts);
}

/** IPv4 and IPv6 have tables of the same names: a scenario has rules with packets in one of them. */
function addSaved(text: string, counts: Map<string, number>): void {
  let table = "";
  const numbers = new Map<string, number>();
  const add = (place: string, packets: number) => counts.set(place, (counts.get(place) ?? 0) + packets);
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) {
      table = line.slice(1);
      numbers.clear();
    }
    const [, chain, packets] = /^:(\S+) \S+ \[(\d+):/.exec(line) ?? [];
    if (chain !== undefined) add(`${table}:${chain}:policy`, Number(packets));
    const [, ofRule, ruleChain] = /^\[(\d+):\d+\] -A (\S+)/.exec(line) ?? [];
    if (ruleChain === undefined) continue;
    const number = (numbers.get(ruleChain) ?? 0) + 1;
    numbers.set(ruleChain, number);
    add(`${table}:${ruleChain}:${number}`, Number(ofRule));
  }
}

interface ListedRule {
  readonly table: string;
  readonly chain: string;
  readonly expr: readonly { readonly counter?: { readonly packets: number } }[];
}

/** A rule without `counter` counts nothing, and has no place here. */
function addListed(text: string, counts: Map<string, number>): void {
  const { nftables } = JSON.parse(text) as { nftables: readonly { readonly rule?: ListedRule }[] };
  const numbers = new Map<string, number>();
  for (const { rule } of nftables) {
    if (rule === undefined) continue;
    const chain = `${rule.table}:${rule.chain}`;
    const number = (numbers.get(chain) ?? 0) + 1;
    numbers.set(chain, number);
    const counter = rule.expr.find((expression) => expression.counter !== undefined)?.counter;
    if (counter !== undefined)
      counts.set(`${chain}:${number}`, (counts.get(`${chain}:${number}`) ?? 0) + counter.packets);
  }
}
