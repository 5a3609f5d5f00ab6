/**
 * `nfpath hooks --format json`: the public shape, `nfpath/hooks@1`. Fields may be added; none changes its meaning under this name.
 */
import type { ChainEntry, HookEntry } from "../hooks/hook-entry.ts";
import type { HookMap } from "../hooks/hook-map.ts";
import { type HookNote, hookNotes } from "../hooks/notes.ts";

export const HOOKS_SCHEMA = "nfpath/hooks@1";

export interface HooksContract {
  readonly schema: typeof HOOKS_SCHEMA;
  readonly namespaces: readonly NamespaceContract[];
}

export interface NamespaceContract {
  /** Null: nfpath's own namespace, or files. */
  readonly netns: string | null;
  readonly source: HookMap["source"];
  readonly hooks: readonly StationContract[];
  readonly notes: readonly HookNote[];
}

export interface StationContract {
  readonly family: string;
  readonly hook: string;
  readonly device: string | null;
  readonly bothBackends: boolean;
  readonly functions: readonly FunctionContract[];
}

export interface FunctionContract {
  readonly priority: number;
  readonly role: string;
  readonly function: string | null;
  readonly module: string | null;
  readonly chain: ChainContract | null;
  readonly flowtable: { readonly family: string; readonly table: string; readonly name: string } | null;
  readonly bpfProgram: number | null;
  /** The nat chains that are asked here. */
  readonly asks: readonly FunctionContract[];
  /** both | kernel | rules | implied */
  readonly evidence: string;
  readonly orderKnown: boolean;
  readonly doubt: string | null;
}

export interface ChainContract {
  /** xtables | nft | null (iptables, and the listing does not tell which) */
  readonly backend: ChainEntry["backend"];
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type: string | null;
  readonly policy: "accept" | "drop" | null;
  readonly rules: number | null;
  readonly reaches: { readonly chains: number; readonly rules: number } | null;
  /** A decimal, because counters are 64 bits wide. */
  readonly packets: { readonly count: string; readonly atLeast: boolean } | null;
  readonly own: boolean;
}

export function hooksContract(maps: readonly HookMap[]): HooksContract {
  return { schema: HOOKS_SCHEMA, namespaces: maps.map(namespaceContract) };
}

function namespaceContract(map: HookMap): NamespaceContract {
  return {
    netns: map.netns,
    source: map.source,
    hooks: map.stations.map(({ family, hook, device, isBoth, entries }) => ({
      family,
      hook,
      device,
      bothBackends: isBoth,
      functions: entries.map(functionContract),
    })),
    notes: hookNotes(map),
  };
}

function functionContract(entry: HookEntry): FunctionContract {
  return {
    priority: entry.priority,
    role: entry.role,
    function: entry.function,
    module: entry.module,
    chain: entry.chain === null ? null : chainContract(entry.chain),
    flowtable: entry.flowtable,
    bpfProgram: entry.bpfProgram,
    asks: entry.inside.map(functionContract),
    evidence: entry.evidence,
    orderKnown: !entry.isOrderUnknown,
    doubt: entry.doubt,
  };
}

function chainContract(chain: ChainEntry): ChainContract {
  const { backend, family, table, name, type, policy, rules, reach, packets, isOwn } = chain;
  return {
    backend,
    family,
    table,
    name,
    type,
    policy,
    rules,
    reaches: reach,
    packets: packets === null ? null : { count: String(packets.count), atLeast: packets.isAtLeast },
    own: isOwn,
  };
}
