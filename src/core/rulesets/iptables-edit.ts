/**
 * The edits that iptables knows (`-A`, `-I`, `-D`, `-R`, `-P`, `-N`, `-F`, `-X`, `-E`), carried out on a draft.
 * The same letters stand in iptables-save files, in `-S` output and on command lines.
 */

import { hookOfBuiltInChain } from "../netfilter/hook.ts";
import type { ChainDraft, RuleDraft, TableDraft } from "./iptables-draft.ts";
import type { RuleSpecification } from "./iptables-rule.ts";
import { parseRuleWords } from "./iptables-rule.ts";
import { RuleSource } from "./iptables-rule-source.ts";
import type { Chain, Counters, Match } from "./ruleset.ts";
import type { Word } from "./words.ts";
import { joinRaw } from "./words.ts";

export interface Edit {
  /** The words from the command letter on: `-A INPUT -j DROP`. */
  readonly words: readonly Word[];
  readonly counters: Counters | null;
  readonly line: number;
  /** For a chain that this text did not create: whether its rules are taken to be all there are. */
  readonly unseenChain: Chain["positions"];
  /** Whose quoting the words have: that of `iptables-restore`, or a shell's. */
  readonly spelling: "restore" | "shell";
  /** Behind a command, prose may follow (`… -j DROP will drop it`): it is cut off in silence. */
  readonly allowsProse: boolean;
}

const LONG_COMMANDS: Readonly<Record<string, string>> = {
  "--append": "-A",
  "--insert": "-I",
  "--delete": "-D",
  "--replace": "-R",
  "--policy": "-P",
  "--new-chain": "-N",
  "--new": "-N",
  "--flush": "-F",
  "--delete-chain": "-X",
  "--rename-chain": "-E",
  "--zero": "-Z",
  "--check": "-C",
  "--list": "-L",
  "--list-rules": "-S",
};

/** The letter of an iptables command word (`-A`, `--append`); null for another word. */
export function editLetter(word: string | undefined): string | null {
  if (word === undefined) return null;
  const letter = LONG_COMMANDS[word] ?? word;
  return /^-[AIDRPNFXEZCLS]$/.test(letter) ? letter : null;
}

/** Carries an edit out. Returns null, or why it could not be understood. */
export function applyEdit(table: TableDraft, edit: Edit): string | null {
  const letter = editLetter(edit.words[0]?.value);
  const name = edit.words[1];
  switch (letter) {
    case "-A":
    case "-I":
    case "-D":
    case "-R":
      if (name === undefined || !isChainName(name)) return "a rule without a chain";
      return editRule(table, letter, name.value, edit);
    case "-P":
      if (name === undefined || edit.words[2] === undefined) return "a policy without its chain or verdict";
      table.chain(name.value, edit.unseenChain).policy = edit.words[2].value;
      return null;
    case "-N":
      if (name === undefined || !isChainName(name)) return "a new chain without a name";
      emptied(table.chain(name.value, "known"));
      return null;
    case "-F":
      if (name !== undefined && isChainName(name)) emptied(table.chain(name.value, "known"));
      else flushAll(table);
      return null;
    case "-X":
      if (name !== undefined && isChainName(name)) table.chains.delete(name.value);
      else for (const chain of userChains(table)) table.chains.delete(chain.name);
      return null;
    case "-E":
      return rename(table, name?.value, edit.words[2]?.value);
    case "-Z":
    case "-C":
    case "-L":
    case "-S":
      return null;
    default:
      return "not an iptables command";
  }
}

function editRule(table: TableDraft, letter: string, chainName: string, edit: Edit): string | null {
  const chain = table.chain(chainName, edit.unseenChain);
  const position = letter === "-A" ? null : numberWord(edit.words[2]);
  const words = edit.words.slice(position === null ? 2 : 3);
  if (letter === "-D" && position !== null) {
    chain.rules.splice(position - 1, 1);
    return null;
  }
  const parsed = parseRuleWords(words);
  const hasStray = parsed.stray !== null && !edit.allowsProse;
  const specification = hasStray ? withOpaque(parsed, parsed.stray ?? "") : parsed;
  const ruleWords = parsed.stray === null || hasStray ? joinRaw(words) : specificationText(parsed);
  if (letter === "-D") {
    const at = chain.rules.findIndex((rule) => sameRule(rule.source.read(), specification));
    if (at === -1) return "deletes a rule that is not there";
    chain.rules.splice(at, 1);
    return null;
  }
  const drafts = onePerAddress(specification).map((single, _, all): RuleDraft => {
    const text = all.length > 1 ? specificationText(single) : withoutCounters(ruleWords, single);
    const isKept = edit.spelling !== "restore" || parsed.stray !== null || all.length > 1;
    const source = new RuleSource(text, single, isKept);
    return { source, counters: edit.counters ?? single.counters, line: edit.line };
  });
  place(chain, letter, position, drafts);
  // The rule keeps its place, so that those behind it keep theirs.
  return hasStray ? `not understood: ${parsed.stray}` : null;
}

