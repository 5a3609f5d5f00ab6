/** How the functions on a hook are put into words, the same in every view. */
import type { HookEntry } from "../hooks/hook-entry.ts";
import { knownFunction, type Role } from "../hooks/known-functions.ts";
import type { PacketCount } from "../hooks/listed-chains.ts";

/** NF_IP_PRI_FIRST and NF_IP_PRI_LAST stand for "before all" and "behind all". */
export function priorityWords(priority: number): string {
  if (priority === -0x8000_0000) return "first";
  return priority === 0x7fff_ffff ? "last" : String(priority);
}

const ROLE_NAMES: Readonly<Record<Role, string>> = {
  defrag: "defragmentation",
  conntrack: "conntrack",
  nat: "nat",
  xtables: "legacy table",
  nft: "nft chain",
  flowtable: "flowtable",
  "bridge-netfilter": "br_netfilter",
  bpf: "bpf",
  security: "security module",
  ipvs: "ipvs",
  other: "kernel",
  unknown: "?",
};

/** `raw PREROUTING`, `inet fw input`, `conntrack`. */
export function entryName({ chain, flowtable, bpfProgram, role }: HookEntry): string {
  if (chain !== null) {
    const name = `${chain.table} ${chain.name}`;
    return chain.isIptables ? name : `${chain.family} ${name}`;
  }
  if (flowtable !== null) return `flowtable ${flowtable.table} ${flowtable.name}`;
  return bpfProgram === null ? ROLE_NAMES[role] : `bpf program ${bpfProgram}`;
}

/** Whose rules: `legacy`, `nft`, `iptables-nft`; of a listing that does not tell, `iptables`. Empty where there are none. */
export function backendWords({ chain }: HookEntry): string {
  if (chain === null) return "";
  if (chain.backend === "nft") return chain.isIptables ? "iptables-nft" : "nft";
  return chain.backend === "xtables" ? "legacy" : "iptables";
}

/** `policy drop`, `12 rules`, `into 3 chains with 40`, `1234 packets`; for a function what it does. */
export function entryDetails(entry: HookEntry): readonly string[] {
  const { chain } = entry;
  if (chain === null) {
    const known = knownFunction(entry.function);
    // What rules imply is certain, the name it has in that kernel is not.
    const name = entry.evidence === "implied" ? null : entry.function;
    return [name === null ? known.words : `${name}: ${known.words}`];
  }
  const words: string[] = [];
  if (chain.isOwn) words.push("nfpath's own");
  if (chain.policy !== null) words.push(`policy ${chain.policy}`);
  if (chain.rules !== null) words.push(chain.rules === 0 ? "no rules" : plural(chain.rules, "rule"));
  if (chain.reach !== null && chain.reach.chains > 0)
    words.push(`into ${plural(chain.reach.chains, "chain")} with ${chain.reach.rules}`);
  if (chain.packets !== null) words.push(packetWords(chain.packets));
  return words;
}

function packetWords({ count, isAtLeast }: PacketCount): string {
  return `${isAtLeast ? "at least " : ""}${count} ${count === 1n ? "packet" : "packets"}`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
