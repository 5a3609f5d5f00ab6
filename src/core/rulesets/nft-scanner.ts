/**
 * nft's text cut into statements: lines and `;`, blocks and comments, quotes and sets that run over many lines.
 */

import { collapseBlanks } from "./nft-words.ts";

export interface NftStatement {
  /** Blanks collapsed, comments taken out. */
  readonly text: string;
  /** The comment behind it, without `#`; null for none. */
  readonly comment: string | null;
  /** What ended it. `{`: a block follows. */
  readonly end: "line" | ";" | "{" | "}" | "end";
  /** 1-based line of its first character. */
  readonly line: number;
}

/** A backslash at a line's end, with a comment behind it or not. */
const JOINED_LINE = /^\\[ \t]*(#[^\n]*)?\n/;

export class NftScanner {
  readonly #text: string;
  #at = 0;
  #line: number;

  constructor(text: string, firstLine: number) {
    this.#text = text;
    this.#line = firstLine;
  }

  /**
   * The next statement; `opensBlock` decides whether a `{` behind these words begins a block or is part of the statement
   * (a set). Empty statements come too, when a comment or a `}` ends them.
   */
  next(opensBlock: (words: string) => boolean): NftStatement {
    this.#skipBlanks();
    const line = this.#line;
    const parts: string[] = [];
    let from = this.#at;
    let depth = 0;
    /** What was read so far, without comments and joined lines. */
    const words = () => {
      parts.push(this.#text.slice(from, this.#at));
      from = this.#at;
      return parts.join(" ");
    };
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at];
      if (char === '"') {
        this.#skipQuoted();
      } else if (char === "#") {
        const text = words();
        const comment = this.#comment();
        from = this.#at;
        if (depth === 0) return this.#finish(text, comment, "line", line);
      } else if (char === "\\" && JOINED_LINE.test(this.#text.slice(this.#at, this.#at + 200))) {
        words();
        this.#at = this.#text.indexOf("\n", this.#at) + 1;
        this.#line++;
        from = this.#at;
      } else if (depth === 0 && (char === "\n" || char === ";" || char === "}")) {
        const text = words();
        this.#advance();
        if (char === "\n") return this.#finish(text, null, "line", line);
        return this.#finish(text, this.#trailingComment(), char, line);
      } else if (depth === 0 && char === "{" && opensBlock(this.#text.slice(from, this.#at))) {
        const text = words();
        this.#advance();
        return this.#finish(text, this.#trailingComment(), "{", line);
      } else {
        if (char === "{") depth++;
        if (char === "}") depth--;
        this.#advance();
      }
    }
    return this.#finish(words(), null, "end", line);
  }

  #finish(text: string, comment: string | null, end: NftStatement["end"], line: number): NftStatement {
    return { text: collapseBlanks(text), comment, end, line };
  }

  /** A quote that is never closed ends with its line. */
  #skipQuoted(): void {
    const close = this.#text.indexOf('"', this.#at + 1);
    const lineEnd = this.#text.indexOf("\n", this.#at);
    const isClosed = close !== -1 && (lineEnd === -1 || close < lineEnd);
    this.#at = isClosed ? close + 1 : lineEnd === -1 ? this.#text.length : lineEnd;
  }

  #comment(): string {
    const end = this.#text.indexOf("\n", this.#at);
    const comment = this.#text.slice(this.#at + 1, end === -1 ? this.#text.length : end).trim();
    this.#at = end === -1 ? this.#text.length : end;
    return comment;
  }

  /** `} # handle 5`, `; # …` on the same line. */
  #trailingComment(): string | null {
    let at = this.#at;
    while (this.#text[at] === " " || this.#text[at] === "\t") at++;
    if (this.#text[at] !== "#") return null;
    this.#at = at;
    return this.#comment();
  }

  #skipBlanks(): void {
    while (this.#at < this.#text.length && /\s/.test(this.#text[this.#at] ?? "")) this.#advance();
  }

  #advance(): void {
    if (this.#text[this.#at] === "\n") this.#line++;
    this.#at++;
  }
}
