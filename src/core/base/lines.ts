/**
 * Text that arrives in chunks, cut into lines.
 *
 * A line ends at LF, at CR LF, or at a CR alone (serial consoles and old terminals write it); several CRs in front of
 * an LF are one end, as `cat` through a terminal makes them. Where chunks begin and end never shows in the result.
 */

/** 1 MiB: a thousand times what the kernel can print in one record. */
export const DEFAULT_LINE_LIMIT = 1 << 20;

/**
 * Takes one line without its end. `line` is 1-based. `cut` is how many characters were thrown away behind `text`
 * because the line was longer than the limit: 0 for a whole line.
 */
export type LineSink = (text: string, line: number, cut: number) => void;

const LF = 10;

/** Cuts chunks into lines and hands each to a sink; holds back no more than one line of the limit's length. */
export class LineSplitter {
  readonly #sink: LineSink;
  readonly #limit: number;
  #held = "";
  #cut = 0;
  #line = 0;
  /** CRs at the end of what was pushed: whether they belong to an LF is not known yet. */
  #returns = 0;

  constructor(sink: LineSink, limit: number = DEFAULT_LINE_LIMIT) {
    this.#sink = sink;
    this.#limit = limit;
  }

  push(chunk: string): void {
    if (chunk === "") return;
    if (this.#returns > 0 || chunk.indexOf("\r") !== -1) {
      this.#pushWithReturns(chunk);
      return;
    }
    let start = 0;
    for (let end = chunk.indexOf("\n"); end !== -1; end = chunk.indexOf("\n", start)) {
      this.#hold(chunk, start, end);
      this.#deliver();
      start = end + 1;
    }
    this.#hold(chunk, start, chunk.length);
  }

  /** The input has ended: delivers a last line that has no end of its own. */
  end(): void {
    this.#endAtReturns();
    if (this.#held !== "" || this.#cut > 0) this.#deliver();
  }

  #pushWithReturns(chunk: string): void {
    let at = 0;
    while (at < chunk.length) {
      if (chunk.charCodeAt(at) === LF) {
        this.#returns = 0;
        this.#deliver();
        at++;
      } else if (chunk[at] === "\r") {
        this.#returns++;
        at++;
      } else {
        this.#endAtReturns();
        const end = endOfText(chunk, at);
        this.#hold(chunk, at, end);
        at = end;
      }
    }
  }

  #endAtReturns(): void {
    for (; this.#returns > 0; this.#returns--) this.#deliver();
  }

  #hold(chunk: string, start: number, end: number): void {
    const room = this.#limit - this.#held.length;
    const kept = Math.min(end, start + room);
    if (kept > start) {
      const text = start === 0 && kept === chunk.length ? chunk : chunk.slice(start, kept);
      this.#held = this.#held === "" ? text : this.#held + text;
    }
    this.#cut += end - kept;
  }

  #deliver(): void {
    const text = this.#held;
    const cut = this.#cut;
    this.#held = "";
    this.#cut = 0;
    this.#sink(text, ++this.#line, cut);
  }
}

function endOfText(chunk: string, from: number): number {
  const feed = chunk.indexOf("\n", from);
  const carriage = chunk.indexOf("\r", from);
  if (feed === -1) return carriage === -1 ? chunk.length : carriage;
  return carriage === -1 ? feed : Math.min(feed, carriage);
}
