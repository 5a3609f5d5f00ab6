/**
 * Whether conntrack is in use in a namespace, for which version of IP.
 *
 * It is switched on by the first rule that asks for it and off with the last (`nf_ct_netns_get`), for each version apart;
 * the kernel's list of hooks shows it. Asking that list changes nothing, where a rule of ours that asked conntrack would.
 */
import type { ConntrackInUse } from "../core/plans/trace-plan.ts";
import { readHookFunctions } from "./hook-list.ts";

/** Null where the kernel does not list its hooks, or not by name. */
export function conntrackInUse(netns: string | null): ConntrackInUse | null {
  const functions = readHookFunctions(netns);
  if (!functions.ok) return null;
  const names = functions.value.map(({ name }) => name);
  if (names.length > 0 && names.every((name) => name === null)) return null;
  const has = (name: string) => names.includes(name);
  return { ip: has("ipv4_conntrack_in"), ip6: has("ipv6_conntrack_in") };
}
