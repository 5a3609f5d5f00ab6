/**
 * One iptables rule specification (what stands behind `-A CHAIN`) as conditions and a target.
 *
 * The spellings of twenty years are read alike: negation in front of the option (`! -i eth0`) and, up to 1.4.2,
 * behind it (`-i ! eth0`); values joined to their option (`-ieth0`, `--dport=53`); matches behind the target. The parts keep
 * their own words, so that the rule can be written again from them.
 *
 * What the target is cannot be said here: `-j LOG` jumps where the table has a chain of that name.
 */

import type { OptionSpec } from "./iptables-options.ts";
import { CORE_OPTIONS, MATCH_OPTIONS, PROTOCOL_MODULES, TEXT_OPTIONS } from "./iptables-options.ts";
import type { Counters, Match, MatchKind } from "./ruleset.ts";
import type { Word } from "./words.ts";
import { joinRaw, quoteWord, wordOf } from "./words.ts";

export interface RuleSpecification {
  readonly matches: readonly Match[];
  /** `-j` or `-g` with its name and further words; null for a rule that only counts. */
  readonly target: TargetWords | null;
  readonly comment: string | null;
  /** From `-c PACKETS BYTES`. */
  readonly counters: Counters | null;
  /** A word that cannot stand where it stands, and all behind it: where prose begins, or damage. */
  readonly stray: string | null;
}

export interface TargetWords {
  readonly kind: "jump" | "goto";
  readonly name: string;
  readonly options: readonly Word[];
}

/** Reads the words of a rule; never fails: what is not an option ends the rule and is returned as `stray`. */
export function parseRuleWords(words: readonly Word[]): RuleSpecification {
  return new SpecificationParser(words).parse();
}

class SpecificationParser {
  readonly #words: Word[];
  #at = 0;
  readonly #matches: Match[] = [];
  #target: { kind: "jump" | "goto"; name: string; options: Word[] } | null = null;
  #comment: string | null = null;
  #counters: Counters | null = null;
  #stray: string | null = null;

  constructor(words: readonly Word[]) {
    this.#words = [...words];
  }

  parse(): RuleSpecification {
    while (this.#at < this.#words.length && this.#stray === null) this.#readOption();
    return {
      matches: this.#matches,
      target: this.#target,
      comment: this.#comment,
      counters: this.#counters,
      stray: this.#stray,
    };
  }

  #readOption(): void {
    const negation = this.#skipNegation();
    this.#splitJoinedValue();
    const word = this.#words[this.#at];
    if (word === undefined || !isOption(word)) {
      this.#stray = joinRaw(this.#words.slice(this.#at - (negation ? 1 : 0)));
      return;
    }
    const option = word.value;
    const core = CORE_OPTIONS.get(option);
    if (option === "-m" || option === "--match") this.#readModule(negation);
    else if (isJump(option)) this.#readTarget();
    else if (core !== undefined) this.#readMatch(core, negation, "");
    else if (option === "-c" || option === "--set-counters") this.#readCounters();
    else if (this.#target !== null && !MATCH_OPTIONS.has(option)) this.#readTargetOption(negation);
    else this.#readLooseOption(negation);
  }

  /** `-m NAME` with the options that belong to it. */
  #readModule(negation: boolean): void {
    const flag = this.#words[this.#at] as Word;
    const name = this.#words[this.#at + 1];
    if (name === undefined || isOption(name)) {
      this.#stray = joinRaw(this.#words.slice(this.#at));
      return;
    }
    this.#at += 2;
    const prefix = `${negation ? "! " : ""}${flag.raw} ${name.raw}`;
    const next = this.#peekOption();
    const module = name.value.toLowerCase();
    const first = next === null ? undefined : MATCH_OPTIONS.get(next);
    if (first !== undefined && belongs(first, module)) {
      const inner = this.#skipNegation();
      this.#readMatch(first, inner, `${prefix} `);
      return;
    }
    const protocol = PROTOCOL_MODULES.get(module);
    if (protocol !== undefined && (next === null || isBoundary(next))) {
      this.#matches.push({ kind: "protocol", negated: false, value: protocol, text: prefix });
      return;
    }
    this.#readOpaqueModule(prefix, name.raw);
  }

