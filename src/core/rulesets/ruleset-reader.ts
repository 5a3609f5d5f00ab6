/**
 * Finds the rules in any text.
 *
 * People send one file with everything in it: a mail with an `iptables -L` behind `> `, a log with a save at its end,
 * Markdown with both. Formats are known by their first line, never by the file's name, and all else is left alone. Most
 * lines of most inputs are log lines, so a line is refused by its first characters wherever that is possible.
 */
import type { Family } from "../netfilter/family.ts";
import { CommandCollector, iptablesCommands, isEdit } from "./iptables-commands.ts";
import { chainHeading, IptablesListSection } from "./iptables-list.ts";
import { IptablesSaveSection } from "./iptables-save.ts";
import { isRulesLine, saveHeader, tableLine } from "./iptables-save-lines.ts";
import { tableHeading } from "./iptables-table-name.ts";
import { NftJsonSection, NftTextSection, shellNftCommand, startsNftText } from "./nft-section.ts";
import type { Ruleset, RulesetProblem } from "./ruleset.ts";
import type { RulesetContext, Section, Surroundings } from "./section.ts";
import { NO_SURROUNDINGS, problem } from "./section.ts";

export interface RulesetReaderOptions {
  /** Name of the input, for `Ruleset.input`. */
  readonly input: string;
  readonly netns?: string | null;
  /** Family and table of listings that name none. */
  readonly family?: Family | null;
  readonly table?: string | null;
  /** The whole text is rules: a line that cannot be read is a problem. */
  readonly force?: boolean;
}

export interface ReadRulesets {
  /** In the order of the text; commands, which may be anywhere, last. */
  readonly rulesets: readonly Ruleset[];
  /** With `force`: lines that belong to no ruleset. */
  readonly problems: readonly RulesetProblem[];
}

/** Reads all rules in a text. */
export function readRulesets(text: string, options: RulesetReaderOptions): ReadRulesets {
  const reader = new RulesetReader(options);
  let start = 0;
  let line = 1;
  while (start <= text.length) {
    let end = text.indexOf("\n", start);
    if (end === -1) end = text.length;
    reader.read(text.slice(start, text.charCodeAt(end - 1) === 13 ? end - 1 : end), line++);
    start = end + 1;
  }
  return { rulesets: reader.end(), problems: reader.problems };
}

/** How many lines after a heading or a prompt a listing may begin. */
const SURROUNDINGS_REACH = 4;

export class RulesetReader {
  readonly #context: RulesetContext;
  readonly #given: Surroundings;
  readonly #rulesets: Ruleset[] = [];
  readonly #problems: RulesetProblem[] = [];
  readonly #commands: CommandCollector;
  #section: Section | null = null;
  #surroundings: Surroundings;
  #reach = 0;

