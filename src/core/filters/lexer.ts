/**
 * Cuts a filter's text into words and signs.
 *
 * Like libpcap's scanner (`scanner.l`) a word may hold dots, colons and hyphens: `tcp-syn`, `fe80::1`, `6000-6008`,
 * `br-lan`. A slash always stands alone, so `10.0.0.0 / 8` is the same as `10.0.0.0/8`.
 */

export interface Token {
  readonly kind: "word" | "sign";
  readonly text: string;
  /** 0-based offset of its first character. */
  readonly at: number;
}

const SPACE = /\s/;
const LONG_SIGNS: readonly string[] = ["&&", "||", "==", "!=", "<=", ">=", "<<", ">>"];
const SIGNS = "()[]{}!&|=<>/,";

/** The tokens of a text, in order. Every text has some reading; what makes no sense is for the parser to say. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (SPACE.test(char)) {
      at++;
      continue;
    }
    const length = SIGNS.includes(char) ? signLength(text, at) : wordLength(text, at);
    tokens.push({
      kind: SIGNS.includes(char) ? "sign" : "word",
      text: text.slice(at, at + length),
      at,
    });
    at += length;
  }
  return tokens;
}

function signLength(text: string, at: number): number {
  return LONG_SIGNS.includes(text.slice(at, at + 2)) ? 2 : 1;
}

function wordLength(text: string, at: number): number {
  let end = at;
  while (end < text.length && !SIGNS.includes(text.charAt(end)) && !SPACE.test(text.charAt(end))) end++;
  return end - at;
}
