/**
 * Words of a rule line, as the tool that wrote it quotes them.
 *
 * `iptables-save` puts a word in double quotes as soon as it holds anything but letters, digits, `_` and `-`, and escapes
 * `"`, `\` and `'` inside (`xtables_save_string`, libxtables/xtables.c); `iptables-restore` undoes exactly that
 * (`add_param_to_argv`, iptables/xshared.c). A shell has more: single quotes, escapes outside quotes, and operators
 * that end a command.
 */

export interface Word {
  /** As written, quotes and escapes included. */
  readonly raw: string;
  readonly value: string;
  /** Whether any part stood in quotes: such a word is never an option or an operator. */
  readonly quoted: boolean;
}

/** Words of an iptables-save line. A quote that is never closed runs to the end of the line. */
export function restoreWords(text: string): Word[] {
  const words: Word[] = [];
  let i = 0;
  while (i < text.length) {
    if (isBlank(text, i)) {
      i++;
      continue;
    }
    const start = i;
    while (i < text.length && !isBlank(text, i) && text[i] !== '"') i++;
    if (text[i] === '"') {
      const word = quotedWord(text, start, i);
      words.push(word);
      i = start + word.raw.length;
    } else {
      const raw = text.slice(start, i);
      words.push({ raw, value: raw, quoted: false });
    }
  }
  return words;
}

/** A word that has its first quote at `quote`. */
function quotedWord(text: string, start: number, quote: number): Word {
  let value = text.slice(start, quote);
  let i = quote;
  while (i < text.length && !isBlank(text, i)) {
    if (text[i] !== '"') {
      value += text[i++];
      continue;
    }
    i++;
    while (i < text.length && text[i] !== '"') {
      if (text[i] === "\\" && i + 1 < text.length) i++;
      value += text[i++];
    }
    i++;
  }
  return { raw: text.slice(start, i), value, quoted: true };
}

/** The commands of a shell line, each as its words; comments, redirections and operators end a command. */
export function shellCommands(text: string): Word[][] {
  const commands: Word[][] = [];
  let words: Word[] = [];
  let i = 0;
  const endCommand = () => {
    if (words.length > 0) commands.push(words);
    words = [];
  };
  while (i < text.length) {
    const char = text[i] ?? "";
    if (isBlank(text, i)) {
      i++;
    } else if (";|&<>`()".includes(char)) {
      endCommand();
      i++;
    } else if (char === "#") {
      break;
    } else {
      const word = shellWord(text, i);
      words.push(word);
      i += word.raw.length;
    }
  }
  endCommand();
  return commands;
}

function shellWord(text: string, start: number): Word {
  let i = start;
  let value = "";
  let quoted = false;
  while (i < text.length && !isBlank(text, i) && !";|&<>`)".includes(text[i] ?? "")) {
    const char = text[i] ?? "";
    if (char === "$" && (text[i + 1] === "(" || text[i + 1] === "{")) {
      const close = text.indexOf(text[i + 1] === "(" ? ")" : "}", i);
      const end = close === -1 ? text.length : close + 1;
      value += text.slice(i, end);
      i = end;
    } else if (char === "'" || char === '"') {
      const close = closingQuote(text, i);
      // An apostrophe in prose is no quote: it has no partner.
      if (close === -1) {
        value += char;
        i++;
        continue;
      }
      quoted = true;
      const inner = text.slice(i + 1, close);
      value += char === '"' ? inner.replace(/\\(["\\$`'])/g, "$1") : inner;
      i = close + 1;
    } else if (char === "\\" && i + 1 < text.length) {
      value += text[i + 1];
      i += 2;
    } else {
      value += char;
      i++;
    }
  }
  return { raw: text.slice(start, i), value, quoted };
}

function closingQuote(text: string, open: number): number {
  for (let i = open + 1; i < text.length; i++) {
    if (text[i] === "\\" && text[open] === '"') i++;
    else if (text[i] === text[open]) return i;
  }
  return -1;
}

/** A word as `iptables-save` would print it; addresses and their like, which it prints by other means, stay bare. */
export function quoteWord(value: string): string {
  if (/^[\w./:,+@%$~={}[\]-]+$/.test(value)) return value;
  return `"${value.replace(/["\\']/g, "\\$&")}"`;
}

/** A word with a value of its own making, spelled as iptables would spell it. */
export function wordOf(value: string): Word {
  return { raw: quoteWord(value), value, quoted: false };
}

export function joinRaw(words: readonly Word[]): string {
  return words.map((word) => word.raw).join(" ");
}

function isBlank(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return code === 32 || (code >= 9 && code <= 13) || code === 0xa0;
}
