/**
 * Who runs first: every function on every hook, in the kernel's order, joined with the rules that explain it.
 *
 * Where the kernel's own list is at hand it is the truth, and what the rulesets say of hooks is compared with it. Where it is not,
 * the order is worked out: by priority, and of two with the same priority the kernel calls the one first that was hung up last
 * (`nf_hook_entries_grow`), which no listing tells for certain.
 *
 * Chains of type nat are not on the hooks themselves. `nf_nat` is, once for all of them, at a priority of its own, and asks them in
 * the order of their priorities for the first packet of each connection, until one has translated (`nf_nat_inet_fn`).
 */
import type { PacketFamily } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";
import { HOOKS_BY_NUMBER, packetFamiliesOf } from "../netfilter/hook-numbers.ts";
import { isOwnTable } from "../plans/own-table.ts";
import type { Ruleset } from "../rulesets/ruleset.ts";
import {
  type ChainEntry,
  chainEntry,
  type Evidence,
  functionEntry,
  type HookEntry,
  isNotCalled,
  UNREAD,
} from "./hook-entry.ts";
import type { HookFunction } from "./hook-function.ts";
import { impliedFunctions } from "./implied-functions.ts";
import { knownFunction } from "./known-functions.ts";
import { type ListedChain, listedChains } from "./listed-chains.ts";
import { xtablesTable } from "./xtables-functions.ts";

export interface HookMap {
  readonly netns: string | null;
  /** `kernel`: its own list of hooks. `rules`: worked out from rulesets. */
  readonly source: "kernel" | "rules";
  readonly stations: readonly Station[];
}

/** One hook of one family, and for netdev of one interface. */
export interface Station {
  readonly family: PacketFamily;
  readonly hook: Hook;
  readonly device: string | null;
  /** In the order in which they are called; empty when nothing is there. */
  readonly entries: readonly HookEntry[];
  /** Legacy tables and nft's chains both decide here. */
  readonly isBoth: boolean;
}

/** What was asked of the kernel itself. */
export interface KernelWord {
  /** Null where the kernel does not hand out its list of hooks. */
  readonly functions: readonly HookFunction[] | null;
  /** As `family name`. */
  readonly dormantTables: ReadonlySet<string>;
}

/** For rulesets that came as files. */
export const NO_KERNEL: KernelWord = { functions: null, dormantTables: new Set() };

export function mapHooks(
  netns: string | null,
  rulesets: readonly Ruleset[],
  { functions, dormantTables }: KernelWord,
): HookMap {
  const chains = withDevices(listedChains(rulesets, dormantTables), functions ?? []);
  const hung = functions ?? impliedFunctions(rulesets, chains);
  const stations = stationKeys(chains, hung).map(({ family, hook, device }): Station => {
    const here = chains.filter((chain) => isAt(chain, family, hook, device));
    const called = hung.filter((one) => one.family === family && one.hook === hook && one.device === device);
    const entries =
      functions === null
        ? worked(here, called)
        : compared(here, called, listedElsewhere(chains, family, hook, device));
    return { family, hook, device, entries, isBoth: bothDecide(entries) };
  });
  return { netns, source: functions === null ? "rules" : "kernel", stations };
}

const FAMILIES: readonly PacketFamily[] = ["netdev", "bridge", "arp", "ip", "ip6"];

function stationKeys(
  chains: readonly ListedChain[],
  functions: readonly HookFunction[],
): readonly Pick<Station, "family" | "hook" | "device">[] {
  const devices = new Set<string>();
  let hasNameless = false;
  for (const { device } of functions) if (device !== null) devices.add(device);
  for (const { family, base } of chains) {
    if (!packetFamiliesOf(family, base.hook).includes("netdev")) continue;
    for (const device of base.devices) devices.add(device);
    hasNameless ||= base.devices.length === 0;
  }
  const named: (string | null)[] = [...devices].sort();
  return FAMILIES.flatMap((family) =>
    (family === "netdev" ? (hasNameless ? [...named, null] : named) : [null]).flatMap((device) =>
      HOOKS_BY_NUMBER[family].map((hook) => ({ family, hook, device })),
    ),
  );
}

function isAt(chain: ListedChain, family: PacketFamily, hook: Hook, device: string | null): boolean {
  const { base } = chain;
  if (base.hook !== hook || !packetFamiliesOf(chain.family, hook).includes(family)) return false;
  if (family !== "netdev") return true;
  return device === null ? base.devices.length === 0 : base.devices.includes(device);
}

/** nft 1.0.6 leaves the interfaces of a chain out of its JSON; the kernel names them. */
function withDevices(
  chains: readonly ListedChain[],
  functions: readonly HookFunction[],
): readonly ListedChain[] {
  return chains.map((chain) => {
    if (chain.base.devices.length > 0) return chain;
    const devices = functions.filter((one) => isOf(one, chain)).flatMap(({ device }) => device ?? []);
    return { ...chain, base: { ...chain.base, devices: [...new Set(devices)] } };
  });
}

function isOf({ owner }: HookFunction, { backend, family, table, chain }: ListedChain): boolean {
  if (owner?.kind !== "chain" || backend === "xtables") return false;
  return owner.family === family && owner.table === table && owner.chain === chain;
}

