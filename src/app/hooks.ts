/**
 * `nfpath hooks`: who runs first, on this host or in the rulesets that somebody sent.
 *
 * Live, the kernel's own list of hooks is asked for where the kernel hands it out; the rules explain it.
 */
import { LineSplitter } from "../core/base/lines.ts";
import { ok, type Result, refused } from "../core/base/result.ts";
import { isProbablyBinary } from "../core/base/text.ts";
import { type HookMap, mapHooks, NO_KERNEL } from "../core/hooks/hook-map.ts";
import type { PacketFamily } from "../core/netfilter/family.ts";
import type { Ruleset } from "../core/rulesets/ruleset.ts";
import { type ReadRulesets, RulesetReader } from "../core/rulesets/ruleset-reader.ts";
import { missingCapabilities } from "../linux/capabilities.ts";
import { readHookFunctions } from "../linux/hook-list.ts";
import { findNetns } from "../linux/netns.ts";
import { readDormantTables } from "../linux/nft-tables.ts";
import type { TextInput } from "../sources/text-input.ts";
import { ofHost } from "./host-refusal.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { readRules } from "./rules.ts";

export interface HooksReport {
  readonly maps: readonly HookMap[];
  /** For a person: what could not be read, and what that means for the answer. */
  readonly notes: readonly string[];
}

/** Namespaces of this host; null is the one nfpath runs in. Changes nothing. */
export async function hooksOfHost(netns: readonly (string | null)[]): Promise<Result<HooksReport, Refusal>> {
  const refusedBy = whyNot(netns);
  if (refusedBy !== null) return refused(refusedBy);
  const maps: HookMap[] = [];
  const notes = new Set<string>();
  for (const name of netns) {
    if (name !== null) {
      const found = findNetns(name);
      if (!found.ok) return refused(ofHost(found.error));
    }
    // The kernel's list first: a table that is made between the two readings shows as unlisted, not as dead.
    const functions = readHookFunctions(name);
    if (!functions.ok) {
      if (functions.error.kind !== "kernel-lacks") return refused(ofHost(functions.error));
      notes.add(`${functions.error.message}; ${functions.error.hint}`);
    }
    const rules = await readRules(name);
    if (!rules.ok) return refused(ofHost(rules.error));
    for (const error of rules.value.refusals) notes.add(`rules not read: ${error.message}; ${error.hint}`);
    const dormantTables = readDormantTables(name);
    maps.push(
      mapHooks(name, rules.value.rulesets, {
        functions: functions.ok ? functions.value : null,
        dormantTables,
      }),
    );
  }
  return ok({ maps, notes: [...notes] });
}

/** Rulesets from files, as one host's. */
export async function hooksOfFiles(
  inputs: readonly TextInput[],
  ruleInputs: readonly TextInput[],
): Promise<Result<HooksReport, Refusal>> {
  const rulesets: Ruleset[] = [];
  const notes: string[] = [];
  for (const input of [...ruleInputs, ...inputs]) {
    const read = await readRulesOf(input, ruleInputs.includes(input));
    if (!read.ok) return read;
    rulesets.push(...read.value.rulesets);
    for (const { problems } of [read.value, ...read.value.rulesets])
      for (const { line, text, reason } of problems)
        notes.push(`${input.name}:${line ?? "?"}: ${reason}: ${text}`);
  }
  const map = mapHooks(null, rulesets, NO_KERNEL);
  if (map.stations.every((station) => station.entries.length === 0))
    return refused(whyNothing(inputs, ruleInputs, rulesets));
  return ok({ maps: [map], notes });
}

/** What `--family` leaves of a map: inet's chains serve both IP families. */
export function onlyFamily(map: HookMap, family: PacketFamily | "inet"): HookMap {
  const kept = family === "inet" ? ["ip", "ip6"] : [family];
  return { ...map, stations: map.stations.filter((station) => kept.includes(station.family)) };
}

function whyNot(netns: readonly (string | null)[]): Refusal | null {
  if (process.platform !== "linux")
    return refusal(3, "this host is not Linux", "give rulesets as files: nfpath hooks rules.txt");
  const needed = netns.some((name) => name !== null)
    ? (["CAP_NET_ADMIN", "CAP_SYS_ADMIN"] as const)
    : (["CAP_NET_ADMIN"] as const);
  const missing = missingCapabilities(needed);
  if (missing.length === 0) return null;
  return refusal(
    3,
    `reading a host's rules needs ${missing.join(" and ")}`,
    "run it with sudo, or give rulesets as files: nfpath hooks rules.txt",
  );
}

async function readRulesOf(input: TextInput, force: boolean): Promise<Result<ReadRulesets, Refusal>> {
  const reader = new RulesetReader({ input: input.name, netns: null, force });
  const splitter = new LineSplitter((text, line, cut) => {
    if (cut === 0) reader.read(text, line);
  }, LONGEST_LINE);
  let isFirst = true;
  try {
    for await (const chunk of input.chunks()) {
      if (isFirst && isProbablyBinary(chunk.slice(0, 8192))) {
        return refused(
          refusal(
            2,
            `${input.name}: a binary file, not text`,
            "give the output of nft list ruleset or iptables-save",
          ),
        );
      }
      isFirst = false;
      splitter.push(chunk);
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return refused(refusal(2, `${input.name}: ${why}`, "check the device, or copy the file elsewhere first"));
  }
  splitter.end();
  return ok({ rulesets: reader.end(), problems: reader.problems });
}

/** `nft -j list ruleset` is one line, however long. */
const LONGEST_LINE = 256 * 1024 * 1024;

function whyNothing(
  inputs: readonly TextInput[],
  ruleInputs: readonly TextInput[],
  rulesets: readonly Ruleset[],
): Refusal {
  const names = [...ruleInputs, ...inputs].map((input) => input.name).join(", ");
  const hint = "give the output of nft list ruleset, iptables-save or iptables -S";
  if (rulesets.some((ruleset) => ruleset.format === "iptables-commands"))
    return refusal(2, `${names}: commands that change rules, but no listing of what came of them`, hint);
  return rulesets.length > 0
    ? refusal(2, `${names}: rules, but no base chain: nothing says where they are hung`, hint)
    : refusal(2, `${names}: no rules in it`, hint);
}
