/**
 * Which legacy iptables tables are in use in a namespace.
 *
 * A table exists once something has asked for it. /proc/net/ip_tables_names lists those there are and creates none; the file
 * is absent where ip_tables is not loaded.
 */
import { existsSync, readFileSync } from "node:fs";
import { isSystemError } from "./sysctl.ts";

/** `ip`: iptables-legacy, `ip6`: ip6tables-legacy. */
export type LegacyFamily = "ip" | "ip6";

const NAMES: Readonly<Record<LegacyFamily, string>> = {
  ip: "/proc/thread-self/net/ip_tables_names",
  ip6: "/proc/thread-self/net/ip6_tables_names",
};

/** Table names (`filter`, `nat` …) in the calling thread's namespace; empty when legacy iptables is not in use. */
export function legacyTables(family: LegacyFamily): string[] {
  try {
    return readFileSync(NAMES[family], "utf8").split("\n").filter(Boolean);
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}

/**
 * Whether legacy iptables is in use in the calling thread's namespace; null where that may not be seen. The file is root's
 * alone (mode 0440), whatever a process may do to the network otherwise.
 */
export function isLegacyInUse(family: LegacyFamily): boolean | null {
  try {
    return readFileSync(NAMES[family], "utf8").trim() !== "";
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return error.code === "ENOENT" ? false : null;
  }
}

/** Whether the kernel has the code of legacy iptables ready, so that asking for a table does not load it. */
export function isLegacyLoaded(family: LegacyFamily): boolean {
  return existsSync(NAMES[family]);
}
