/**
 * Who reads which nfnetlink_log group: /proc/net/netfilter/nfnetlink_log and the netlink sockets' inodes.
 *
 * The kernel names the reader by its netlink port. A process's first socket gets the process number as its port, later ones
 * a random number, so the port alone proves nothing: the socket's inode is looked for among the open files of processes.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isSystemError } from "./sysctl.ts";

export interface NflogGroup {
  readonly group: number;
  /** Netlink port of its one reader. */
  readonly port: number;
  /** The process with that socket; null where none can be seen (another pid namespace, not permitted). */
  readonly holder: GroupHolder | null;
}

export interface GroupHolder {
  readonly pid: number;
  /** As the kernel knows it: at most 15 characters. */
  readonly name: string;
  /** The systemd service it belongs to (`ulogd2.service`); null when it is none's. */
  readonly service: string | null;
}

/** The groups that have a reader in the calling thread's namespace; null where that may not be seen (it needs root). */
export function nflogGroups(): readonly NflogGroup[] | null {
  const text = readOpenOrNull("/proc/thread-self/net/netfilter/nfnetlink_log");
  if (text === null) return null;
  const groups: NflogGroup[] = [];
  for (const line of text.split("\n")) {
    const [group, port] = line.trim().split(/\s+/);
    if (group === undefined || port === undefined) continue;
    groups.push({ group: Number(group), port: Number(port), holder: holderOfPort(Number(port)) });
  }
  return groups;
}

/**
 * Who holds a group in the calling thread's namespace: `ulogd (process 812)`, or the port number where no process with that
 * socket can be seen; null when nobody does.
 */
export function nflogGroupHolder(group: number): string | null {
  const taken = nflogGroups()?.find((entry) => entry.group === group);
  return taken === undefined ? null : holderWords(taken);
}

/** The reader of a group for a person. */
export function holderWords({ port, holder }: NflogGroup): string {
  return holder === null ? `netlink port ${port}` : `${holder.name} (process ${holder.pid})`;
}

const NETFILTER_PROTOCOL = "12";

function holderOfPort(port: number): GroupHolder | null {
  const inode = inodeOfPort(port);
  const pid = inode === null ? null : processWithSocket(inode);
  if (pid === null) return null;
  return {
    pid,
    name: readText(`/proc/${pid}/comm`)?.trim() ?? "a program",
    service: serviceOf(readText(`/proc/${pid}/cgroup`) ?? ""),
  };
}

/** The last part of a control group's path, when it is a service of the system: a login's own manager is none. */
export function serviceOf(cgroup: string): string | null {
  const [, service] = /\/([^/\n]+\.service)$/m.exec(cgroup) ?? [];
  return service === undefined || service.startsWith("user@") ? null : service;
}

function inodeOfPort(port: number): string | null {
  for (const line of readText("/proc/thread-self/net/netlink")?.split("\n") ?? []) {
    const columns = line.trim().split(/\s+/);
    if (columns[1] === NETFILTER_PROTOCOL && columns[2] === String(port)) return columns.at(-1) ?? null;
  }
  return null;
}

function processWithSocket(inode: string): number | null {
  const wanted = `socket:[${inode}]`;
  for (const pid of readDirectory("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const fds = `/proc/${pid}/fd`;
    for (const fd of readDirectory(fds)) {
      if (readLink(`${fds}/${fd}`) === wanted) return Number(pid);
    }
  }
  return null;
}

/** Empty where the file is absent, since then no group exists; null where it may not be read. */
function readOpenOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return error.code === "ENOENT" ? "" : null;
  }
}

/** /proc is a view of things that come and go: what is not there any more is not there. */
function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function readDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
