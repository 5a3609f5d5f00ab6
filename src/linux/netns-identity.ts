/**
 * Which network namespace it is, whatever it is called: the inode of its file, the same behind each of its names.
 *
 * A name can be deleted while processes live on inside, and be given again to another namespace. The inode can come
 * again too, after the namespace has gone: what is known by it must be checked before it is acted on.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { listNetns, type NetnsHandle, netnsPath, openNetns } from "./netns.ts";
import { isSystemError } from "./sysctl.ts";

/** Inode of an existing namespace, in decimal; null when there is none of that name. */
export function netnsInode(netns: string | null): string | null {
  return inodeOf(netnsPath(netns) ?? OWN);
}

/** Inode of an open namespace. */
export function handleInode(handle: NetnsHandle): string {
  const inode = inodeOf(`/proc/self/fd/${handle.fd}`);
  if (inode === null) throw new Error("an open namespace has no inode");
  return inode;
}

/**
 * Opens a namespace by one of its names or by a process inside it. `gone`: there is none any more. `not-shown`: none was
 * found, but there are processes whose namespace this one may not see.
 */
export function openNetnsByInode(inode: string): NetnsHandle | "gone" | "not-shown" {
  // Our own needs no `setns`, which needs more rights than changing settings does.
  if (inodeOf(OWN) === inode) return openNetns(null);
  let isAllShown = true;
  for (const path of candidates()) {
    const found = lookAt(path);
    if (found === inode) return openNetns(path);
    if (found === NOT_SHOWN) isAllShown = false;
  }
  return isAllShown ? "gone" : "not-shown";
}

const OWN = "/proc/thread-self/ns/net";

function* candidates(): Generator<string> {
  for (const name of listNetns()) yield `/run/netns/${name}`;
  for (const entry of readdirSync("/proc")) if (/^\d+$/.test(entry)) yield `/proc/${entry}/ns/net`;
}

function inodeOf(path: string): string | null {
  const found = lookAt(path);
  return found === NOT_SHOWN ? null : found;
}

const NOT_SHOWN = Symbol("not shown");

function lookAt(path: string): string | null | typeof NOT_SHOWN {
  try {
    return String(statSync(path, { bigint: true }).ino);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const isRefused = error.code === "EACCES" || error.code === "EPERM";
    // Of a process that has just ended the kernel says the same as of one that may not be looked at (proc_ns_get_link).
    return isRefused && existsSync(dirname(dirname(path))) ? NOT_SHOWN : null;
  }
}
