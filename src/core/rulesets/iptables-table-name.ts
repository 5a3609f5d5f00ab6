/**
 * Which table a listing is of, when it does not say.
 *
 * `iptables -L` and `-S` never print their table. The built-in chains narrow it down: each table has its own set
 * (`valid_hooks` of net/ipv4/netfilter/iptable_*.c), and some targets exist in one table only.
 */
import { hookOfBuiltInChain } from "../netfilter/hook.ts";
import type { TableDraft } from "./iptables-draft.ts";

export interface InferredTable {
  readonly table: string;
  /** Whether it was guessed: the chains and targets seen would fit another table too. */
  readonly isGuess: boolean;
}

const NAT_TARGETS = /^(DNAT|SNAT|MASQUERADE|REDIRECT|NETMAP)$/;

/** The table that fits the chains and targets of a draft. */
export function inferTable(draft: TableDraft): InferredTable {
  const names = [...draft.chains.keys()];
  const targets = new Set<string>();
  for (const chain of draft.chains.values()) {
    for (const { source } of chain.rules) if (source.target !== null) targets.add(source.target);
  }
  return inferTableOf(names, targets);
}

export function inferTableOf(chains: readonly string[], targets: ReadonlySet<string>): InferredTable {
  const builtIn = new Set(chains.filter((name) => hookOfBuiltInChain(name) !== null));
  if ([...targets].some((target) => NAT_TARGETS.test(target))) return { table: "nat", isGuess: false };
  const has = (name: string) => builtIn.has(name);
  if (has("PREROUTING") && has("FORWARD")) return { table: "mangle", isGuess: false };
  if (has("POSTROUTING") && has("FORWARD")) return { table: "mangle", isGuess: false };
  if (has("PREROUTING") && has("POSTROUTING")) return { table: "nat", isGuess: false };
  if (targets.has("TRACE") || targets.has("NOTRACK")) return { table: "raw", isGuess: false };
  if (has("PREROUTING") && has("OUTPUT") && builtIn.size === 2) return { table: "raw", isGuess: false };
  if (has("PREROUTING")) return { table: targets.has("CT") ? "raw" : "nat", isGuess: true };
  if (has("POSTROUTING")) return { table: "nat", isGuess: true };
  if (has("FORWARD") && has("INPUT") && has("OUTPUT")) return { table: "filter", isGuess: false };
  if (builtIn.size === 0 && [...chains].some((name) => /^KUBE-(SVC|SEP|MARK)-/.test(name))) {
    return { table: "nat", isGuess: true };
  }
  return { table: "filter", isGuess: true };
}

/**
 * The table that a heading names: `nat`, `### nat ###`, `Table: nat`, `The filter table is:`; null for another line.
 * Only short lines that say nothing else count.
 */
export function tableHeading(line: string): string | null {
  if (line.length > 60) return null;
  const words = line
    .replace(/[\s#=*:`'"_.~|<>()[\]-]+/g, " ")
    .trim()
    .toLowerCase();
  const match =
    /^(?:the )?(?:iptables )?(?:table )?(raw|mangle|nat|filter|security)(?: table)?(?: is| rules| listing)?$/.exec(
      words,
    );
  return match?.[1] ?? null;
}
