/** Words for a POSIX shell, of any text: what a user typed stands in a script only through these. */
import { printable } from "../../base/text.ts";

/** One word that a shell reads back as exactly this text; throws for a NUL, which no argument can hold. */
export function shellQuote(text: string): string {
  if (text.includes("\0")) throw new Error("a NUL cannot be an argument");
  if (/^[A-Za-z0-9_./:,@%+=-]+$/.test(text)) return text;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Words as one command's arguments. */
export function shellWords(words: readonly string[]): string {
  return words.map(shellQuote).join(" ");
}

/** A comment of one line, whatever the text holds. */
export function shellComment(text: string): string {
  return `# ${printable(text)}`;
}
