/**
 * A log file that is written to while it is read, and rotated.
 *
 * logrotate renames the file and makes a new one, or copies it and cuts it to nothing (`copytruncate`). A renamed file is
 * read to its end before the new one is begun. In a file that was cut, what was written between our last look and the cut
 * is gone, and that is said.
 */
import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { isSystemError } from "../linux/sysctl.ts";
import type { Piece, Tail } from "./tail.ts";

const CHUNK_BYTES = 256 * 1024;
/** Chunks of one call. */
const MOST_CHUNKS = 16;

export class FileTail implements Tail {
  readonly name: string;
  readonly isOver = false;
  readonly #buffer = Buffer.alloc(CHUNK_BYTES);
  #fd: number;
  #position = 0;
  /** A character may be cut in two by the end of a chunk. */
  #text = new StringDecoder("utf8");

  /** Begins with the file's beginning. Throws what `open` throws. */
  constructor(name: string) {
    this.name = name;
    this.#fd = openSync(name, "r");
  }

  read(): readonly Piece[] {
    const pieces: Piece[] = [];
    const before = fstatSync(this.#fd);
    if (before.size < this.#position) {
      this.#position = 0;
      this.#text = new StringDecoder("utf8");
      // The line that was being read ends where the file was cut.
      pieces.push({ kind: "text", text: "\n" }, { kind: "lost" });
    }
    // Looked at before the last read of the old file: whoever renames it may still write to it until then.
    const successor = this.#successor(before);
    const isAtEnd = this.#readOn(pieces);
    if (successor && isAtEnd) this.#begin(pieces);
    return pieces;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** False when there is more than one call reads. */
  #readOn(pieces: Piece[]): boolean {
    for (let chunks = 0; chunks < MOST_CHUNKS; chunks++) {
      const length = readSync(this.#fd, this.#buffer, 0, CHUNK_BYTES, this.#position);
      if (length === 0) return true;
      this.#position += length;
      const text = this.#text.write(this.#buffer.subarray(0, length));
      if (text !== "") pieces.push({ kind: "text", text });
    }
    return false;
  }

  /** Whether another file has the name by now. None: it was moved away, and the new one is not there yet. */
  #successor(own: Stats): boolean {
    try {
      const named = statSync(this.name);
      return named.ino !== own.ino || named.dev !== own.dev;
    } catch (error) {
      if (isSystemError(error)) return false;
      throw error;
    }
  }

  #begin(pieces: Piece[]): void {
    const fd = openSync(this.name, "r");
    closeSync(this.#fd);
    this.#fd = fd;
    this.#position = 0;
    this.#text = new StringDecoder("utf8");
    // A last line without its end is not continued in another file.
    pieces.push({ kind: "text", text: "\n" });
    this.#readOn(pieces);
  }
}