  constructor(options: RulesetReaderOptions) {
    this.#context = {
      input: options.input,
      netns: options.netns ?? null,
      force: options.force ?? false,
    };
    this.#given = { ...NO_SURROUNDINGS, family: options.family ?? null, table: options.table ?? null };
    this.#surroundings = this.#given;
    this.#commands = new CommandCollector(this.#context);
  }

  /** With `force`: lines that belong to no ruleset, so far. */
  get problems(): readonly RulesetProblem[] {
    return this.#problems;
  }

  /** Takes the next line, without its end. True: it belongs to rules. */
  read(line: string, lineNumber: number): boolean {
    if (this.#section === null && !mayBeRules(line)) return this.#leave(line, lineNumber);
    const text = withoutQuoting(line);
    if (this.#section?.read(text, lineNumber) === true) return true;
    this.#endSection();
    if (!mayBeRules(line)) return this.#leave(line, lineNumber);
    const section = this.#open(text);
    if (section?.read(text, lineNumber) === true) {
      this.#section = section;
      return true;
    }
    return this.#readCommands(text, lineNumber) || this.#leave(line, lineNumber);
  }

  /** The input has ended: all that was read. */
  end(): Ruleset[] {
    this.#endSection();
    const all = [...this.#rulesets, ...this.#commands.end()];
    return all.filter((ruleset) => ruleset.tables.length > 0 || ruleset.problems.length > 0);
  }

  #open(line: string): Section | null {
    const text = line.trimStart();
    switch (text[0]) {
      case "{":
        return new NftJsonSection(this.#context);
      case "C":
        return chainHeading(text) === null
          ? null
          : new IptablesListSection(this.#context, this.#surroundings);
      case "*":
      case ":":
      case "[":
      case "-":
      case "#":
        if (tableLine(text.trimEnd()) === null && saveHeader(text) === null && !isRulesLine(text)) {
          return this.#context.force && /^\*\s?\S+\s*$/.test(text) ? this.#saveSection() : null;
        }
        return this.#saveSection();
      default:
        return startsNftText(text) ? new NftTextSection(this.#context) : null;
    }
  }

  #saveSection(): Section {
    return new IptablesSaveSection(this.#context, this.#surroundings);
  }

  /** Shell commands: those that change rules are carried out, those that list them say what follows. */
  #readCommands(line: string, lineNumber: number): boolean {
    const table = tableHeading(line);
    if (table !== null) {
      this.#surroundings = { ...this.#surroundings, table };
      this.#reach = SURROUNDINGS_REACH;
      return false;
    }
    const nft = shellNftCommand(line);
    if (nft !== null) {
      const section = new NftTextSection(this.#context);
      section.read(nft, lineNumber);
      this.#section = section;
      return true;
    }
    let isOurs = false;
    for (const command of iptablesCommands(line)) {
      if (command.letter === "-L" || command.letter === "-S" || command.letter === "save") {
        const isSave = command.letter === "save";
        this.#surroundings = {
          family: command.family,
          backend: command.backend,
          table: isSave || /\$/.test(command.table) ? null : command.table,
        };
        this.#reach = SURROUNDINGS_REACH;
        isOurs = true;
      } else if (isEdit(command)) {
        this.#commands.run(command, lineNumber);
        isOurs = true;
      }
    }
    return isOurs;
  }

  #leave(line: string, lineNumber: number): boolean {
    if (line.trim() === "") return false;
    if (this.#reach > 0 && --this.#reach === 0) this.#surroundings = this.#given;
    if (this.#context.force && !/^\s*(#|```|$)/.test(line)) {
      this.#problems.push(problem(lineNumber, line, "not understood as rules"));
    }
    return false;
  }

  #endSection(): void {
    if (this.#section === null) return;
    this.#rulesets.push(...this.#section.end());
    this.#section = null;
    this.#surroundings = this.#given;
    this.#reach = 0;
  }
}

/** Refuses log lines and blank ones by their look. Says yes for too many, never no for rules. */
function mayBeRules(line: string): boolean {
  if (line.length === 0 || line.startsWith("trace id ")) return false;
  if (line.includes("TRACE: ") || line.includes("PROTO=")) return false;
  switch (firstCode(line)) {
    case 42: // *
    case 58: // :
    case 35: // #
    case 45: // -
    case 123: // {
      return true;
    case 67: // C
      return line.includes("Chain ") || mentionsTool(line);
    case 91: // [
      return /^[\s>|]*\[\d+:\d+\]/.test(line) || mentionsTool(line);
    default:
      return mentionsTool(line) || (line.length <= 60 && tableHeading(line) !== null);
  }
}

/** Plain searches for words that begin with a rare letter: a pattern with alternatives costs ten times as much. */
function mentionsTool(line: string): boolean {
  if (line.includes("tables") || line.includes("table ") || line.includes("nft ")) return true;
  if (line.length > 1024) return false;
  return line.includes("IPT") || line.includes("ipt") || line.includes(": -A ") || NFT_VERB.test(line);
}

const NFT_VERB = /^[\s>|]*(?:add|create|insert|replace|delete|destroy|flush|define|include)\s/;

/** The first character behind blanks and a mail's or a table's quoting. */
function firstCode(line: string): number {
  let i = 0;
  while (i < line.length) {
    const code = line.charCodeAt(i);
    if (code !== 32 && code !== 9 && code !== 62 && code !== 124) return code;
    i++;
  }
  return -1;
}

/** Takes `> `, `| ` and their repetitions off. */
function withoutQuoting(line: string): string {
  return /^\s*[>|]/.test(line) ? line.replace(/^\s*(?:[>|] ?)+/, "") : line;
}
