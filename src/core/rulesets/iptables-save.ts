/**
 * Reads `iptables-save`, `ip6tables-save` and their relatives: `-S` output and hand-written files for `iptables-restore`.
 *
 * A save is `*table`, `:chain POLICY [packets:bytes]`, `-A` lines, `COMMIT`; iptables prints a header around each table,
 * which tells tool, version and, in newer versions, the backend (`(nf_tables)`; iptables/xtables-save.c). Several
 * saves may follow each other in one text: a new one begins with a header of another tool or a table that was there
 * already. `-S` has neither table nor end: chains first (`-P`, `-N`), then rules.
 */
import { IptablesDump } from "./iptables-dump.ts";
import { editLetter } from "./iptables-edit.ts";
import { saveHeader, tableLine } from "./iptables-save-lines.ts";
import type { Ruleset } from "./ruleset.ts";
import type { RulesetContext, Section, Surroundings } from "./section.ts";
import { isElision, problem } from "./section.ts";
import type { Word } from "./words.ts";
import { restoreWords } from "./words.ts";

const COUNTED_RULE = /^\[(\d+):(\d+)\]\s*(?=-)/;

export class IptablesSaveSection implements Section {
  readonly #context: RulesetContext;
  readonly #surroundings: Surroundings;
  readonly #rulesets: Ruleset[] = [];
  #dump: IptablesDump;
  /** A rule whose line ended in a backslash. */
  #words = "";
  #lastLine = 0;

  constructor(context: RulesetContext, surroundings: Surroundings) {
    this.#context = context;
    this.#surroundings = surroundings;
    this.#dump = new IptablesDump(surroundings);
  }

  read(line: string, lineNumber: number): boolean {
    const text = line.trim();
    this.#lastLine = lineNumber;
    if (text === "") return true;
    const header = saveHeader(text);
    if (header !== null) {
      if (!this.#dump.continuesUnder(header)) this.#nextDump();
      this.#dump.header = header;
      return true;
    }
    if (isElision(text)) {
      this.#dump.elide();
      return true;
    }
    if (text.startsWith("#")) return true;
    return this.#readStatement(text, lineNumber);
  }

  end(): readonly Ruleset[] {
    if (this.#words !== "") this.#readEdit(this.#words, this.#lastLine);
    this.#nextDump();
    return this.#rulesets;
  }

  #readStatement(text: string, lineNumber: number): boolean {
    const table =
      tableLine(text) ?? (this.#context.force ? (/^\*\s?(\S+)\s*$/.exec(text)?.[1] ?? null) : null);
    if (table !== null) {
      if (this.#dump.has(table)) this.#nextDump();
      this.#dump.open(table);
      return true;
    }
    if (text === "COMMIT") {
      this.#dump.commit();
      return true;
    }
    if (text.startsWith(":")) return this.#readChain(text, lineNumber);
    const joined = this.#words === "" ? text : `${this.#words} ${text}`;
    if (joined.endsWith("\\")) {
      this.#words = joined.slice(0, -1).trimEnd();
      return true;
    }
    this.#words = "";
    return this.#readEdit(joined, lineNumber);
  }

  #readChain(text: string, lineNumber: number): boolean {
    const match = /^:(\S+)(?:\s+([^\s[]\S*))?(?:\s+\[(\d+):(\d+)\])?\s*(.*)$/.exec(text);
    if (match === null) return this.#refuse(text, lineNumber, "not a chain declaration");
    const [, name = "", policy = "-", packets, bytes, rest = ""] = match;
    if (!this.#dump.isOpen) return this.#refuse(text, lineNumber, "a chain outside of a table");
    this.#dump.declare(name, policy, packets, bytes);
    if (rest !== "") this.#dump.problems.push(problem(lineNumber, text, `not understood: ${rest}`));
    return true;
  }

  #readEdit(text: string, lineNumber: number): boolean {
    const counted = COUNTED_RULE.exec(text);
    const words = restoreWords(counted === null ? text : text.slice(counted[0].length));
    const own = this.#ownFamilyWords(words);
    if (editLetter(own[0]?.value) === null)
      return this.#refuse(text, lineNumber, "not an iptables-save line");
    const isList = /^-[PN]$/.test(own[0]?.value ?? "");
    if (!this.#dump.isOpen) {
      // A table that was committed is over; `-A` behind it belongs to something else.
      if (this.#dump.format === "iptables-save" && this.#dump.hasTables) return false;
      if (isList && this.#dump.startsAgain(own)) this.#nextDump();
      this.#dump.openUnnamed();
    } else if (isList && this.#dump.startsAgain(own)) {
      this.#nextDump();
      this.#dump.openUnnamed();
    }
    const counters =
      counted === null ? null : { packets: BigInt(counted[1] ?? "0"), bytes: BigInt(counted[2] ?? "0") };
    const reason = this.#dump.edit(own, counters, lineNumber);
    if (reason === null) return true;
    if (this.#dump.format === "iptables-rules") return false;
    this.#dump.problems.push(problem(lineNumber, text, reason));
    return true;
  }

  /** `-4` and `-6` in front of a line, by which one file can serve both families. */
  #ownFamilyWords(words: readonly Word[]): readonly Word[] {
    const first = words[0]?.value;
    return first === "-4" || first === "-6"
      ? [...words.slice(1, 3), words[0] as Word, ...words.slice(3)]
      : words;
  }

  #refuse(text: string, lineNumber: number, reason: string): boolean {
    const isOurs = this.#dump.isNamed && /^[:[-]/.test(text) && !/^---|^- /.test(text);
    if (isOurs) this.#dump.problems.push(problem(lineNumber, text, reason));
    return isOurs;
  }

  #nextDump(): void {
    const ruleset = this.#dump.finish(this.#context);
    if (ruleset !== null) this.#rulesets.push(ruleset);
    this.#dump = new IptablesDump(this.#surroundings);
  }
}
