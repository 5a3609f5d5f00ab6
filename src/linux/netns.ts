/**
 * Network namespaces: naming them, finding them, doing one thing inside one.
 *
 * A namespace is called by the name `ip netns` gave it (a file in /run/netns), by a path, or by `pid:N` for the one a
 * process is in. `setns` moves a single thread; the work is therefore synchronous and on the calling thread.
 */
import { closeSync, existsSync, openSync, readdirSync, statSync } from "node:fs";
import { ok, type Result, refused } from "../core/base/result.ts";
import { CLONE_NEWNET, setns } from "./libc.ts";
import { withRights } from "./privileges.ts";
import { type HostRefusal, hostRefusal } from "./refusal.ts";
import { isSystemError } from "./sysctl.ts";

const NAMED = "/run/netns";
const OWN = "/proc/thread-self/ns/net";

/** The path that stands for a namespace, whether or not it exists; null for the one nfpath runs in. */
export function netnsPath(netns: string | null): string | null {
  if (netns === null) return null;
  if (netns.includes("/")) return netns;
  const pid = /^pid:(\d+)$/.exec(netns);
  return pid === null ? `${NAMED}/${netns}` : `/proc/${pid[1]}/ns/net`;
}

/** Names in /run/netns, sorted. Containers of Docker and Kubernetes are not there unless somebody linked them. */
export function listNetns(): string[] {
  return existsSync(NAMED) ? readdirSync(NAMED).sort() : [];
}

/** The path of an existing namespace; refused with the names there are, or because it may not be looked at. */
export function findNetns(netns: string): Result<string, HostRefusal> {
  const path = netnsPath(netns);
  if (path !== null && !hasDots(netns)) {
    const errno = errnoOfLooking(path);
    if (errno === null) return ok(path);
    if (errno === "EACCES" || errno === "EPERM") return refused(notShown(netns));
  }
  const names = listNetns();
  const there = names.length === 0 ? "/run/netns names none" : `there are: ${names.join(", ")}`;
  return refused(
    hostRefusal(
      "missing-netns",
      `there is no network namespace ${netns}; ${there}`,
      "give a name that `ip netns list` shows, a path, or pid:N for a process in it (a container's first process, say)",
    ),
  );
}

/** Another user's process shows its namespace to root only: it is there all the same. */
function notShown(netns: string): HostRefusal {
  return hostRefusal(
    "not-permitted",
    `this process may not see the network namespace ${netns}`,
    "run it as root, with sudo",
  );
}

function errnoOfLooking(path: string): string | null {
  try {
    statSync(path);
    return null;
  } catch (error) {
    if (isSystemError(error)) return error.code;
    throw error;
  }
}

/** `.` and `..` are entries of every directory, and namespaces nowhere. */
function hasDots(netns: string): boolean {
  return netns === "." || netns === ".." || netns === "";
}

/** An open namespace: stays usable when its name is deleted, and must be closed. */
export interface NetnsHandle {
  readonly netns: string | null;
  readonly fd: number;
}

/** Opens a namespace that exists; throws what `open` throws. */
export function openNetns(netns: string | null): NetnsHandle {
  return { netns, fd: openSync(netnsPath(netns) ?? OWN, "r") };
}

export function closeNetns(handle: NetnsHandle): void {
  closeSync(handle.fd);
}

/** Runs `work` with the calling thread inside the namespace, and always comes back. `work` must not be async. */
export function insideNetns<Value>(handle: NetnsHandle, work: () => Value): Value {
  if (handle.netns === null) return work();
  return withRights(() => {
    const home = openSync(OWN, "r");
    try {
      setns(handle.fd, CLONE_NEWNET);
      try {
        return work();
      } finally {
        setns(home, CLONE_NEWNET);
      }
    } finally {
      closeSync(home);
    }
  });
}

/** Opens, runs `work` inside, closes. */
export function inNetns<Value>(netns: string | null, work: () => Value): Value {
  const handle = openNetns(netns);
  try {
    return insideNetns(handle, work);
  } finally {
    closeNetns(handle);
  }
}