  /** An extension nobody here knows, as one condition with all of its words. */
  #readOpaqueModule(prefix: string, module: string): void {
    const start = this.#at;
    let options = 0;
    let negations = 0;
    for (;;) {
      const next = this.#peekOption();
      // Options of the model's own extensions that lack their `-m` (`-m limit … --dport 80`) end this one.
      if (next === null || isBoundary(next) || isPlacedMatch(next)) break;
      if (this.#skipNegation()) negations++;
      options++;
      this.#takeOptionWords();
    }
    const words = this.#words.slice(start, this.#at);
    const negated = options === 1 && negations === 1;
    const value = joinRaw(negated ? words.filter((word) => word.value !== "!") : words);
    this.#matches.push({
      kind: "opaque",
      negated,
      value: value === "" ? module : `${module} ${value}`,
      text: words.length === 0 ? prefix : `${prefix} ${joinRaw(words)}`,
    });
  }

  /** An option outside of `-m`: a known one by the protocol's implied extension, or opaque. */
  #readLooseOption(negation: boolean): void {
    const option = (this.#words[this.#at] as Word).value;
    const known = MATCH_OPTIONS.get(option);
    if (known !== undefined) {
      this.#readMatch(known, negation, "");
      return;
    }
    const start = this.#at;
    this.#takeOptionWords();
    const value = joinRaw(this.#words.slice(start, this.#at));
    this.#matches.push({
      kind: "opaque",
      negated: negation,
      value,
      text: `${negation ? "! " : ""}${value}`,
    });
  }

  #readMatch(spec: OptionSpec, negationInFront: boolean, prefix: string): void {
    const option = this.#words[this.#at++] as Word;
    const negationBehind = spec.arguments > 0 && this.#words[this.#at]?.value === "!" && this.#skipNegation();
    const values = this.#words.slice(this.#at, this.#at + spec.arguments);
    const isCut = spec.kind !== "comment" && values.some((word) => isJump(word.value) && isOption(word));
    if (values.length < spec.arguments || isCut) {
      this.#stray = joinRaw([option, ...values]);
      this.#at = this.#words.length;
      return;
    }
    this.#at += values.length;
    let negated = negationInFront || negationBehind;
    let value =
      spec.kind === "comment" ? (values[0]?.value ?? "") : values.map((word) => word.value).join(" ");
    // `-d !192.0.2.1` and `--state !NEW` of the oldest scripts, and `--dst-type !LOCAL`.
    if (spec.kind !== "comment" && value.startsWith("!") && value.length > 1) {
      negated = !negated;
      value = value.slice(1);
    }
    if (spec.kind === "comment") this.#comment ??= value;
    if (spec.arguments === 0) value = flagValue(option.value, spec.kind);
    const front = negationInFront ? "! " : "";
    const behind = negationBehind ? " !" : "";
    const written = values.length === 0 ? "" : ` ${joinRaw(values)}`;
    this.#matches.push({
      kind: spec.kind,
      negated,
      value,
      text: `${prefix}${front}${option.raw}${behind}${written}`,
    });
  }

  #readTarget(): void {
    const flag = this.#words[this.#at] as Word;
    const name = this.#words[this.#at + 1];
    if (name === undefined) {
      this.#stray = flag.raw;
      return;
    }
    this.#at += 2;
    const kind = flag.value === "-g" || flag.value === "--goto" ? "goto" : "jump";
    this.#target = { kind, name: name.value, options: [] };
  }

  #readTargetOption(negation: boolean): void {
    const start = this.#at - (negation ? 1 : 0);
    this.#takeOptionWords();
    this.#target?.options.push(...this.#words.slice(start, this.#at));
  }

  #readCounters(): void {
    const [first, second] = [this.#words[this.#at + 1]?.value ?? "", this.#words[this.#at + 2]?.value ?? ""];
    const joined = /^(\d+),(\d+)$/.exec(first);
    if (joined !== null) {
      this.#counters = { packets: BigInt(joined[1] ?? "0"), bytes: BigInt(joined[2] ?? "0") };
      this.#at += 2;
    } else if (/^\d+$/.test(first) && /^\d+$/.test(second)) {
      this.#counters = { packets: BigInt(first), bytes: BigInt(second) };
      this.#at += 3;
    } else {
      this.#stray = joinRaw(this.#words.slice(this.#at));
    }
  }

  /** Moves behind an option and the plain words that follow it. */
  #takeOptionWords(): void {
    const option = this.#words[this.#at++];
    if (option !== undefined && TEXT_OPTIONS.has(option.value)) {
      this.#skipNegation();
      this.#at++;
      return;
    }
    while (this.#at < this.#words.length) {
      const word = this.#words[this.#at] as Word;
      if (isOption(word)) return;
      if (word.value === "!" && !word.quoted) {
        const next = this.#words[this.#at + 1];
        // `! --next` belongs to the next option, `--opt ! value` to this one.
        if (next === undefined || isOption(next)) return;
      }
      this.#at++;
    }
  }

  #skipNegation(): boolean {
    const word = this.#words[this.#at];
    if (word === undefined || word.quoted || word.value !== "!") return false;
    this.#at++;
    return true;
  }

  /** The next option's name, looking over a `!`; null at the end or before a stray word. */
  #peekOption(): string | null {
    let at = this.#at;
    if (this.#words[at]?.value === "!") at++;
    const word = this.#words[at];
    return word !== undefined && isOption(word) ? word.value : null;
  }

  /** Turns `-ieth0` and `--dport=53` into two words. */
  #splitJoinedValue(): void {
    const word = this.#words[this.#at];
    if (word === undefined || !isOption(word)) return;
    const text = word.value;
    const equals = /^(--[a-z][a-z0-9-]*)=(.*)$/s.exec(text);
    const joined = equals ?? /^(-[psdiojmg])([^-].*)$/s.exec(text);
    if (joined === null) return;
    const words = [wordOf(joined[1] ?? ""), { ...wordOf(joined[2] ?? ""), quoted: true }];
    this.#words.splice(this.#at, 1, ...words);
  }
}

