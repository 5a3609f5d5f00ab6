/**
 * Text with meaning, before anybody decides on colours: views make it, faces paint it.
 *
 * Every span goes through `printable`, so text from a host (rule comments, log prefixes, interface names) cannot carry
 * escape sequences to a terminal, whoever wrote the view.
 */
import stringWidth from "string-width";
import { printable } from "../base/text.ts";

export type Style = "plain" | "dim" | "strong" | "good" | "bad" | "doubtful" | "note" | "rule";

export interface Span {
  readonly text: string;
  readonly style: Style;
}

export type Line = readonly Span[];

export function span(text: string, style: Style = "plain"): Span {
  return { text: printable(text), style };
}

/** Columns that text takes on a terminal. Plain ASCII is counted without looking closer. */
export function widthOf(text: string): number {
  return /^[\x20-\x7e]*$/.test(text) ? text.length : stringWidth(text);
}

export function widthOfLine(line: Line): number {
  let width = 0;
  for (const { text } of line) width += widthOf(text);
  return width;
}

export function pad(text: string, columns: number): string {
  const missing = columns - widthOf(text);
  return missing > 0 ? text + " ".repeat(missing) : text;
}

/**
 * Breaks text at spaces so that each line, the first included, fits `columns`; a word that is longer stands alone and
 * runs over, since cutting it would lose what it says. Infinite columns: one line.
 */
export function wrap(text: string, columns: number): readonly string[] {
  if (widthOf(text) <= columns) return [text];
  const lines: string[] = [];
  let line: string | null = null;
  for (const word of text.split(" ")) {
    const longer: string = line === null ? word : `${line} ${word}`;
    if (line !== null && widthOf(longer) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  lines.push(line ?? "");
  return lines;
}
