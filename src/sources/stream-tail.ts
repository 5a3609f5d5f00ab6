/** A stream that is written to while it is read: `journalctl -k -o json -f | nfpath explain --follow -`. */
import type { Readable } from "node:stream";
import type { Piece, Tail } from "./tail.ts";

/** Characters that may wait to be asked for; then the writer waits. */
const MOST_WAITING = 4 * 1024 * 1024;

export class StreamTail implements Tail {
  readonly name: string;
  readonly #stream: Readable;
  #waiting: string[] = [];
  #length = 0;
  #hasEnded = false;
  #error: Error | null = null;

  constructor(name: string, stream: Readable) {
    this.name = name;
    this.#stream = stream;
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      this.#waiting.push(text);
      this.#length += text.length;
      if (this.#length > MOST_WAITING) stream.pause();
    });
    stream.on("end", () => {
      this.#hasEnded = true;
    });
    stream.on("error", (error) => {
      this.#error = error;
    });
  }

  get isOver(): boolean {
    return this.#hasEnded && this.#waiting.length === 0;
  }

  read(): readonly Piece[] {
    if (this.#error !== null) throw this.#error;
    const pieces = this.#waiting.map((text): Piece => ({ kind: "text", text }));
    this.#waiting = [];
    this.#length = 0;
    this.#stream.resume();
    return pieces;
  }

  close(): void {
    this.#stream.destroy();
  }
}
