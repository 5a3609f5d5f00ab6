/** One function on a hook, with all that is known of it. */
import type { HookFunction } from "./hook-function.ts";
import { knownFunction, type Role } from "./known-functions.ts";
import type { ListedChain } from "./listed-chains.ts";

export interface HookEntry {
  readonly priority: number;
  readonly role: Role;
  /** As the kernel names it; null where only a listing has it. */
  readonly function: string | null;
  readonly module: string | null;
  readonly chain: ChainEntry | null;
  readonly flowtable: { readonly family: string; readonly table: string; readonly name: string } | null;
  readonly bpfProgram: number | null;
  /** For nat: the chains it asks, in order. */
  readonly inside: readonly HookEntry[];
  readonly evidence: Evidence;
  /** What does not fit together; null when all does. */
  readonly doubt: string | null;
  /** Its place among those of the same priority is a guess. */
  readonly isOrderUnknown: boolean;
}

/**
 * - `both`: the kernel has it and a listing explains it.
 * - `kernel`: the kernel has it.
 * - `rules`: a listing has it.
 * - `implied`: rules need it.
 */
export type Evidence = "both" | "kernel" | "rules" | "implied";

export interface ChainEntry {
  /** Null: iptables, and its listing does not tell which. */
  readonly backend: "xtables" | "nft" | null;
  readonly isIptables: boolean;
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type: string | null;
  /** Null: not known. */
  readonly policy: "accept" | "drop" | null;
  readonly rules: number | null;
  readonly reach: ListedChain["reach"] | null;
  readonly packets: ListedChain["packets"];
  readonly isOwn: boolean;
}

/** What nobody told of a chain. */
export const UNREAD = {
  isIptables: false,
  type: null,
  policy: null,
  rules: null,
  reach: null,
  packets: null,
  isOwn: false,
} as const;

/** Of a chain that a listing has. */
export function chainEntry(chain: ListedChain, evidence: Evidence, doubt: string | null): HookEntry {
  return {
    priority: chain.base.priority,
    role: chain.backend === "nft" ? "nft" : "xtables",
    function: null,
    module: null,
    chain: {
      backend: chain.backend,
      isIptables: chain.isIptables,
      family: chain.family,
      table: chain.table,
      name: chain.chain,
      type: chain.base.type,
      policy: chain.base.policy,
      rules: chain.rules,
      reach: chain.reach,
      packets: chain.packets,
      isOwn: chain.isOwn,
    },
    flowtable: null,
    bpfProgram: null,
    inside: [],
    evidence,
    doubt,
    isOrderUnknown: false,
  };
}

/** Of a function on the hook. */
export function functionEntry(
  one: HookFunction,
  inside: readonly HookEntry[],
  evidence: Evidence,
): HookEntry {
  const { owner } = one;
  return {
    priority: one.priority,
    role: owner?.kind === "bpf" ? "bpf" : knownFunction(one.name).role,
    function: one.name,
    module: one.module,
    chain: null,
    flowtable:
      owner?.kind === "flowtable" ? { family: owner.family, table: owner.table, name: owner.name } : null,
    bpfProgram: owner?.kind === "bpf" ? owner.program : null,
    inside,
    evidence,
    doubt: null,
    isOrderUnknown: false,
  };
}

/** Whether a listing has it and the kernel does not. */
export function isNotCalled(entry: HookEntry): boolean {
  return entry.evidence === "rules" && entry.doubt !== null;
}