/** Without the kernel's word: all that is listed and all that this needs, by priority. */
function worked(chains: readonly ListedChain[], implied: readonly HookFunction[]): readonly HookEntry[] {
  const entries: HookEntry[] = chains
    .filter((chain) => chain.base.type !== "nat")
    // Among equals the youngest is called first, and listings begin with the oldest.
    .toReversed()
    .map((chain) => chainEntry(chain, "rules", chain.isDormant ? DORMANT : null));
  for (const one of implied) entries.push(functionEntry(one, natInside(one, chains, "rules"), "implied"));
  const unasked = implied.some((one) => knownFunction(one.name).role === "nat")
    ? []
    : chains.filter((chain) => chain.base.type === "nat");
  for (const chain of unasked) entries.push(chainEntry(chain, "rules", chain.isDormant ? DORMANT : null));
  return withUnknownOrder(entries.sort(byPriority));
}

/** With the kernel's word: its list, each explained by a listing where one can; and what only a listing has. */
function compared(
  chains: readonly ListedChain[],
  functions: readonly HookFunction[],
  elsewhere: ReadonlySet<string>,
): readonly HookEntry[] {
  const explained = new Set<ListedChain>();
  const entries = functions.map((one): HookEntry => {
    const listed = listedFor(one, chains);
    if (listed !== null) {
      explained.add(listed);
      const doubt =
        listed.base.priority === one.priority
          ? null
          : `the listing says priority ${listed.base.priority}, the kernel ${one.priority}`;
      return {
        ...chainEntry(listed, "both", doubt),
        priority: one.priority,
        function: one.name,
        module: one.module,
      };
    }
    const inside = natInside(one, chains, "rules");
    return unexplained(functionEntry(one, inside, "kernel"), one, elsewhere);
  });
  const hasNat = entries.some((entry) => entry.role === "nat");
  for (const chain of chains) {
    if (explained.has(chain) || (chain.base.type === "nat" && hasNat)) continue;
    const at = entries.findIndex((entry) => entry.priority > chain.base.priority);
    const entry = chainEntry(chain, "rules", chain.isDormant ? DORMANT : NOT_CALLED);
    entries.splice(at === -1 ? entries.length : at, 0, entry);
  }
  return entries;
}

const DORMANT = "not called: its table is dormant";
const NOT_CALLED = "listed, but the kernel does not call it";

/** Function by function: the listed chain that the kernel calls here. */
function listedFor(one: HookFunction, chains: readonly ListedChain[]): ListedChain | null {
  if (one.owner?.kind === "chain") return chains.find((listed) => isOf(one, listed)) ?? null;
  const legacy = xtablesTable(one);
  if (legacy === null) return null;
  return chains.find((listed) => listed.backend !== "nft" && listed.table === legacy.table) ?? null;
}

/** Chains listed with this family and hook whatever their interface: to tell "not listed" from "listed elsewhere". */
function listedElsewhere(
  chains: readonly ListedChain[],
  family: PacketFamily,
  hook: Hook,
  device: string | null,
): ReadonlySet<string> {
  const others = chains.filter((chain) => !isAt(chain, family, hook, device));
  return new Set(others.map((chain) => `${chain.family} ${chain.table} ${chain.chain}`));
}

function unexplained(entry: HookEntry, one: HookFunction, elsewhere: ReadonlySet<string>): HookEntry {
  if (one.owner?.kind === "chain") {
    const { family, table, chain } = one.owner;
    const isElsewhere = elsewhere.has(`${family} ${table} ${chain}`);
    const doubt = isElsewhere
      ? "the listing has this chain on another hook or interface"
      : isOwnTable(table)
        ? null
        : "no listing has this chain";
    const unread: ChainEntry = {
      ...UNREAD,
      backend: "nft",
      family,
      table,
      name: chain,
      isOwn: isOwnTable(table),
    };
    return { ...entry, chain: unread, doubt };
  }
  const legacy = xtablesTable(one);
  if (legacy === null) return entry;
  const { table, chain } = legacy;
  const unread: ChainEntry = {
    ...UNREAD,
    backend: "xtables",
    isIptables: true,
    family: one.family,
    table,
    name: chain,
  };
  return { ...entry, chain: unread, doubt: "a legacy table whose rules were not read" };
}

function natInside(
  one: HookFunction,
  chains: readonly ListedChain[],
  evidence: Evidence,
): readonly HookEntry[] {
  if (knownFunction(one.name).role !== "nat") return [];
  const asked = chains.filter((chain) => chain.base.type === "nat").toReversed();
  const entries = asked.map((chain) => chainEntry(chain, evidence, chain.isDormant ? DORMANT : null));
  return withUnknownOrder(entries.sort(byPriority));
}

/** Where listings leave the order open, it is at least the same for the same listings: legacy first. */
function byPriority(a: HookEntry, b: HookEntry): number {
  return a.priority - b.priority || Number(a.role === "nft") - Number(b.role === "nft");
}

/** Of chains that share a priority nobody can tell from listings which comes first. */
function withUnknownOrder(entries: readonly HookEntry[]): readonly HookEntry[] {
  const sharing = new Map<number, number>();
  for (const { priority } of entries) sharing.set(priority, (sharing.get(priority) ?? 0) + 1);
  return entries.map((entry) => ({ ...entry, isOrderUnknown: (sharing.get(entry.priority) ?? 0) > 1 }));
}

/** Chains that are called, those that nat asks included, from both worlds. nfpath's own only watch. */
function bothDecide(entries: readonly HookEntry[]): boolean {
  let hasLegacy = false;
  let hasNft = false;
  for (const entry of entries.flatMap((one) => [one, ...one.inside])) {
    if (entry.chain === null || entry.chain.isOwn || isNotCalled(entry)) continue;
    if (entry.chain.backend === "nft") hasNft = true;
    else hasLegacy = true;
  }
  return hasLegacy && hasNft;
}
