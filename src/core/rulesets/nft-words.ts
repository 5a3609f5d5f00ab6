/**
 * Words of an nft rule: quoted strings, `{ … }` and `( … )` groups are one word each.
 */

/** Splits the text of one rule. A group or quote that is never closed runs to the end. */
export function nftWords(text: string): string[] {
  const words: string[] = [];
  let i = 0;
  while (i < text.length) {
    if (isBlank(text.charCodeAt(i))) {
      i++;
      continue;
    }
    const end = wordEnd(text, i);
    words.push(text.slice(i, end));
    i = end;
  }
  return words;
}

function wordEnd(text: string, start: number): number {
  let depth = 0;
  let i = start;
  for (; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      const close = text.indexOf('"', i + 1);
      if (close === -1) return text.length;
      i = close;
    } else if (char === "{" || char === "(") depth++;
    else if (char === "}" || char === ")") {
      depth--;
      if (depth === 0 && (text[start] === "{" || text[start] === "(")) return i + 1;
    } else if (depth <= 0 && isBlank(text.charCodeAt(i))) break;
  }
  return i;
}

/** The string inside of quotes; a bare word as it is. */
export function unquoted(word: string): string {
  return word.length >= 2 && word.startsWith('"') && word.endsWith('"') ? word.slice(1, -1) : word;
}

/** One space where blanks were, except inside of quotes. */
export function collapseBlanks(text: string): string {
  if (!/\s\s|[\t\n\r]/.test(text)) return text.trim();
  return text
    .split('"')
    .map((part, index) => (index % 2 === 0 ? part.replace(/\s+/g, " ") : part))
    .join('"')
    .trim();
}

function isBlank(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}
