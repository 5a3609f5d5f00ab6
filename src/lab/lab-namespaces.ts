/** The namespaces of a lab: their names hold its id, so whoever knows the id can remove all of it. */
import { randomBytes } from "node:crypto";
import { ok, type Result, refused } from "../core/base/result.ts";
import { listNetns } from "../linux/netns.ts";
import { runSuccessfully } from "../linux/process.ts";
import type { HostRefusal } from "../linux/refusal.ts";
import { LabRegister } from "./lab-register.ts";

export function newLabId(): string {
  return randomBytes(3).toString("hex");
}

/** As `ip netns` is to know them, by host. */
export function namespaceNames<Host extends string>(
  id: string,
  hosts: readonly Host[],
): Readonly<Record<Host, string>> {
  return Object.fromEntries(hosts.map((host) => [host, `nfpath-${id}-${host}`])) as Record<Host, string>;
}

/** Many commands of `ip` in one process. */
export function ipBatch(
  args: readonly string[],
  lines: readonly string[],
): Promise<Result<string, HostRefusal>> {
  return runSuccessfully("ip", [...args, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

export async function removeLab(id: string, register: LabRegister): Promise<Result<void, HostRefusal>> {
  const names = namespacesOf(id);
  if (names.length > 0) {
    // `-force`: the others go even if one refuses.
    const removed = await ipBatch(
      ["-force"],
      names.map((name) => `netns delete ${name}`),
    );
    const left = namespacesOf(id);
    if (!removed.ok && left.length > 0) {
      const commands = left.map((name) => `ip netns delete ${name}`).join("; ");
      return refused({ ...removed.error, hint: `remove what is left with: ${commands}` });
    }
  }
  register.remove(id);
  return ok(undefined);
}

/**
 * Removes the labs that a person kept and those whose process died, and leaves a lab alone that another process
 * is using.
 * @returns the names of the namespaces that were removed; empty when there was no lab
 */
export async function removeLabs(
  register: LabRegister = new LabRegister(),
): Promise<Result<readonly string[], HostRefusal>> {
  const removed: string[] = [];
  for (const { id } of register.abandoned()) {
    removed.push(...namespacesOf(id));
    const result = await removeLab(id, register);
    if (!result.ok) return result;
  }
  return ok(removed);
}

function namespacesOf(id: string): readonly string[] {
  return listNetns().filter((name) => name.startsWith(`nfpath-${id}-`));
}
