/**
 * What the kernel itself says is hung on a hook.
 *
 * One of these for each `struct nf_hook_ops` of a namespace, in the order in which the kernel calls them. Rules are only one
 * reason for a function to be there: conntrack, NAT, defragmentation, security modules, IPVS and bpf programs are others.
 */
import type { Family, PacketFamily } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";

export interface HookFunction {
  readonly family: PacketFamily;
  readonly hook: Hook;
  /** The interface, for netdev's hooks; null for all others. */
  readonly device: string | null;
  /** Lower runs first. */
  readonly priority: number;
  /** `ipv4_conntrack_in`; null where the kernel was built without symbols. */
  readonly name: string | null;
  /** The module it is in; null where it is built in. */
  readonly module: string | null;
  readonly owner: HookOwner | null;
}

/** What the function works for, where the kernel tells. */
export type HookOwner =
  | { readonly kind: "chain"; readonly family: Family; readonly table: string; readonly chain: string }
  | { readonly kind: "flowtable"; readonly family: Family; readonly table: string; readonly name: string }
  | { readonly kind: "bpf"; readonly program: number };
