/** Where the parser stands in a filter's tokens, and the one way it says that something is wrong. */
import { refused } from "../base/result.ts";
import type { FilterProblem } from "./filter.ts";
import { type Token, tokenize } from "./lexer.ts";

export class Cursor {
  readonly #tokens: readonly Token[];
  readonly #length: number;
  #next = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
    this.#length = text.length;
  }

  /** The next token, or the one `ahead` of it; null behind the last. */
  peek(ahead = 0): Token | null {
    return this.#tokens[this.#next + ahead] ?? null;
  }

  /** Text of the next token, or of the one `ahead` of it. */
  text(ahead = 0): string | undefined {
    return this.peek(ahead)?.text;
  }

  /** Where the next token stands, or where the text ends. */
  get at(): number {
    return this.peek()?.at ?? this.#length;
  }

  skip(): void {
    this.#next++;
  }

  /** Steps over the next token if it is this one. */
  take(text: string): boolean {
    if (this.text() !== text) return false;
    this.skip();
    return true;
  }
}

export function problem(
  at: number | null,
  message: string,
  hint: string,
): { readonly ok: false; readonly error: FilterProblem } {
  return refused({ message, at, hint });
}

/** What stands at the cursor, for a sentence: `` `udp` `` or `the end`. */
export function standing(cursor: Cursor): string {
  const text = cursor.text();
  return text === undefined ? "the end" : `\`${text}\``;
}
