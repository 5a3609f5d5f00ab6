/**
 * Settings in /proc/sys. Those under `net` are per network namespace: the kernel takes the namespace of the thread that
 * opens the file, so a setting is read and written inside `insideNetns`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { ok, type Result, refused } from "../core/base/result.ts";

/** Value of `net.netfilter.nf_log.2`; null when this kernel or namespace has no such setting. */
export function readSysctl(name: string): string | null {
  try {
    return readFileSync(pathOf(name), "utf8").trim();
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

/** Refused with the errno's name: `EROFS` in a container, `ENOENT` for a logger that the kernel does not have. */
export function writeSysctl(name: string, value: string): Result<void, string> {
  try {
    writeFileSync(pathOf(name), value);
    return ok(undefined);
  } catch (error) {
    if (isSystemError(error)) return refused(error.code);
    throw error;
  }
}

function pathOf(name: string): string {
  return `/proc/sys/${name.replaceAll(".", "/")}`;
}

interface SystemError extends Error {
  readonly code: string;
}

/** Whether an exception is Node's word for a refusal of the operating system. */
export function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}
