/**
 * The text of one nft rule as conditions and statements.
 *
 * nft's language is rich and grows; what is needed here is where each part ends, so that a part nobody knows stays whole
 * as `opaque` and the known ones around it are still found. Word groups are those of nft(8).
 */
import { selectorAt } from "./nft-selectors.ts";
import { statementAt } from "./nft-statements.ts";
import { nftWords, unquoted } from "./nft-words.ts";
import type { Counters, Match, Statement } from "./ruleset.ts";

export interface NftRuleParts {
  readonly matches: readonly Match[];
  readonly statements: readonly Statement[];
  readonly comment: string | null;
  readonly counters: Counters | null;
  /** The last deciding word: `accept`, `dnat`, a chain; null where the packet goes on. */
  readonly target: string | null;
  /** Without counters and comment. */
  readonly short: string;
}

const COMPARISON = /^(==|!=|<|>|<=|>=|eq|ne|lt|gt|le|ge)$/;
const JOINING = /^(&|\||\^|<<|>>|and|or|xor|lshift|rshift|\/|-|\.|==|!=)$/;

/** Words that begin a statement can be no condition's value: such a condition lacks its own. */
const STATEMENT =
  /^(accept|drop|return|continue|jump|goto|reject|log|counter|limit|dnat|snat|masquerade|redirect|notrack|queue|comment)$/;

/** Reads a rule as `nft list` prints it, without its handle. */
export function parseNftRule(text: string): NftRuleParts {
  const words = nftWords(text);
  const matches: Match[] = [];
  const statements: Statement[] = [];
  const shown: string[] = [];
  let comment: string | null = null;
  let counters: Counters | null = null;
  let unknown: string[] = [];
  const endUnknown = () => {
    if (unknown.length > 0) matches.push(opaque(unknown.join(" ")));
    unknown = [];
  };
  let at = 0;
  while (at < words.length) {
    if (words[at] === "comment" && words[at + 1] !== undefined) {
      endUnknown();
      comment = unquoted(words[at + 1] ?? "");
      at += 2;
      continue;
    }
    const statement = statementAt(words, at);
    const match = statement === null ? matchAt(words, at) : null;
    const part = statement ?? match;
    if (part === null) {
      unknown.push(words[at] ?? "");
      shown.push(words[at] ?? "");
      at++;
      continue;
    }
    endUnknown();
    const isCounter = statement?.counters !== undefined;
    if (statement?.counters !== undefined) counters = statement.counters;
    if (statement !== null) statements.push(statement.statement);
    // A rate or a quota lets some packets pass by the rest of the rule: a condition that nobody can evaluate here.
    if (statement?.isCondition === true) matches.push(opaque(words.slice(at, at + part.length).join(" ")));
    if (match !== null) matches.push(match.match);
    if (!isCounter) shown.push(...words.slice(at, at + part.length));
    at += part.length;
  }
  endUnknown();
  return { matches, statements, comment, counters, target: targetOf(statements), short: shown.join(" ") };
}

function matchAt(words: readonly string[], at: number): { match: Match; length: number } | null {
  // What iptables-nft wrote and nft cannot translate: `xt match "addrtype"`.
  if (words[at] === "xt" && words[at + 1] === "match") {
    return { match: opaque(words.slice(at, at + 3).join(" ")), length: 3 };
  }
  const selector = selectorAt(words, at);
  if (selector === null) return null;
  let length = selector.length;
  let negated = false;
  const operator = words[at + length] ?? "";
  if (operator === "!=" || operator === "ne" || operator === "!") {
    negated = true;
    length++;
  } else if (operator === "==" || operator === "eq" || operator === "in") length++;
  const valueAt = at + length;
  const isRelation = COMPARISON.test(words[valueAt] ?? "");
  if (isRelation) length++;
  while (JOINING.test(words[at + length] ?? "")) length++;
  if (at + length >= words.length) return null;
  // `ct status dnat` is the one condition whose value is also a statement's name.
  if (selector.kind !== "ct-status" && STATEMENT.test(words[at + length] ?? "")) return null;
  length++;
  while (at + length < words.length) {
    const word = words[at + length] ?? "";
    const previous = words[at + length - 1] ?? "";
    if (!(JOINING.test(word) || JOINING.test(previous) || previous.endsWith(",") || word.startsWith(",")))
      break;
    length++;
  }
  const value = words
    .slice(valueAt, at + length)
    .map(unquoted)
    .join(" ");
  const text = words.slice(at, at + length).join(" ");
  return { match: { kind: selector.kind, negated, value, text }, length };
}

function opaque(text: string): Match {
  return { kind: "opaque", negated: false, value: text, text };
}

function targetOf(statements: readonly Statement[]): string | null {
  const last = statements.findLast((statement) => DECIDING.has(statement.kind));
  if (last === undefined) return null;
  return last.kind === "jump" || last.kind === "goto" ? last.chain : last.kind;
}

const DECIDING: ReadonlySet<Statement["kind"]> = new Set([
  "accept",
  "drop",
  "return",
  "continue",
  "jump",
  "goto",
  "reject",
  "queue",
  "dnat",
  "snat",
  "masquerade",
  "redirect",
  "netmap",
]);