/** What could not be read, as a condition that nobody can evaluate. */
function withOpaque(specification: RuleSpecification, text: string): RuleSpecification {
  const match: Match = { kind: "opaque", negated: false, value: text, text };
  return { ...specification, matches: [...specification.matches, match] };
}

function place(chain: ChainDraft, letter: string, position: number | null, drafts: RuleDraft[]): void {
  if (letter === "-A") chain.rules.push(...drafts);
  else if (letter === "-R") chain.rules.splice((position ?? 1) - 1, 1, ...drafts);
  else {
    chain.rules.splice((position ?? 1) - 1, 0, ...drafts);
    if (chain.elidedAt !== null) chain.elidedAt += drafts.length;
  }
}

/** `-s a,b` makes one rule for each pair of source and destination (`append_entry`, iptables/iptables.c). */
function onePerAddress(specification: RuleSpecification): readonly RuleSpecification[] {
  if (!specification.matches.some(isListOfAddresses)) return [specification];
  let all = [specification];
  for (const kind of ["source", "destination"] as const) {
    all = all.flatMap((one) => {
      const at = one.matches.findIndex((match) => match.kind === kind && isListOfAddresses(match));
      const match = one.matches[at];
      if (match === undefined) return [one];
      return match.value.split(",").map((address) => ({
        ...one,
        matches: one.matches.with(at, withAddress(match, address.trim())),
      }));
    });
  }
  return all;
}

function isListOfAddresses({ kind, negated, value }: Match): boolean {
  return (kind === "source" || kind === "destination") && !negated && value.includes(",");
}

function withAddress(match: Match, address: string): Match {
  const option = match.text.slice(0, match.text.lastIndexOf(match.value));
  return { ...match, value: address, text: option + address };
}

/** The rule's words, put together again from its parts. */
export function specificationText(specification: RuleSpecification): string {
  const parts = specification.matches.map((match) => match.text);
  if (specification.target !== null) {
    const { kind, name, options } = specification.target;
    parts.push(kind === "goto" ? "-g" : "-j", name, joinRaw(options));
  }
  return parts.filter((part) => part !== "").join(" ");
}

function sameRule(a: RuleSpecification, b: RuleSpecification): boolean {
  return specificationText(a) === specificationText(b);
}

function emptied(chain: ChainDraft): void {
  chain.rules = [];
  chain.positions = "known";
  chain.complete = true;
  chain.elidedAt = null;
}

function flushAll(table: TableDraft): void {
  for (const chain of table.chains.values()) emptied(chain);
}

function userChains(table: TableDraft): ChainDraft[] {
  return [...table.chains.values()].filter((chain) => hookOfBuiltInChain(chain.name) === null);
}

function rename(table: TableDraft, from: string | undefined, to: string | undefined): string | null {
  const chain = from === undefined ? undefined : table.chains.get(from);
  if (chain === undefined || to === undefined) return "renames a chain that is not there";
  table.chains.delete(chain.name);
  table.chains.set(to, { ...chain, name: to });
  return null;
}

function numberWord(word: Word | undefined): number | null {
  return word !== undefined && /^[1-9]\d*$/.test(word.value) ? Number(word.value) : null;
}

function isChainName(word: Word): boolean {
  return !word.value.startsWith("-") && word.value !== "!";
}

/** `-S -v` prints `-c PACKETS BYTES` inside the rule. */
function withoutCounters(words: string, specification: RuleSpecification): string {
  if (specification.counters === null) return words;
  return words.replace(/(^|\s)(-c|--set-counters)\s+\d+[\s,]+\d+(?=\s|$)/, "").trimStart();
}
