/**
 * What this kernel has of what tracing needs, found out without changing it: no module is loaded by asking.
 *
 * `null` stands for "cannot be told from here": a container often shows neither the configuration nor the modules.
 */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";
import { isSystemError } from "./sysctl.ts";

export interface Kernel {
  readonly isLinux: boolean;
  /** `6.18.44`, as `uname -r` has it. */
  readonly release: string;
  readonly nfTables: boolean | null;
  readonly nfnetlinkLog: boolean | null;
  /** Whether legacy iptables can trace at all: its code is compiled only with CONFIG_NETFILTER_XT_TARGET_TRACE. */
  readonly xtTrace: boolean | null;
  /** The loggers of each family that are loaded, from /proc/net/netfilter/nf_log: `nf_log_ipv4`, `nfnetlink_log`. */
  readonly loggers: Readonly<Record<number, readonly string[]>>;
}

/** Everything this kernel tells about itself without being asked for more. */
export function readKernel(): Kernel {
  const config = readConfig();
  const option = (name: string): boolean | null => (config === null ? null : isEnabled(config, name));
  const loggers = parseLoggers(readOrNull("/proc/thread-self/net/netfilter/nf_log") ?? "");
  return {
    isLinux: process.platform === "linux",
    release: release(),
    nfTables: existsSync("/sys/module/nf_tables") ? true : option("CONFIG_NF_TABLES"),
    nfnetlinkLog: Object.values(loggers).some((names) => names.includes("nfnetlink_log"))
      ? true
      : option("CONFIG_NETFILTER_NETLINK_LOG"),
    xtTrace: option("CONFIG_NETFILTER_XT_TARGET_TRACE"),
    loggers,
  };
}

/** The first release with `flags owner`: tables that the kernel removes with the process that made them. */
const OWNER_TABLES = [5, 12] as const;

/** Whether nft tables of this release can vanish with their owner; null for a release that is no number. */
export function hasOwnerTables(release: string): boolean | null {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  if (major === undefined || minor === undefined) return null;
  const [first, second] = OWNER_TABLES;
  return Number(major) > first || (Number(major) === first && Number(minor) >= second);
}

/** ` 2 nf_log_ipv4 (nf_log_ipv4,nfnetlink_log)`: family, logger in use, loggers loaded. */
export function parseLoggers(text: string): Record<number, readonly string[]> {
  const loggers: Record<number, readonly string[]> = {};
  for (const line of text.split("\n")) {
    const match = /^\s*(\d+) \S+ \(([^)]*)\)/.exec(line);
    if (match) loggers[Number(match[1])] = (match[2] ?? "").split(",").filter(Boolean);
  }
  return loggers;
}

/** Built in or a module, in a `.config` text. */
export function isEnabled(config: string, option: string): boolean {
  return config.includes(`\n${option}=y`) || config.includes(`\n${option}=m`);
}

function readConfig(): string | null {
  try {
    if (existsSync("/proc/config.gz")) return gunzipSync(readFileSync("/proc/config.gz")).toString("latin1");
    return readFileSync(`/boot/config-${release()}`, "latin1");
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}