/** A negative number is a value, `-4` and `-6` are options. */
function isOption(word: Word): boolean {
  return !word.quoted && /^-(-?[A-Za-z]|[46]$)/.test(word.value);
}

function isJump(option: string): boolean {
  return option === "-j" || option === "--jump" || option === "-g" || option === "--goto";
}

/** An option that cannot belong to an extension. */
function isBoundary(option: string): boolean {
  return (
    option === "-m" ||
    option === "--match" ||
    option === "-c" ||
    option === "--set-counters" ||
    isJump(option) ||
    CORE_OPTIONS.has(option) ||
    /^-[psdiojmg][^-]/.test(option)
  );
}

/** Ports and TCP flags: extensions that `-p` alone loads, so that their options may stand anywhere. */
function isPlacedMatch(option: string): boolean {
  const spec = MATCH_OPTIONS.get(option);
  return spec?.modules?.includes("tcp") === true || option === "--icmp-type" || option === "--icmpv6-type";
}

function belongs(spec: OptionSpec, module: string): boolean {
  return spec.modules === null || spec.modules.includes(module);
}

function flagValue(option: string, kind: MatchKind): string {
  if (kind === "tcp-flags") return "FIN,SYN,RST,ACK SYN";
  if (kind === "family") return option === "-6" || option === "--ipv6" ? "ip6" : "ip";
  return quoteWord(option);
}
