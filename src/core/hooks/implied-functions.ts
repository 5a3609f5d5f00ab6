/**
 * Functions that must be on the hooks because rules need them, for hosts whose kernel's list is not at hand.
 *
 * The kernel hangs conntrack, NAT and defragmentation on a family's hooks when the first rule or chain needs them
 * (`nf_ct_netns_get`, `nf_nat_register_fn`), at fixed priorities (`include/uapi/linux/netfilter_ipv4.h`). `NOTRACK` needs none, and
 * a rule elsewhere, in another namespace, does not count: nothing here says that something is absent.
 */
import type { Family } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";
import type { Rule, Ruleset } from "../rulesets/ruleset.ts";
import type { HookFunction } from "./hook-function.ts";
import { type ListedChain, listedChains } from "./listed-chains.ts";

type IpFamily = "ip" | "ip6";

const LAST = 0x7fff_ffff;

/** Sorted by nothing: the caller knows the order of priorities. */
export function impliedFunctions(
  rulesets: readonly Ruleset[],
  chains: readonly ListedChain[],
): readonly HookFunction[] {
  const needs = needsOf(rulesets, chains);
  const functions: HookFunction[] = [];
  for (const family of ["ip", "ip6"] as const) {
    const add = (hook: Hook, priority: number, name: string) =>
      functions.push({ family, hook, device: null, priority, name, module: null, owner: null });
    const v = family === "ip" ? "ipv4" : "ipv6";
    if (needs.defrag.has(family)) {
      const name = family === "ip" ? "ipv4_conntrack_defrag" : "ipv6_defrag";
      add("prerouting", -400, name);
      add("output", -400, name);
    }
    if (needs.conntrack.has(family)) {
      add("prerouting", -200, `${v}_conntrack_in`);
      add("output", -200, `${v}_conntrack_local`);
      add("input", LAST, "nf_confirm");
      add("postrouting", LAST, "nf_confirm");
    }
    if (needs.nat.has(family)) {
      add("prerouting", -100, family === "ip" ? "nf_nat_ipv4_pre_routing" : "nf_nat_ipv6_in");
      add("input", 100, family === "ip" ? "nf_nat_ipv4_local_in" : "nf_nat_ipv6_fn");
      add("output", -100, `nf_nat_${v}_local_fn`);
      add("postrouting", 100, `nf_nat_${v}_out`);
    }
  }
  return functions;
}

/** The versions of IP for which rules need conntrack: for these it is surely in use. */
export function impliedConntrack(rulesets: readonly Ruleset[]): Readonly<Record<IpFamily, boolean>> {
  const { conntrack } = needsOf(rulesets, listedChains(rulesets, new Set()));
  return { ip: conntrack.has("ip"), ip6: conntrack.has("ip6") };
}

interface Needs {
  readonly defrag: Set<IpFamily>;
  readonly conntrack: Set<IpFamily>;
  readonly nat: Set<IpFamily>;
}

function needsOf(rulesets: readonly Ruleset[], chains: readonly ListedChain[]): Needs {
  const needs: Needs = { defrag: new Set(), conntrack: new Set(), nat: new Set() };
  for (const { backend, base, family, isDormant } of chains) {
    if (base.type !== "nat" || isDormant) continue;
    addAll(needs.nat, family);
    // A legacy nat table waits with conntrack for the first rule that translates; an nft nat chain does not.
    if (backend === "nft") addAll(needs.conntrack, family);
  }
  for (const { tables } of rulesets) {
    for (const { family, chains: all } of tables) {
      for (const { rules } of all) {
        for (const rule of rules) {
          if (tracks(rule)) addAll(needs.conntrack, family);
          else if (
            /-j TPROXY\b|-m socket\b|\btproxy\b|\bsocket (transparent|mark|wildcard)\b/.test(rule.text)
          )
            addAll(needs.defrag, family);
        }
      }
    }
  }
  for (const family of needs.conntrack) needs.defrag.add(family);
  return needs;
}

function addAll(families: Set<IpFamily>, family: Family): void {
  if (family === "ip" || family === "inet") families.add("ip");
  if (family === "ip6" || family === "inet") families.add("ip6");
}

const TRACKED_STATEMENTS: ReadonlySet<string> = new Set(["dnat", "snat", "masquerade", "redirect", "netmap"]);

function tracks(rule: Rule): boolean {
  if (rule.matches.some((match) => match.kind === "ct-state" || match.kind === "ct-status")) return true;
  if (rule.statements.some((statement) => TRACKED_STATEMENTS.has(statement.kind))) return true;
  const text = rule.comment === null ? rule.text : rule.text.replace(rule.comment, "");
  if (/\bnotrack\b/i.test(text)) return false;
  return /(^|[\s;{"])ct (state|status|mark|direction|original|reply|helper|zone|count|id|bytes|packets|label|expiration|l3proto|protocol|timeout|expectation|avgpkt)\b|"ct":|-m (conntrack|state|conn\w+|helper|cluster)\b|-j (CONNMARK|CONNSECMARK|CT|SYNPROXY)\b/.test(
    text,
  );
}
