/**
 * One rule of `iptables -L`: its columns.
 *
 * `iptables -L` pads columns with spaces but never cuts them, so columns are found by words, not by width. Three things
 * make that hard: a rule without a target leaves its column blank, `ip6tables` leaves the option column blank (up to 1.8.8),
 * and without `-v` there are no interfaces at all.
 */
import type { Counters, Match } from "./ruleset.ts";
import { INTERFACES_NOT_SHOWN } from "./unconditional.ts";

export interface ListColumns {
  /** `--line-numbers` */
  readonly hasNumbers: boolean;
  /** `-v`: counters and interfaces */
  readonly isVerbose: boolean;
}

export interface ListRow {
  readonly number: number | null;
  readonly counters: Counters | null;
  /** Empty for a rule without a target. */
  readonly target: string;
  /** Protocol, fragment, interfaces and addresses. */
  readonly matches: readonly Match[];
  /** What the extensions printed. */
  readonly words: string;
  /** From the target column on. */
  readonly text: string;
}

const ROW_WORD = /\S+/g;
const COUNTER = /^\d+[KMGTP]?$/;
const FRAGMENT_COLUMN = /^(--|!?-f|!f|-f-?|----)$/;
const PROTOCOL =
  /^!?(all|tcp|udp|udplite|icmp|icmpv6|ipv6-icmp|esp|ah|sctp|dccp|gre|ipv6|ipencap|ipip|ospf|igmp|vrrp|pim|mh|\d{1,3})$/;

/** The columns that a heading line (`num pkts bytes target prot …`) announces; null for another line. */
export function listHeading(line: string): ListColumns | null {
  const match =
    /^\s*(num\s+)?(pkts\s+bytes\s+)?target\s+prot\s+opt\s+(in\s+out\s+)?source\s+destination\b/.exec(line);
  if (match === null) return null;
  return { hasNumbers: match[1] !== undefined, isVerbose: match[2] !== undefined };
}

/** Reads a rule line. Null: the line is none. Without a heading the columns are guessed from the line itself. */
export function parseListRow(line: string, heading: ListColumns | null): ListRow | null {
  const words: { text: string; at: number }[] = [];
  for (const match of line.matchAll(ROW_WORD)) words.push({ text: match[0], at: match.index });
  let at = 0;
  const text = (offset = 0) => words[at + offset]?.text ?? "";
  const columns = heading ?? guessColumns(words.map((word) => word.text));
  let number: number | null = null;
  if (columns.hasNumbers) {
    if (!/^[1-9]\d*$/.test(text())) return null;
    number = Number(text());
    at++;
  }
  let counters: Counters | null = null;
  if (columns.isVerbose) {
    if (!COUNTER.test(text()) || !COUNTER.test(text(1))) return null;
    counters = { packets: exact(text()), bytes: exact(text(1)) };
    at += 2;
  }
  const start = words[at]?.at ?? line.length;
  const target = findTarget(words, at, line, columns);
  if (target === null) return null;
  if (target !== "") at++;
  const protocol = text();
  if (!PROTOCOL.test(protocol) && !FRAGMENT_COLUMN.test(text(1))) return null;
  at++;
  const fragment = FRAGMENT_COLUMN.test(text()) ? text() : "--";
  if (FRAGMENT_COLUMN.test(text())) at++;
  const matches: Match[] = [];
  const interfaces = columns.isVerbose ? [text(), text(1)] : [];
  if (columns.isVerbose) at += 2;
  const [source, destination] = [text(), text(1)];
  if (source === "" || destination === "" || !looksLikeAddress(source) || !looksLikeAddress(destination))
    return null;
  at += 2;
  address(matches, "source", "-s", source);
  address(matches, "destination", "-d", destination);
  if (columns.isVerbose) {
    interfaceMatch(matches, "in-interface", "-i", interfaces[0] ?? "*");
    interfaceMatch(matches, "out-interface", "-o", interfaces[1] ?? "*");
  } else {
    matches.push({
      kind: "opaque",
      negated: false,
      value: INTERFACES_NOT_SHOWN,
      text: `(${INTERFACES_NOT_SHOWN})`,
    });
  }
  if (protocol !== "all" && protocol !== "0") push(matches, "protocol", "-p", protocol);
  if (/f/.test(fragment)) {
    const negated = fragment.startsWith("!");
    matches.push({ kind: "fragment", negated, value: "-f", text: negated ? "! -f" : "-f" });
  }
  const rest = words[at] === undefined ? "" : line.slice(words[at]?.at).trimEnd();
  return { number, counters, target, matches, words: rest, text: line.slice(start).trimEnd() };
}

/** A rule's target, "" for none; null when the line cannot be a rule. */
function findTarget(
  words: readonly { text: string; at: number }[],
  at: number,
  line: string,
  columns: ListColumns,
): string | null {
  const [first, second, third] = [words[at]?.text, words[at + 1]?.text, words[at + 2]?.text];
  if (first === undefined || second === undefined) return null;
  if (third !== undefined && FRAGMENT_COLUMN.test(third)) return first;
  if (FRAGMENT_COLUMN.test(second)) return "";
  // ip6tables' blank option column: only the gap in front of the protocol tells a missing target.
  const before = at === 0 ? 0 : (words[at - 1]?.at ?? 0) + (words[at - 1]?.text.length ?? 0);
  const gap = (words[at]?.at ?? 0) - before;
  const isBlank = PROTOCOL.test(first) && !PROTOCOL.test(second) && gap >= (columns.isVerbose ? 10 : 9);
  if (isBlank) return "";
  return PROTOCOL.test(second) && line.length > 0 ? first : null;
}

function guessColumns(words: readonly string[]): ListColumns {
  const fragment = words.findIndex((word) => FRAGMENT_COLUMN.test(word));
  // In front of the option column stands the protocol, which may be a number too.
  const before = words.slice(0, Math.max(0, fragment - 1));
  const counters = before.filter((word) => COUNTER.test(word)).length;
  return { hasNumbers: counters === 1 || counters === 3, isVerbose: counters >= 2 };
}

function address(matches: Match[], kind: "source" | "destination", option: string, column: string): void {
  if (/^(0\.0\.0\.0\/0|::\/0|anywhere|any|default)$/.test(column)) return;
  push(matches, kind, option, column);
}

function interfaceMatch(
  matches: Match[],
  kind: "in-interface" | "out-interface",
  option: string,
  column: string,
): void {
  if (column === "*" || column === "any") return;
  push(matches, kind, option, column);
}

function push(matches: Match[], kind: Match["kind"], option: string, column: string): void {
  const negated = column.startsWith("!");
  const value = negated ? column.slice(1) : column;
  matches.push({ kind, negated, value, text: `${negated ? "! " : ""}${option} ${value}` });
}

/** An address, a network, a name; not a word of prose. */
function looksLikeAddress(text: string): boolean {
  return /^!?[0-9A-Za-z_.:-]+(\/[0-9a-fA-F.:]+)?$/.test(text);
}

/** `566K` was rounded by the listing and is no number any more. */
function exact(text: string): bigint | null {
  return /^\d+$/.test(text) ? BigInt(text) : null;
}
