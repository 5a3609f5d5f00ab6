/**
 * A trace as a POSIX shell script, for a host without Node: it marks, collects, puts everything back and leaves a directory
 * and a tar of it, which `nfpath explain` reads.
 *
 * What only the host can tell (its tools, its loggers, the run's id and deadline) is decided by the script; what the user
 * said (filter, time, rate) is written into it, each word quoted. It runs in the network namespace it is started in.
 */
import { CAPTURES } from "./captures.ts";
import { LOGGERS } from "./loggers.ts";
import { MAIN } from "./main.ts";
import { MECHANISMS } from "./mechanisms.ts";
import { shellComment, shellQuote, shellWords } from "./shell-words.ts";
import { SNAPSHOT } from "./snapshot.ts";
import { UNDO } from "./undo.ts";

/** One way of saying the filter, or why it cannot be said that way, for a person. */
export type Said<Words> =
  | { readonly ok: true; readonly words: Words }
  | { readonly ok: false; readonly problem: string };

/** Something for each hook at which packets are chosen. */
export interface AtHooks<Item> {
  readonly prerouting: Item;
  readonly output: Item;
}

export interface TraceScriptOptions {
  /** nfpath's version, for the collection's MANIFEST. */
  readonly version: string;
  /** The filter as the user typed it; empty for every packet. */
  readonly filter: string;
  readonly seconds: number;
  readonly ratePerSecond: number;
  /** nft match expressions of which one must hold. */
  readonly nft: Said<AtHooks<readonly string[]>>;
  /** The filter for `tcpdump -y RAW -ddd`, which makes bytecode of it on the host. */
  readonly tcpdump: Said<string>;
  /** Matches of each iptables rule, by family. */
  readonly iptables: Said<Readonly<Record<"ip" | "ip6", AtHooks<readonly (readonly string[])[]>>>>;
  /** Families that the filter can choose packets of. */
  readonly families: readonly ("ip" | "ip6")[];
}

/** The largest rate that `-m limit` takes (`libxt_limit.c`, `parse_rate`). */
const MOST_PER_RULE = 10_000;

/** The whole script. Throws for an nft expression or a number that no parser of ours could have made. */
export function traceScript(options: TraceScriptOptions): string {
  if (!isCount(options.seconds) || !isCount(options.ratePerSecond)) throw new Error("not a whole number");
  return [
    heading(options),
    settings(options),
    nftSelectors(options.nft),
    plainRules(options.iptables),
    UNDO,
    LOGGERS,
    MECHANISMS,
    CAPTURES,
    SNAPSHOT,
    MAIN,
  ]
    .map((part) => part.trim())
    .join("\n\n")
    .concat("\n");
}

function isCount(number: number): boolean {
  return Number.isSafeInteger(number) && number > 0;
}

function heading({ filter, seconds }: TraceScriptOptions): string {
  return `#!/bin/sh
# What does the firewall do to my packets? Run this as root where they are; it ends by itself and leaves
# nfpath-HOST-TIME/ and a tar of it here, for: nfpath explain nfpath-HOST-TIME.tar
${shellComment(`The packets: ${filter === "" ? "all" : filter}`)}
# The time: ${seconds} s.
#
# What it changes, and takes back however it ends:
#   - an nft table of its own (inet nfpath_…); without nft, rules in raw, behind all others, with the comment nfpath:…
#   - net.netfilter.nf_log.2 and .10, where legacy iptables is traced and they do not lead to the reader
#   - a log module (nf_log_syslog, nf_log_ipv4, ipt_LOG), where none is loaded
# What stays: one line in the kernel log where that is read, and an empty raw table where iptables had none.
# TRACE lines in the kernel log also go where it goes: to log files, and to a slow serial console.
#
# NFPATH_MECHANISM=nft|iptables and NFPATH_CAPTURE=log|nflog choose what it otherwise finds by looking.`;
}

function settings(options: TraceScriptOptions): string {
  const { version, filter, seconds, ratePerSecond, nft, tcpdump, iptables, families } = options;
  const values: readonly (readonly [string, string])[] = [
    ["version", version],
    ["filter", filter.replaceAll(/\s+/g, " ")],
    ["seconds", `${seconds}`],
    ["rate", `${ratePerSecond}`],
    ["rule_rate", `${Math.min(ratePerSecond, MOST_PER_RULE)}`],
    ["families", families.map((family) => (family === "ip" ? "4" : "6")).join(" ")],
    ["tcpdump_filter", tcpdump.ok ? tcpdump.words : ""],
    ["nft_problem", nft.ok ? "" : nft.problem],
    ["plain_problem", iptables.ok ? "" : iptables.problem],
  ];
  return values.map(([name, value]) => `${name}=${value === "" ? "" : shellQuote(value)}`).join("\n");
}

/** nft would take these for the end of a rule, a comment or a quotation. */
const BREAKS_OUT = /[;\n\r\0#\\{}]/;

function nftSelectors(nft: TraceScriptOptions["nft"]): string {
  const lines = [
    "# The packets in nft's words, for the table's file.",
    "nft_selectors() { # HOOK",
    "  case $1 in",
  ];
  for (const hook of ["prerouting", "output"] as const) {
    lines.push(`    ${hook})`);
    for (const expression of nft.ok ? nft.words[hook] : []) {
      const rule = `    ${expression.trim()} goto chosen`.replace(/ {5,}/, "    ");
      if (BREAKS_OUT.test(expression.replaceAll(/\{[^{}]*\}/g, "")))
        throw new Error(`not a match: ${expression}`);
      lines.push(`      printf '%s\\n' ${shellQuote(rule)}`);
    }
    lines.push("      ;;");
  }
  return [...lines, "  esac", "}"].join("\n");
}

function plainRules(iptables: TraceScriptOptions["iptables"]): string {
  const lines = ["# The packets in iptables' own words.", "plain_rules() { # FAMILY CHAIN", "  case $1$2 in"];
  for (const family of ["ip", "ip6"] as const) {
    for (const hook of ["prerouting", "output"] as const) {
      const chain = hook.toUpperCase();
      lines.push(`    ${family === "ip" ? 4 : 6}${chain})`);
      for (const match of iptables.ok ? iptables.words[family][hook] : []) {
        lines.push(`      add_rule ${shellWords([chain, ...match])} || return 1`);
      }
      lines.push("      ;;");
    }
  }
  return [...lines, "  esac", "}"].join("\n");
}
