/**
 * Frames to standard output, many in one write, and never waiting for nfpath to take them while there is room in the spool.
 *
 * Where that is full too, the write waits. Meanwhile the kernel queues, and when its buffer is full it drops and counts, so
 * memory is bounded and nothing is lost in silence.
 */
import { writeSync } from "node:fs";
import { MSG_DONTWAIT, MSG_NOSIGNAL, poll, SystemCallError, sendSome } from "../../linux/libc.ts";
import { isSystemError } from "../../linux/sysctl.ts";
import { FRAME, FRAME_HEADER, writeFrameHeader } from "./frames.ts";
import type { Spool } from "./spool.ts";

const STDOUT = 1;

export class FrameWriter {
  readonly #buffer: Buffer;
  readonly #spool: Spool;
  #used = 0;
  /** The reader has gone: everything written from then on is thrown away. */
  hasNoReader = false;
  /** Whether standard output is a socket, as between Node's processes: only there can be asked how much is taken at once. */
  #isSocket = true;
  /** Whether nfpath has been told, or will be, that what it reads is old. */
  #hasSaidBehind = false;
  readonly #clockOffset = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();

  constructor(capacity: number, spool: Spool) {
    this.#buffer = Buffer.alloc(capacity);
    this.#spool = spool;
  }

  /** Nanoseconds since 1970 UTC by a clock that never goes back: read once, then counted by the monotonic one. */
  now(): bigint {
    return this.#clockOffset + process.hrtime.bigint();
  }

  /** Whether something waits in the spool: `drain` when standard output takes more. */
  get isBehind(): boolean {
    return !this.hasNoReader && !this.#spool.isEmpty;
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

  /** Hands on what was added, to nfpath or to the spool. */
  flush(): void {
    if (this.#hasSaidBehind && !this.isBehind) {
      this.#hasSaidBehind = false;
      this.#takeAll(mark(FRAME.inTime, this.now()));
    }
    this.#takeAll(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  /** Passes on what the spool holds, as far as it is taken at once. */
  drain(): void {
    while (this.isBehind) {
      const front = this.#spool.front();
      const sent = this.#send(front);
      this.#spool.drop(sent);
      if (sent < front.length) return;
    }
  }

  /** Waits until everything has been taken, or nobody reads any more. */
  finish(): void {
    this.flush();
    this.#waitUntil(() => !this.isBehind);
    this.#spool.close();
  }

  #takeAll(bytes: Buffer): void {
    const sent = this.isBehind ? 0 : this.#send(bytes);
    if (sent === bytes.length || this.hasNoReader) return;
    this.#keep(bytes.subarray(sent));
    if (this.#hasSaidBehind) return;
    this.#hasSaidBehind = true;
    this.#keep(mark(FRAME.behind, this.now()));
  }

  /** Waits only where there is no room for them. */
  #keep(bytes: Buffer): void {
    let rest = bytes;
    this.#waitUntil(() => {
      // A spool that is empty and has no room never will have.
      if (!this.isBehind) rest = rest.subarray(this.#send(rest));
      return rest.length === 0 || this.#spool.push(rest);
    });
  }

  #waitUntil(isDone: () => boolean): void {
    while (!this.hasNoReader && !isDone()) {
      poll([], -1, STDOUT);
      this.drain();
    }
  }

  /** How many of the bytes were taken. */
  #send(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && !this.hasNoReader) {
      const sent = this.#isSocket ? this.#offer(bytes.subarray(at)) : this.#write(bytes, at);
      if (sent === 0 && this.#isSocket) break;
      at += sent;
    }
    return at;
  }

  /** 0: nothing is taken at the moment, or not in this way. */
  #offer(bytes: Buffer): number {
    try {
      return sendSome(STDOUT, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      if (error.code === "ENOTSOCK") this.#isSocket = false;
      else if (error.code === "EPIPE" || error.code === "ECONNRESET") this.hasNoReader = true;
      else throw error;
      return 0;
    }
  }

  #write(bytes: Buffer, at: number): number {
    try {
      return writeSync(STDOUT, bytes, at, bytes.length - at);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (error.code === "EINTR" || error.code === "EAGAIN") return 0;
      if (error.code !== "EPIPE" && error.code !== "ECONNRESET") throw error;
      this.hasNoReader = true;
      return 0;
    }
  }
}

/** A frame that says something about the stream itself. */
function mark(kind: number, time: bigint): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER);
  writeFrameHeader(frame, 0, 0, kind, 0, time);
  return frame;
}
