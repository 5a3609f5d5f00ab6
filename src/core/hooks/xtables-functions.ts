/**
 * Which legacy table a function runs.
 *
 * Since Linux 5.15 all of a family's tables are run by one function (`ipt_do_table`), and the kernel's list of hooks does not name
 * the table; the priority tells it, since each table has its own at every hook (`include/uapi/linux/netfilter_ipv4.h`,
 * `netfilter_bridge.h`). Legacy nat is never here: `nf_nat` asks it.
 */
import { type Hook, xtablesPriority } from "../netfilter/hook.ts";
import type { HookFunction } from "./hook-function.ts";
import { knownFunction } from "./known-functions.ts";

export interface XtablesTable {
  readonly table: string;
  readonly chain: string;
}

/** Null for a function that runs no legacy table, or one at a priority that no table has. */
export function xtablesTable(one: HookFunction): XtablesTable | null {
  if (knownFunction(one.name).role !== "xtables") return null;
  const table = one.family === "bridge" ? ebtablesTable(one.hook, one.priority) : iptablesTable(one);
  if (table === null) return null;
  return { table, chain: table === "broute" ? "BROUTING" : one.hook.toUpperCase() };
}

/** `raw_before_defrag=1` (a parameter of iptable_raw and ip6table_raw) moves raw to here. */
const RAW_BEFORE_DEFRAG = -450;

function iptablesTable({ family, hook, priority }: HookFunction): string | null {
  if (family === "arp") return priority === 0 ? "filter" : null;
  if (priority === RAW_BEFORE_DEFRAG) return "raw";
  const tables = ["raw", "mangle", "filter", "security"];
  return tables.find((table) => xtablesPriority(table, hook) === priority) ?? null;
}

/** NF_BR_PRI_FIRST, _NAT_DST_BRIDGED, _FILTER_BRIDGED, _NAT_DST_OTHER, _FILTER_OTHER, _NAT_SRC. */
function ebtablesTable(hook: Hook, priority: number): string | null {
  if (hook === "prerouting" && priority === -0x8000_0000) return "broute";
  if (priority === -200 || priority === 200) return "filter";
  return priority === -300 || priority === 100 || priority === 300 ? "nat" : null;
}
