/**
 * The rules in force, as the host's own tools write them: nothing is loaded, created or changed by asking.
 *
 * Legacy iptables is asked only where it is already in use. `iptables-legacy-save` opens the tables that
 * /proc/net/ip_tables_names lists, while naming a table would create it.
 */
import { ok, type Result } from "../core/base/result.ts";
import { isOwnTable } from "../core/plans/own-table.ts";
import { isLegacyInUse, type LegacyFamily } from "./legacy-tables.ts";
import { findNetns, inNetns } from "./netns.ts";
import { runSuccessfully } from "./process.ts";
import { findProgram } from "./programs.ts";
import { type HostRefusal, hostRefusal } from "./refusal.ts";

export interface RulesetText {
  /** What was run, as a person would type it. */
  readonly command: string;
  /** Name for the text as an input: the command, and the namespace where there is one. */
  readonly input: string;
  readonly text: string;
}

export interface RulesetTexts {
  readonly texts: readonly RulesetText[];
  /** Commands that did not work, each with the reason: rules may be missing. */
  readonly refusals: readonly HostRefusal[];
}

interface Listing {
  readonly program: string;
  readonly args: readonly string[];
  /** Legacy tables of this family must be in use for it to be asked. */
  readonly legacy: LegacyFamily | null;
}

const LISTINGS: readonly Listing[] = [
  { program: "nft", args: ["-j", "-a", "list", "ruleset"], legacy: null },
  { program: "iptables-legacy-save", args: ["-c"], legacy: "ip" },
  { program: "ip6tables-legacy-save", args: ["-c"], legacy: "ip6" },
  { program: "iptables-nft-save", args: ["-c"], legacy: null },
  { program: "ip6tables-nft-save", args: ["-c"], legacy: null },
];

const LEGACY_HIDDEN = hostRefusal(
  "not-permitted",
  "which tables of legacy iptables there are is shown to root, or with CAP_DAC_READ_SEARCH and CAP_NET_RAW",
  "run nfpath as root",
);

/**
 * Reads the rules of a namespace (null: our own), without nfpath's own tables. A tool that is not installed is left out;
 * refused when the namespace does not exist.
 */
export async function readRulesetTexts(netns: string | null): Promise<Result<RulesetTexts, HostRefusal>> {
  if (netns !== null) {
    const found = findNetns(netns);
    if (!found.ok) return found;
  }
  const inUse = inNetns(netns, () => ({
    ip: isLegacyInUse("ip"),
    ip6: isLegacyInUse("ip6"),
  }));
  const texts: RulesetText[] = [];
  const refusals: HostRefusal[] = inUse.ip === null || inUse.ip6 === null ? [LEGACY_HIDDEN] : [];
  for (const { program, args, legacy } of LISTINGS) {
    if (findProgram(program) === null || (legacy !== null && inUse[legacy] === false)) continue;
    if (legacy !== null && inUse[legacy] === null) continue;
    const run = await runSuccessfully(program, args, { netns });
    if (!run.ok) {
      refusals.push(run.error);
      continue;
    }
    if (run.value.trim() === "") continue;
    const command = [program, ...args].join(" ");
    texts.push({
      command,
      input: netns === null ? command : `${command} (in ${netns})`,
      text: program === "nft" ? withoutOwnTables(run.value) : run.value,
    });
  }
  return ok({ texts, refusals });
}

/** nft's JSON names the table in every object: in `name` for tables, in `table` for what is inside them. */
export function withoutOwnTables(json: string): string {
  if (!json.includes("nfpath_")) return json;
  const listing: unknown = JSON.parse(json);
  if (!isListing(listing)) return json;
  const kept = listing.nftables.filter((entry) => !isOwnEntry(entry));
  return `${JSON.stringify({ nftables: kept })}\n`;
}

function isListing(value: unknown): value is { readonly nftables: readonly unknown[] } {
  return typeof value === "object" && value !== null && "nftables" in value && Array.isArray(value.nftables);
}

function isOwnEntry(entry: unknown): boolean {
  if (typeof entry !== "object" || entry === null) return false;
  for (const [kind, content] of Object.entries(entry)) {
    const name: unknown = kind === "table" ? content?.name : content?.table;
    if (typeof name === "string" && isOwnTable(name)) return true;
  }
  return false;
}
