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

/** `-` is standard input, `/dev/kmsg` the kernel's log, anything else a file. Refused with what the system says. */
export function openTail(name: string): Result<Tail, string> {
  if (name === "-") return ok(new StreamTail(name, process.stdin));
  try {
    const stat = statSync(name);
    if (stat.isDirectory()) return refused("it is a directory");
    if (stat.isCharacterDevice()) return ok(new KmsgTail(name));
    if (!stat.isFile()) return refused("it is neither a file nor /dev/kmsg: pipe it in, and follow -");
    return ok(new FileTail(name));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return refused(error.message.replace(/^[A-Z]+: (.*?)(?:, \w+ .*)?$/s, "$1"));
  }
}
