/**
 * What the kernel tells in files: settings, counters, conntrack's numbers. Read directly, which takes a few milliseconds where
 * `sysctl -a` and `nstat` take hundreds. /proc shows the namespace of the thread that opens a file.
 */
import { readdirSync, readFileSync } from "node:fs";
import {
  decodeConntrackStats,
  decodeCounterLines,
  decodeCounterPairs,
  decodeLinkCounters,
  decodePacketQueues,
} from "../../core/hosts/decode/counters.ts";
import { decodeMulticastFiles } from "../../core/hosts/decode/multicast.ts";
import { nameOfFile, plainValue } from "../../core/hosts/decode/settings.ts";
import type { HostDraft } from "../../core/hosts/host-draft.ts";
import { isSystemError } from "../sysctl.ts";
import { OF_INTERFACES, SECRET, SINGLE_SETTINGS, WHOLE_FOLDERS } from "./setting-names.ts";

/** Of the calling thread's namespace. */
export function readKernelFiles(draft: HostDraft): void {
  readSettings(draft);
  readCounters(draft);
  readConntrack(draft);
  readPacketQueues(draft);
  readMulticastGroups(draft);
}

function readSettings(draft: HostDraft): void {
  let count = 0;
  const take = (path: string) => {
    const value = textOf(`/proc/sys/${path}`);
    if (value === null) return;
    count++;
    draft.setting(nameOfFile(path), plainValue(value));
  };
  for (const folder of WHOLE_FOLDERS) {
    for (const entry of entriesOf(`/proc/sys/${folder}`))
      if (entry.isFile() && !SECRET.has(entry.name)) take(`${folder}/${entry.name}`);
  }
  for (const path of SINGLE_SETTINGS) take(path);
  for (const [folder, names] of Object.entries(OF_INTERFACES)) {
    for (const entry of entriesOf(`/proc/sys/${folder}`))
      for (const name of names) take(`${folder}/${entry.name}/${name}`);
  }
  if (count === 0)
    draft.absent("settings", "/proc/sys/net cannot be read", "mount /proc, or run it on the host itself");
}

const NET = "/proc/thread-self/net";

function readCounters(draft: HostDraft): void {
  const snmp = textOf(`${NET}/snmp`);
  const links = textOf(`${NET}/dev`);
  if (snmp === null) draft.absent("counters", `${NET}/snmp cannot be read`, null);
  else {
    const more = decodeCounterPairs(textOf(`${NET}/netstat`) ?? "");
    // Absent where the kernel has no IPv6.
    const ipv6 = decodeCounterLines(textOf(`${NET}/snmp6`) ?? "");
    draft.counters({ ...decodeCounterPairs(snmp), ...more, ...ipv6 });
  }
  if (links === null) draft.absent("link counters", `${NET}/dev cannot be read`, null);
  else draft.linkCounters(decodeLinkCounters(links));
}

function readConntrack(draft: HostDraft): void {
  const number = (name: string) => {
    const text = textOf(`/proc/sys/net/netfilter/${name}`)?.trim();
    return text === undefined || !/^\d+$/.test(text) ? null : Number(text);
  };
  const count = number("nf_conntrack_count");
  const max = number("nf_conntrack_max");
  if (count === null && max === null) {
    draft.absent("conntrack", "the kernel has no conntrack loaded, or does not show it here", null);
    return;
  }
  const stats = textOf(`${NET}/stat/nf_conntrack`);
  if (stats === null)
    draft.absent("conntrack", `its statistics (${NET}/stat/nf_conntrack) cannot be read`, null);
  draft.conntrack({
    count,
    max,
    buckets: number("nf_conntrack_buckets"),
    stats: stats === null ? null : decodeConntrackStats(stats),
  });
}

/** Without nfnetlink_queue nobody can listen, and its file is not there. */
function readPacketQueues(draft: HostDraft): void {
  const folder = entriesOf(`${NET}/netfilter`);
  const isThere = folder.some(({ name }) => name === "nfnetlink_queue");
  const text = isThere ? textOf(`${NET}/netfilter/nfnetlink_queue`) : "";
  if (folder.length === 0 || text === null)
    draft.absent("packet queues", `${NET}/netfilter/nfnetlink_queue cannot be read`, "run it as root");
  else draft.packetQueues(decodePacketQueues(text));
}

/** Absent where the kernel has no IP_MULTICAST; igmp6 where it has no IPv6. */
function readMulticastGroups(draft: HostDraft): void {
  const igmp = textOf(`${NET}/igmp`);
  if (igmp === null) draft.absent("multicast groups", `${NET}/igmp cannot be read`, null);
  else {
    const igmp6 = textOf(`${NET}/igmp6`) ?? "";
    draft.multicastGroups(decodeMulticastFiles({ igmp, igmp6, mcfilter: textOf(`${NET}/mcfilter`) }));
  }
}

/** Null for a file that is not there, may not be read, or refuses to be. */
function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

function entriesOf(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}
