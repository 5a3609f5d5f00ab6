/** What goes to standard error: refusals, notes, the summary. One line each, safe to show. */

import type { Refusal } from "../app/refusal.ts";
import { printable } from "../core/base/text.ts";

export function say(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

export function sayRefusal({ message, hint }: Refusal): void {
  say(`nfpath: ${message}; ${hint}`);
}
