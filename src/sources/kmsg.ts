/**
 * `/dev/kmsg`: the kernel's log, a record a read, numbered (`Documentation/ABI/testing/dev-kmsg`, `kernel/printk/printk.c`).
 *
 * A record that was overwritten before it was read costs EPIPE once, and the next read goes on with the oldest there is;
 * how many are missing is the hole in the numbers, which the decoder sees. Opened without O_NONBLOCK a read would wait for
 * ever, and the process with it.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { isSystemError } from "../linux/sysctl.ts";
import type { Piece, Tail } from "./tail.ts";

/** `PRINTK_MESSAGE_MAX` is 2 KiB; a record with all it is escaped to is not longer than this. */
const RECORD_BYTES = 16_384;
/** Records of one call. */
const MOST_RECORDS = 8192;

export class KmsgTail implements Tail {
  readonly name: string;
  readonly isOver = false;
  readonly fd: number;
  readonly #mostRecords: number;
  readonly #buffer = Buffer.alloc(RECORD_BYTES);

  /**
   * Begins with the oldest record there is; a call of `read` gives so many at most. Throws what `open` throws: EPERM without
   * CAP_SYSLOG.
   */
  constructor(name: string, mostRecords: number = MOST_RECORDS) {
    this.name = name;
    this.#mostRecords = mostRecords;
    this.fd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
  }

  read(): readonly Piece[] {
    let text = "";
    for (let records = 0; records < this.#mostRecords; records++) {
      const record = this.#readRecord();
      if (record === null) break;
      text += record;
    }
    return text === "" ? [] : [{ kind: "text", text }];
  }

  close(): void {
    closeSync(this.fd);
  }

  /** Null when there is none yet. */
  #readRecord(): string | null {
    try {
      const length = readSync(this.fd, this.#buffer, 0, RECORD_BYTES, null);
      return length === 0 ? null : this.#buffer.toString("utf8", 0, length);
    } catch (error) {
      if (isSystemError(error) && error.code === "EAGAIN") return null;
      if (isSystemError(error) && error.code === "EPIPE") return "";
      throw error;
    }
  }
}
