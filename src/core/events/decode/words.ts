/** Words of a stretch of text, one after the other. */

const SPACE = 32;
const QUOTE = 34;

export class Words {
  readonly #text: string;
  readonly #to: number;
  #at: number;

  constructor(text: string, from: number, to: number) {
    this.#text = text;
    this.#at = from;
    this.#to = to;
  }

  /** Where the next word is looked for: behind the last one. */
  get at(): number {
    return this.#at;
  }

  /** Whether the last word ended with the text, without a space behind it. */
  get isAtEnd(): boolean {
    return this.#at >= this.#to;
  }

  /** The next word; empty at the end. */
  next(): string {
    const from = this.#skip();
    let at = from;
    while (at < this.#to && this.#text.charCodeAt(at) > SPACE) at++;
    this.#at = at;
    return this.#text.slice(from, at);
  }

  /** A reader that stands where this one does, to look ahead with. */
  copy(): Words {
    return new Words(this.#text, this.#at, this.#to);
  }

  /** The next word, which `next` will give again. */
  peek(): string {
    const at = this.#at;
    const word = this.next();
    this.#at = at;
    return word;
  }

  /** The next word without its quotes; null where a quote is left open, or a bare word may go on behind the text. */
  quoted(): string | null {
    const from = this.#skip();
    if (this.#text.charCodeAt(from) !== QUOTE) {
      const word = this.next();
      return word === "" || this.isAtEnd ? null : word;
    }
    const end = this.#text.indexOf('"', from + 1);
    if (end === -1 || end >= this.#to) {
      this.#at = this.#to;
      return null;
    }
    this.#at = end + 1;
    return this.#text.slice(from + 1, end);
  }

  #skip(): number {
    let at = this.#at;
    while (at < this.#to && this.#text.charCodeAt(at) <= SPACE) at++;
    return at;
  }
}
