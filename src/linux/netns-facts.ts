/**
 * What a network namespace is like, as far as it matters to tracing: where its log events go, who reads them, which legacy
 * tables it has, its bridges. Its rules are read by `ruleset-texts.ts`.
 *
 * `null` stands for "cannot be told from here" in every field; most of them need root.
 */
import { readFileSync } from "node:fs";
import { ok, type Result, refused } from "../core/base/result.ts";
import { parseLoggers } from "./kernel.ts";
import type { LegacyFamily } from "./legacy-tables.ts";
import { SystemCallError } from "./libc.ts";
import { findNetns, inNetns } from "./netns.ts";
import { type LoggedFamily, readLogger } from "./nf-log.ts";
import { type NflogGroup, nflogGroups } from "./nflog-groups.ts";
import { runSuccessfully } from "./process.ts";
import { type HostRefusal, hostRefusal } from "./refusal.ts";
import { isSystemError, readSysctl } from "./sysctl.ts";

export interface NetnsFacts {
  readonly netns: string | null;
  /** Whether it is the host's first one, whose LOG and TRACE lines reach the kernel log unasked. */
  readonly isFirst: boolean;
  /** `net.netfilter.nf_log.N`: `NONE`, `nf_log_ipv4`, `nfnetlink_log` … */
  readonly loggers: Readonly<Record<LoggedFamily, string | null>>;
  /** The loggers that the kernel has loaded for each family. */
  readonly loadedLoggers: Readonly<Record<number, readonly string[]>>;
  readonly nflogGroups: readonly NflogGroup[] | null;
  /** Names of the legacy tables that exist. */
  readonly legacyTables: Readonly<Record<LegacyFamily, readonly string[] | null>>;
  readonly bridges: readonly Bridge[] | null;
  /** `net.bridge.bridge-nf-call-iptables` and `…-ip6tables`; null where br_netfilter is not loaded. */
  readonly bridgeCalls: Readonly<Record<LegacyFamily, boolean | null>>;
}

export interface Bridge {
  readonly name: string;
  /** Set on the bridge itself: its packets pass the IP chains whatever the namespace's setting says. */
  readonly calls: Readonly<Record<LegacyFamily, boolean>>;
}

/** Refused when the namespace does not exist or may not be entered. */
export async function readNetnsFacts(netns: string | null): Promise<Result<NetnsFacts, HostRefusal>> {
  if (netns !== null) {
    const found = findNetns(netns);
    if (!found.ok) return found;
  }
  const inside = readInside(netns);
  if (!inside.ok) return inside;
  const links = await runSuccessfully("ip", ["-json", "-details", "link", "show"], { netns });
  return ok({ ...inside.value, bridges: links.ok ? parseBridges(links.value) : null });
}

function readInside(netns: string | null): Result<Omit<NetnsFacts, "bridges">, HostRefusal> {
  try {
    return ok(inNetns(netns, () => readHere(netns)));
  } catch (error) {
    if (!(error instanceof SystemCallError) && !isSystemError(error)) throw error;
    return refused(
      hostRefusal(
        "not-permitted",
        `this process may not enter the namespace ${netns} (${error.code})`,
        "run it as root: sudo nfpath doctor …",
      ),
    );
  }
}

function readHere(netns: string | null): Omit<NetnsFacts, "bridges"> {
  return {
    netns,
    isFirst: readSysctl("net.netfilter.nf_log_all_netns") !== null,
    loggers: { 2: readLogger(2), 10: readLogger(10) },
    loadedLoggers: parseLoggers(readIfThere("/proc/thread-self/net/netfilter/nf_log") ?? ""),
    nflogGroups: nflogGroups(),
    legacyTables: {
      ip: linesOf("/proc/thread-self/net/ip_tables_names"),
      ip6: linesOf("/proc/thread-self/net/ip6_tables_names"),
    },
    bridgeCalls: {
      ip: switchOf("net.bridge.bridge-nf-call-iptables"),
      ip6: switchOf("net.bridge.bridge-nf-call-ip6tables"),
    },
  };
}

/** Bridges in the output of `ip -json -details link show`; null when it is none. */
export function parseBridges(json: string): readonly Bridge[] | null {
  const links = parseJson(json);
  if (!Array.isArray(links)) return null;
  const bridges: Bridge[] = [];
  for (const link of links) {
    if (link?.linkinfo?.info_kind !== "bridge" || typeof link.ifname !== "string") continue;
    const data = link.linkinfo.info_data;
    bridges.push({
      name: link.ifname,
      calls: { ip: data?.nf_call_iptables === 1, ip6: data?.nf_call_ip6tables === 1 },
    });
  }
  return bridges;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function switchOf(setting: string): boolean | null {
  const value = readSysctl(setting);
  return value === null ? null : value !== "0";
}

/** Empty where the file is absent: then the kernel has no such tables here. */
function linesOf(path: string): readonly string[] | null {
  return readIfThere(path)?.split("\n").filter(Boolean) ?? null;
}

/** Empty where there is no such file, null where it may not be read. */
function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return error.code === "ENOENT" ? "" : null;
  }
}
