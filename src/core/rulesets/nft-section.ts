/**
 * Finds where nft's text and JSON begin and end in a stream of lines. What is between goes to the readers whole: both
 * formats nest, and neither can be read by lines.
 */
import { isNftCommand } from "./nft-commands.ts";
import { readNftJson } from "./nft-json.ts";
import { readNftText } from "./nft-text.ts";
import type { Ruleset } from "./ruleset.ts";
import type { RulesetContext, Section } from "./section.ts";

const TABLE =
  /^\s*(?:(?:add|create)\s+)?table\s+(?:(?:ip|ip6|inet|arp|bridge|netdev)\s+)?[A-Za-z_"][\w."/\\-]*\s*\{/;
const TOP_LEVEL = /^\s*(define|include|redefine|undefine)\s+\S|^\s*#!\s*\S*nft\b/;

/** Whether a line can only be the first of nft's text. */
export function startsNftText(line: string): boolean {
  return TABLE.test(line) || /^\s*(?:re)?define\s+\w+\s*=/.test(line) || isNftCommand(line.trim());
}

/** `nft add rule …` as typed in a shell: the command without `nft` and the shell's quoting; null for another line. */
export function shellNftCommand(line: string): string | null {
  const match = /(?:^|[\s`$#;&|(/])nft\s+(?:-[a-z]+\s+)*(.*)$/.exec(line);
  if (match === null) return null;
  let command = (match[1] ?? "").trim();
  const quote = command[0];
  if (quote === "'" || quote === '"') {
    const close = command.indexOf(quote, 1);
    command = command.slice(1, close === -1 ? command.length : close);
  } else command = command.replace(/`.*$/, "").replace(/\s+(&&|\|\||>|\|)\s.*$/, "");
  command = command
    .replace(/\\([;{}!"'#])/g, "$1")
    .replace(/['"](\{[^'"]*\})['"]/g, "$1")
    .trim();
  return isNftCommand(command) ? command : null;
}

/** What cannot stand inside of a table: the listing was cut, and its braces never close. */
const NOT_INSIDE =
  /TRACE: |^trace id |^PACKET: |^```|^##+ |^table\s.*\{|^\*[a-z]+$|^Chain \S+ \(|^\S+[@:]\S*[#$]\s|^\[?\w+@\S+/;

export class NftTextSection implements Section {
  readonly #context: RulesetContext;
  readonly #lines: string[] = [];
  #firstLine = 0;
  #depth = 0;
  #isContinued = false;

  constructor(context: RulesetContext) {
    this.#context = context;
  }

  read(line: string, lineNumber: number): boolean {
    if (this.#depth === 0 && !this.#isContinued && !this.#isOurs(line)) return false;
    if (this.#depth > 0 && NOT_INSIDE.test(line)) return false;
    if (this.#lines.length === 0) this.#firstLine = lineNumber;
    // Quoted lines may have been dropped in between: keep the count right.
    while (this.#lines.length < lineNumber - this.#firstLine) this.#lines.push("");
    this.#lines.push(line);
    this.#depth = Math.max(0, this.#depth + braceBalance(line));
    this.#isContinued = line.trimEnd().endsWith("\\");
    return true;
  }

  end(): readonly Ruleset[] {
    const rulesets = readNftText(this.#lines.join("\n"), this.#context, this.#firstLine);
    // Without any table it was another language's `define`.
    return rulesets.filter((ruleset) => ruleset.tables.length > 0 || this.#context.force);
  }

  /** Outside of braces: another table or command, or what may stand between two. */
  #isOurs(line: string): boolean {
    const text = line.trim();
    return (
      text === "" ||
      startsNftText(line) ||
      text === "}" ||
      (text.startsWith("#") && !text.startsWith("##")) ||
      TOP_LEVEL.test(line)
    );
  }
}

export class NftJsonSection implements Section {
  readonly #context: RulesetContext;
  readonly #lines: string[] = [];
  #firstLine = 0;
  #depth = 0;
  #isKnown = false;

  constructor(context: RulesetContext) {
    this.#context = context;
  }

  read(line: string, lineNumber: number): boolean {
    if (this.#lines.length > 0 && this.#depth === 0) return false;
    if (!this.#isKnown) {
      if (/"nftables"\s*:/.test(line.slice(0, 4096))) this.#isKnown = true;
      else if (!/^\s*\{?\s*$/.test(line)) return false;
    }
    const isFirst = this.#lines.length === 0;
    if (isFirst) this.#firstLine = lineNumber;
    this.#lines.push(line);
    // The usual case, megabytes on one line, need not be counted through.
    const isWhole = isFirst && /\]\s*\}\s*$/.test(line.slice(-16));
    if (!isWhole) this.#depth += braceBalance(line);
    return true;
  }

  end(): readonly Ruleset[] {
    return this.#isKnown ? readNftJson(this.#lines.join("\n"), this.#context, this.#firstLine) : [];
  }
}

/** How many more `{` than `}` a line has, outside of strings and comments. */
function braceBalance(line: string): number {
  let balance = 0;
  let isString = false;
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    if (isString) {
      if (code === 92) i++;
      else if (code === 34) isString = false;
    } else if (code === 34) isString = true;
    else if (code === 35) return balance;
    else if (code === 123) balance++;
    else if (code === 125) balance--;
  }
  return balance;
}
