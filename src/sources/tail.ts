/**
 * Inputs that go on: a log that is written to, standard input, the kernel's own log. Each is asked now and then for what
 * has come; nothing blocks, and nothing is left running when nobody asks any more.
 */
import { statSync } from "node:fs";
import { ok, type Result, refused } from "../core/base/result.ts";
import { isSystemError } from "../linux/sysctl.ts";
import { FileTail } from "./file-tail.ts";
import { KmsgTail } from "./kmsg.ts";
import { StreamTail } from "./stream-tail.ts";

export type Piece =
  | { readonly kind: "text"; readonly text: string }
  /** The file was cut while it was being read: what stood there and was not yet read is gone. */
  | { readonly kind: "lost" };

export interface Tail {
  /** As the user named it. */
  readonly name: string;
  /** What has come since the last call; empty when nothing has. Throws what the system throws. */
  read(): readonly Piece[];
  /** Nothing more will ever come. */
  readonly isOver: boolean;
  close(): void;
}

export interface TailRefusal {
  readonly kind: "not-permitted" | "unusable";
  /** What the system says, or what is missing. */
  readonly reason: string;
}

/** `-` is standard input, `/dev/kmsg` the kernel's log, anything else a file. */
export function openTail(name: string): Result<Tail, TailRefusal> {
  if (name === "-") return ok(new StreamTail(name, process.stdin));
  let isDevice = false;
  try {
    const stat = statSync(name);
    if (stat.isDirectory()) return unusable("it is a directory");
    isDevice = stat.isCharacterDevice();
    if (isDevice) return ok(new KmsgTail(name));
    if (!stat.isFile()) return unusable("it is neither a file nor /dev/kmsg: pipe it in, and follow -");
    return ok(new FileTail(name));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    // The kernel's log says so where kernel.dmesg_restrict is 1 (`check_syslog_permissions`).
    if (isDevice && error.code === "EPERM")
      return notPermitted("reading it takes CAP_SYSLOG, which this process does not have");
    const reason = error.message.replace(/^[A-Z]+: (.*?)(?:, \w+ .*)?$/s, "$1");
    return error.code === "EACCES" || error.code === "EPERM" ? notPermitted(reason) : unusable(reason);
  }
}

function notPermitted(reason: string): { readonly ok: false; readonly error: TailRefusal } {
  return refused({ kind: "not-permitted", reason });
}

function unusable(reason: string): { readonly ok: false; readonly error: TailRefusal } {
  return refused({ kind: "unusable", reason });
}
