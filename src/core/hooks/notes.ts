/** What a person should know about a map of hooks beyond the order: both backends at once, dead listings, strangers. */
import type { PacketFamily } from "../netfilter/family.ts";
import { type HookEntry, isNotCalled } from "./hook-entry.ts";
import type { HookMap, Station } from "./hook-map.ts";

export interface HookNote {
  readonly kind: "implied" | "both-backends" | "not-called" | "not-listed" | "stranger" | "order-unknown";
  readonly severity: "info" | "warning";
  /** One or two sentences. May hold names from the host. */
  readonly text: string;
}

export function hookNotes(map: HookMap): readonly HookNote[] {
  return [...bothBackends(map), ...doubts(map), ...strangers(map), ...orderUnknown(map), ...implied(map)];
}

function bothBackends({ stations }: HookMap): readonly HookNote[] {
  const notes: HookNote[] = [];
  for (const family of families(stations)) {
    const both = stations.filter((station) => station.family === family && station.isBoth);
    if (both.length === 0) continue;
    const entries = both.flatMap((station) => station.entries.flatMap((entry) => [entry, ...entry.inside]));
    const hooks = both.map((station) => station.hook).join(", ");
    const legacy = decides(entries, (backend) => backend !== "nft");
    const nft = decides(entries, (backend) => backend === "nft");
    notes.push({
      kind: "both-backends",
      severity: "warning",
      text:
        `both backends are in force at ${family} ${hooks}: legacy iptables (${legacy}) and nft (${nft}). ` +
        "A packet has to pass both: what one accepts the other can still drop",
    });
  }
  return notes;
}

/** `12 rules`, or `no rules, all accept`. */
function decides(entries: readonly HookEntry[], is: (backend: "xtables" | "nft" | null) => boolean): string {
  let rules = 0;
  let isKnown = true;
  let drops = false;
  for (const { chain } of entries) {
    if (chain === null || chain.isOwn || !is(chain.backend)) continue;
    if (chain.rules === null) isKnown = false;
    rules += chain.rules ?? 0;
    drops ||= chain.policy === "drop";
  }
  if (!isKnown) return "its rules were not all read";
  if (rules === 0) return drops ? "no rules, but a policy that drops" : "no rules, all accept";
  return `${count(rules, "rule")}${drops ? ", a policy that drops" : ""}`;
}

function doubts({ stations }: HookMap): readonly HookNote[] {
  const notCalled = new Set<string>();
  const notListed = new Set<string>();
  for (const entry of allEntries(stations)) {
    if (entry.doubt === null || entry.chain === null) continue;
    const { family, table, name } = entry.chain;
    (isNotCalled(entry) ? notCalled : notListed).add(`${family} ${table} ${name}`);
  }
  const notes: HookNote[] = [];
  if (notCalled.size > 0) {
    notes.push({
      kind: "not-called",
      severity: "warning",
      text: `listed, but not called, so their rules do nothing: ${[...notCalled].join("; ")}`,
    });
  }
  if (notListed.size > 0) {
    notes.push({
      kind: "not-listed",
      severity: "warning",
      text: `the kernel and the listings do not agree about ${[...notListed].join("; ")}`,
    });
  }
  return notes;
}

const EXPLAINED: ReadonlySet<string> = new Set([
  "defrag",
  "conntrack",
  "nat",
  "nft",
  "xtables",
  "bridge-netfilter",
]);

/** Functions that can stop or change a packet and stand in no ruleset. */
function strangers({ stations }: HookMap): readonly HookNote[] {
  const names = new Map<string, string[]>();
  for (const { family, hook, device, entries } of stations) {
    for (const entry of entries) {
      if (EXPLAINED.has(entry.role)) continue;
      const name = strangerName(entry);
      const places = names.get(name) ?? [];
      const place = `${device ?? family} ${hook}`;
      if (!places.includes(place)) places.push(place);
      names.set(name, places);
    }
  }
  if (names.size === 0) return [];
  const words = [...names].map(([name, places]) => `${name} (${places.join(", ")})`);
  return [{ kind: "stranger", severity: "info", text: `in no ruleset: ${words.join("; ")}` }];
}

function strangerName(entry: HookEntry): string {
  if (entry.bpfProgram !== null) return `bpf program ${entry.bpfProgram}`;
  if (entry.flowtable !== null) return `flowtable ${entry.flowtable.table} ${entry.flowtable.name}`;
  return entry.function ?? "a function without a name";
}

function orderUnknown({ stations }: HookMap): readonly HookNote[] {
  const places = new Set<string>();
  for (const { family, hook, entries } of stations) {
    if (entries.some((entry) => entry.isOrderUnknown)) places.add(`${family} ${hook}`);
    if (entries.some((entry) => entry.inside.some((one) => one.isOrderUnknown)))
      places.add(`${family} ${hook} (nat)`);
  }
  if (places.size === 0) return [];
  return [
    {
      kind: "order-unknown",
      severity: "info",
      text:
        `chains share a priority at ${[...places].join(", ")}: the kernel calls the one first that was registered last, ` +
        "which no listing tells; marked =",
    },
  ];
}

function implied({ stations }: HookMap): readonly HookNote[] {
  const names = new Set<string>();
  for (const { role, evidence } of allEntries(stations)) if (evidence === "implied") names.add(role);
  if (names.size === 0) return [];
  const text = `the rules need ${[...names].join(", ")}, whose places are fixed; what no rule asks for is not seen`;
  return [{ kind: "implied", severity: "info", text }];
}

function allEntries(stations: readonly Station[]): readonly HookEntry[] {
  return stations.flatMap((station) => station.entries.flatMap((entry) => [entry, ...entry.inside]));
}

function families(stations: readonly Station[]): ReadonlySet<PacketFamily> {
  return new Set(stations.map((station) => station.family));
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
