/**
 * Frames to standard output, many in one write.
 *
 * The write blocks while nfpath is busy. Meanwhile the kernel queues, and when its buffer is full it drops and counts, so
 * memory is bounded and nothing is lost in silence.
 */
import { writeSync } from "node:fs";
import { isSystemError } from "../../linux/sysctl.ts";
import { FRAME_HEADER, writeFrameHeader } from "./frames.ts";

const STDOUT = 1;

export class FrameWriter {
  readonly #buffer: Buffer;
  #used = 0;
  /** The reader has gone: everything written from then on is thrown away. */
  hasNoReader = false;
  readonly #clockOffset = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();

  constructor(capacity: number) {
    this.#buffer = Buffer.alloc(capacity);
  }

  /** Nanoseconds since 1970 UTC by a clock that never goes back: read once, then counted by the monotonic one. */
  now(): bigint {
    return this.#clockOffset + process.hrtime.bigint();
  }

  add(kind: number, netns: number, time: bigint, data: Buffer, start: number, end: number): void {
    const length = end - start;
    if (this.#used + FRAME_HEADER + length > this.#buffer.length) this.flush();
    writeFrameHeader(this.#buffer, this.#used, length, kind, netns, time);
    data.copy(this.#buffer, this.#used + FRAME_HEADER, start, end);
    this.#used += FRAME_HEADER + length;
  }

  addJson(kind: number, netns: number, value: unknown): void {
    const data = Buffer.from(JSON.stringify(value));
    this.add(kind, netns, this.now(), data, 0, data.length);
  }

  flush(): void {
    let at = 0;
    while (at < this.#used && !this.hasNoReader) at += this.#write(at);
    this.#used = 0;
  }

  #write(at: number): number {
    try {
      return writeSync(STDOUT, this.#buffer, at, this.#used - at);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (error.code === "EINTR" || error.code === "EAGAIN") return 0;
      if (error.code !== "EPIPE" && error.code !== "ECONNRESET") throw error;
      this.hasNoReader = true;
      return 0;
    }
  }
}
