/**
 * Text from a host, made safe to show.
 *
 * Log prefixes, comments and interface names are whatever somebody wrote. An escape sequence in one can repaint a
 * terminal, a bidi override can make a rule read backwards, a line separator can forge a line: all become visible
 * escapes here. Every face shows host text through `printable`, and decodes none of it back.
 */

/**
 * The same text with everything invisible or commanding written out: `\x1b`, `\u202e`, `\t`. Ordinary Unicode stays.
 * Returns the very string it was given when there is nothing to escape. A newline is escaped too: the result is one line.
 */
export function printable(text: string): string {
  const length = text.length;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x20 && code < 0x7f) continue;
    if (mustEscape(text, at, code)) return escapeFrom(text, at);
    if (code >= 0xd800 && code <= 0xdbff) at++;
  }
  return text;
}

/**
 * Whether a sample of an input (its first few KiB) is no text: it holds a NUL, or more control characters or more
 * undecodable places than any log does. UTF-16 counts as binary, since no tool here writes it.
 */
export function isProbablyBinary(sample: string | Uint8Array): boolean {
  const length = sample.length;
  let odd = 0;
  for (let at = 0; at < length; at++) {
    const code = typeof sample === "string" ? sample.charCodeAt(at) : (sample[at] as number);
    if (code === 0) return true;
    if (code === REPLACEMENT || (code < 0x20 && !isLogControl(code))) odd++;
  }
  return odd > length / 20;
}

const REPLACEMENT = 0xfffd;
const ESC = 0x1b;

/** Tab, LF, VT, FF, CR, backspace, bell and ESC: terminal recordings and serial logs are full of them. */
function isLogControl(code: number): boolean {
  return (code >= 7 && code <= 13) || code === ESC;
}

function escapeFrom(text: string, first: number): string {
  let escaped = text.slice(0, first);
  for (let at = first; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const wide = code >= 0xd800 && code <= 0xdbff && isLowSurrogate(text.charCodeAt(at + 1));
    if (!mustEscape(text, at, code)) escaped += wide ? text.slice(at, at + 2) : text[at];
    else escaped += wide ? `\\u{${(text.codePointAt(at) as number).toString(16)}}` : escapeOf(code);
    if (wide) at++;
  }
  return escaped;
}

function escapeOf(code: number): string {
  if (code === 9) return "\\t";
  if (code === 10) return "\\n";
  if (code === 13) return "\\r";
  const hex = code.toString(16);
  return code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`;
}

function mustEscape(text: string, at: number, code: number): boolean {
  if (code < 0xa0) return code < 0x20 || code >= 0x7f;
  if (code < 0x2000) return INVISIBLE_LATIN_TO_KHMER.has(code);
  if (code < 0xd800) {
    return (
      (code >= 0x200b && code <= 0x200f) ||
      (code >= 0x2028 && code <= 0x202e) ||
      (code >= 0x2060 && code <= 0x206f) ||
      code === 0x3164
    );
  }
  if (code <= 0xdbff) {
    const low = text.charCodeAt(at + 1);
    // The tag characters U+E0000 to U+E007F spell ASCII that nobody sees.
    return !isLowSurrogate(low) || (code === 0xdb40 && low <= 0xdc7f);
  }
  return code <= 0xdfff || code === 0xfeff || code === 0xffa0 || (code >= 0xfff9 && code <= 0xfffb);
}

/** Soft hyphen, grapheme joiner, Arabic letter mark, Hangul fillers, Khmer inherent vowels, Mongolian separator. */
const INVISIBLE_LATIN_TO_KHMER: ReadonlySet<number> = new Set([
  0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180e,
]);

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}

/**
 * The same text as one piece. Engines join strings by pointing at their parts; a key that is kept for long would keep them all, at
 * several times its own size.
 */
export function inOnePiece(text: string): string {
  // To read a character the engine has to join them.
  return text.charCodeAt(text.length - 1) === -1 ? "" : text;
}
