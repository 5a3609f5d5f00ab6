/**
 * Where a namespace's legacy steps are read: from netlink, whole packets included, or, where NFLOG group 0 has another reader or
 * does not exist, from the kernel log.
 *
 * The kernel log is the host's. What a namespace other than the first says goes there only while `nf_log_all_netns` is 1
 * (`nf_log_dump_packet_common`'s callers, `net/netfilter/nf_log_syslog.c`), and no line names its namespace.
 */
import { accessSync, constants } from "node:fs";
import { ok, type Result, refused } from "../core/base/result.ts";
import { LEGACY_LOGGER } from "../core/plans/trace-plan.ts";
import { readKernel } from "../linux/kernel.ts";
import { inNetns } from "../linux/netns.ts";
import { netnsInode } from "../linux/netns-identity.ts";
import { loggerSetting } from "../linux/nf-log.ts";
import { nflogGroupHolder } from "../linux/nflog-groups.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";
import { isSystemError, readSysctl } from "../linux/sysctl.ts";
import { type JournalFile, settingsOf, stateOfRun } from "../linux/undo/journal.ts";

const KERNEL_LOG = "/dev/kmsg";
const TRACE_GROUP = 0;

export type LegacyReader =
  | { readonly kind: "netlink" }
  /** `why`: for a person. */
  | { readonly kind: "kernel-log"; readonly why: string };

/** The reader for a namespace with legacy tables in use. `runs`: what other runs of nfpath hold. Reads only. */
export function chooseLegacyReader(
  netns: string | null,
  runs: readonly JournalFile[],
): Result<LegacyReader, HostRefusal> {
  const others = otherReaders(netns, runs);
  // A second reader of the kernel log takes nothing from the first; another logger would take all.
  if (others.has("kernel-log")) return kernelLog(netns, "another run of nfpath reads the kernel log");
  const holder = inNetns(netns, () => nflogGroupHolder(TRACE_GROUP));
  if (holder !== null) {
    const why = `NFLOG group ${TRACE_GROUP}${where(netns)} already has its one reader: ${holder}`;
    if (!others.has("netlink")) return kernelLog(netns, why);
    return refused(taken(why, "wait for that run of nfpath, or trace both filters in one"));
  }
  if (readKernel().nfnetlinkLog === false) return kernelLog(netns, "this kernel has no nfnetlink_log");
  return ok({ kind: "netlink" });
}

function kernelLog(netns: string | null, why: string): Result<LegacyReader, HostRefusal> {
  const isFirst = inNetns(netns, () => readSysctl(ALL_NETNS) !== null);
  if (!isFirst && readSysctl(ALL_NETNS) !== "1") {
    return refused(
      taken(
        why,
        `end that reader or give it another group, and trace again; or let the kernel log have what this namespace says, ` +
          `in the first namespace: sysctl -w ${ALL_NETNS}=1`,
      ),
    );
  }
  const errno = errnoOfReading();
  if (errno === null) return ok({ kind: "kernel-log", why });
  return refused(
    taken(why, `end that reader or give it another group; the kernel log cannot be read instead (${errno})`),
  );
}

const ALL_NETNS = "net.netfilter.nf_log_all_netns";

function taken(message: string, hint: string): HostRefusal {
  return hostRefusal("nflog-group-taken", message, hint);
}

/** Where other living runs of nfpath have sent this namespace's legacy steps. */
function otherReaders(netns: string | null, runs: readonly JournalFile[]): ReadonlySet<LegacyReader["kind"]> {
  const inode = netnsInode(netns);
  const names = [loggerSetting(2), loggerSetting(10)];
  const held = runs
    .filter(({ journal }) => !["dead", "rebooted"].includes(stateOfRun(journal)))
    .flatMap(({ journal }) => settingsOf(journal))
    .filter((setting) => setting.inode === inode && names.includes(setting.revert.name));
  // What it expects to find when it puts the setting back is what it has set.
  return new Set(held.map(({ revert }) => (revert.expected === LEGACY_LOGGER ? "netlink" : "kernel-log")));
}

function errnoOfReading(): string | null {
  try {
    accessSync(KERNEL_LOG, constants.R_OK);
    return null;
  } catch (error) {
    if (isSystemError(error)) return `${KERNEL_LOG}: ${error.code}`;
    throw error;
  }
}

function where(netns: string | null): string {
  return netns === null ? "" : ` in namespace ${netns}`;
}
