/**
 * What the collector has read and nfpath has not taken yet, first in, first out: in memory, and in a file where that is full.
 *
 * The kernel gives events to nobody twice. While nfpath is linking, the collector goes on reading and keeps them here, so that a
 * burst costs time and no evidence. The file has no name any more when the first byte is written: however the process ends, nothing
 * stays behind.
 */
import { closeSync, ftruncateSync, openSync, readSync, statfsSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { isSystemError } from "../../linux/sysctl.ts";

export interface SpoolLimits {
  /** Bytes that are kept in memory before the file is made. */
  readonly memoryBytes: number;
  /** Bytes that the file may grow to; half of what its file system has free, if that is less. */
  readonly fileBytes: number;
  /** Where the file is made. */
  readonly directory: string;
}

const READ_BYTES = 256 * 1024;
const EMPTY = Buffer.alloc(0);

export class Spool {
  readonly #limits: SpoolLimits;
  readonly #memory: Buffer[] = [];
  #inMemory = 0;
  #file: SpoolFile | null = null;
  /** No file can be made here: memory is all there is. */
  #hasNoFile = false;

  constructor(limits: SpoolLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#inMemory === 0 && (this.#file?.isEmpty ?? true);
  }

  /** Keeps a copy of the bytes; false where there is no room for them. */
  push(bytes: Buffer): boolean {
    if (this.#file?.isEmpty !== false && this.#inMemory + bytes.length <= this.#limits.memoryBytes) {
      this.#memory.push(Buffer.from(bytes));
      this.#inMemory += bytes.length;
      return true;
    }
    const file = this.#file ?? this.#makeFile();
    return file?.append(bytes) ?? false;
  }

  /** Bytes at the front, as many as are at hand; they stay until `drop` says how many of them have gone. */
  front(): Buffer {
    return this.#memory[0] ?? this.#file?.front() ?? EMPTY;
  }

  drop(bytes: number): void {
    const [first] = this.#memory;
    if (first === undefined) {
      this.#file?.drop(bytes);
      return;
    }
    this.#inMemory -= bytes;
    if (bytes === first.length) this.#memory.shift();
    else this.#memory[0] = first.subarray(bytes);
  }

  close(): void {
    this.#file?.close();
  }

  #makeFile(): SpoolFile | null {
    if (this.#hasNoFile) return null;
    try {
      this.#file = new SpoolFile(this.#limits.directory, this.#limits.fileBytes);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.#hasNoFile = true;
    }
    return this.#file;
  }
}

class SpoolFile {
  readonly #fd: number;
  readonly #most: number;
  #written = 0;
  #read = 0;
  #front = EMPTY;

  /** Throws what opening a file throws. */
  constructor(directory: string, most: number) {
    const path = join(directory, `nfpath-spool-${process.pid}`);
    this.#fd = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    const { bavail, bsize } = statfsSync(directory);
    this.#most = Math.min(most, (bavail * bsize) / 2);
  }

  get isEmpty(): boolean {
    return this.#front.length === 0 && this.#read === this.#written;
  }

  append(bytes: Buffer): boolean {
    if (this.#written + bytes.length > this.#most) return false;
    try {
      let at = 0;
      while (at < bytes.length) at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#written + at);
    } catch (error) {
      // The disk is full, or a quota reached: what was written of it is written over.
      if (!isSystemError(error)) throw error;
      return false;
    }
    this.#written += bytes.length;
    return true;
  }

  front(): Buffer {
    if (this.#front.length > 0 || this.#read === this.#written) return this.#front;
    const room = Buffer.alloc(Math.min(READ_BYTES, this.#written - this.#read));
    const length = readSync(this.#fd, room, 0, room.length, this.#read);
    this.#read += length;
    this.#front = room.subarray(0, length);
    return this.#front;
  }

  drop(bytes: number): void {
    this.#front = this.#front.subarray(bytes);
    if (!this.isEmpty) return;
    // All that was put aside has gone: its room is free again.
    ftruncateSync(this.#fd, 0);
    this.#written = 0;
    this.#read = 0;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
