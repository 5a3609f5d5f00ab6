/**
 * nft's statements (nft(8), "STATEMENTS"): how many words each takes and what it does.
 */

import { targetStatements } from "./iptables-targets.ts";
import { selectorAt } from "./nft-selectors.ts";
import { unquoted } from "./nft-words.ts";
import type { Counters, Statement } from "./ruleset.ts";

export interface StatementPart {
  readonly statement: Statement;
  /** How many words. */
  readonly length: number;
  /** Only for `counter`. */
  readonly counters?: Counters | null;
  /** Packets may fail it, and the rule's rest is then skipped: `limit`, `quota`, `ct count`. */
  readonly isCondition?: boolean;
}

/** The statement that begins at `at`; null when none does. */
export function statementAt(words: readonly string[], at: number): StatementPart | null {
  const word = words[at] ?? "";
  const next = words[at + 1] ?? "";
  switch (word) {
    case "accept":
    case "drop":
    case "return":
    case "continue":
      return { statement: { kind: word }, length: 1 };
    case "jump":
    case "goto":
      return next === "" ? null : { statement: { kind: word, chain: unquoted(next) }, length: 2 };
    case "reject":
      return reject(words, at);
    case "queue":
      return queue(words, at);
    case "dnat":
    case "snat":
    case "masquerade":
    case "redirect":
      return translation(word, words, at);
    case "log":
      return log(words, at);
    case "counter":
      return counter(words, at);
    case "notrack":
      return { statement: { kind: "notrack" }, length: 1 };
    case "limit":
    case "quota":
      return condition(word, words, at, optionWords(words, at + 1, LIMIT_WORD));
    case "last":
      return pass("last", words, at, optionWords(words, at + 1, /^(used|never|\d\S*)$/));
    case "ct":
      if (next === "count")
        return condition("ct count", words, at, optionWords(words, at + 1, /^(count|over|\d+)$/));
      return setter(words, at) ?? verdictMap(words, at);
    case "add":
    case "update":
    case "delete":
      return dynamicSet(words, at);
    case "flow":
      return pass("flow", words, at, optionWords(words, at + 1, /^(add|offload|@\S+)$/));
    case "dup":
      return pass("dup", words, at, destinationWords(words, at + 1));
    case "fwd":
      return opaque("fwd", words, at, destinationWords(words, at + 1));
    case "tproxy":
      return pass("tproxy", words, at, optionWords(words, at + 1, /^(ip|ip6|to|[[:\d$].*)$/));
    case "synproxy":
      return opaque(
        "synproxy",
        words,
        at,
        optionWords(words, at + 1, /^(mss|wscale|timestamp|sack-perm|name|\d+|".*")$/),
      );
    case "meter":
      return condition("meter", words, at, words[at + 2] === "size" ? 4 : 2);
    case "set":
      return oldDynamicSet(words, at);
    case "xt":
      return xtables(words, at);
    case "reset":
      return pass("reset", words, at, 3);
    case "secmark":
      return pass("secmark", words, at, optionWords(words, at + 1, /^(name|".*")$/));
    default:
      return setter(words, at) ?? verdictMap(words, at);
  }
}

const LIMIT_WORD =
  /^(rate|over|until|burst|used|name|packets|bytes|kbytes|mbytes|\d+(\.\d+)?|\d+\/\S+|bytes\/\S+|kbytes\/\S+|mbytes\/\S+|".*")$/;

function reject(words: readonly string[], at: number): StatementPart {
  if (words[at + 1] !== "with") return { statement: { kind: "reject", with: null }, length: 1 };
  if (words[at + 2] === "tcp") return { statement: { kind: "reject", with: "tcp reset" }, length: 4 };
  const end = words[at + 3] === "type" ? at + 5 : at + 4;
  return { statement: { kind: "reject", with: words.slice(at + 2, end).join(" ") }, length: end - at };
}

function queue(words: readonly string[], at: number): StatementPart {
  let length =
    1 +
    optionWords(
      words,
      at + 1,
      /^(num|to|flags|bypass|fanout|bypass,|fanout,|bypass,fanout|fanout,bypass|\d+(-\d+)?)$/,
    );
  // The queue's number may be computed: `queue to numgen inc mod 4`.
  if (words[at + length - 1] === "to") length += selectorAt(words, at + length)?.length ?? 1;
  const text = words.slice(at + 1, at + length).join(" ");
  return { statement: { kind: "queue", queue: text === "" ? null : text }, length };
}

function translation(
  kind: "dnat" | "snat" | "masquerade" | "redirect",
  words: readonly string[],
  at: number,
): StatementPart {
  let end = at + 1;
  if (/^(ip|ip6)$/.test(words[end] ?? "")) end++;
  if (
    words[end] === "prefix" ||
    (words[end] === "addr" && words[end + 1] === "." && words[end + 2] === "port")
  ) {
    end += words[end] === "prefix" ? 1 : 3;
  }
  let to: string | null = null;
  if (words[end] === "to") {
    const start = end + 1;
    end = start + addressLength(words, start);
    to = words.slice(start, end).join(" ");
  }
  const flags = optionWords(
    words,
    end,
    /^(random|persistent|fully-random|random,?\S*|persistent,?\S*|fully-random,?\S*)$/,
  );
  return { statement: { kind, to }, length: end + flags - at };
}

/** An address, with port, or a map that gives one: `numgen inc mod 2 map { … }`. */
function addressLength(words: readonly string[], start: number): number {
  const selector = selectorAt(words, start);
  if (selector === null || words[start + selector.length] !== "map") {
    let length = 1;
    while (words[start + length] === "." || words[start + length] === ":") length += 2;
    return length;
  }
  return selector.length + 2;
}

function log(words: readonly string[], at: number): StatementPart {
  let length = 1;
  let prefix: string | null = null;
  while (/^(prefix|level|flags|group|snaplen|queue-threshold)$/.test(words[at + length] ?? "")) {
    if (words[at + length] === "prefix") prefix = unquoted(words[at + length + 1] ?? "");
    length += 2;
    // `flags tcp sequence,options`
    if (words[at + length - 2] === "flags" && /^(tcp|ip)$/.test(words[at + length - 1] ?? "")) length++;
  }
  return { statement: { kind: "log", prefix, text: words.slice(at, at + length).join(" ") }, length };
}

function counter(words: readonly string[], at: number): StatementPart {
  const text = (length: number) => words.slice(at, at + length).join(" ");
  if (words[at + 1] === "packets" && words[at + 3] === "bytes") {
    const [packets, bytes] = [words[at + 2] ?? "", words[at + 4] ?? ""];
    const counters =
      /^\d+$/.test(packets) && /^\d+$/.test(bytes)
        ? { packets: BigInt(packets), bytes: BigInt(bytes) }
        : null;
    return { statement: { kind: "pass", name: "counter", text: "counter" }, length: 5, counters };
  }
  if (words[at + 1] === "name") return pass("counter", words, at, 2);
  return { statement: { kind: "pass", name: "counter", text: text(1) }, length: 1, counters: null };
}

/** `meta mark set …`, `ct zone set 1`, `tcp option maxseg size set rt mtu`: a selector, `set`, a value. */
function setter(words: readonly string[], at: number): StatementPart | null {
  const selector = selectorAt(words, at);
  if (selector === null || words[at + selector.length] !== "set") return null;
  const valueAt = at + selector.length + 1;
  let end = valueAt;
  while (end < words.length) {
    const inner = selectorAt(words, end);
    end += inner?.length ?? 1;
    if (words[end] === "map") end += 2;
    if (!/^(&|\||\^|<<|>>|and|or|xor|\.)$/.test(words[end] ?? "")) break;
    end++;
  }
  const key = words.slice(at, at + selector.length).join(" ");
  const text = words.slice(at, end).join(" ");
  const length = end - at;
  if (key === "meta nftrace") return { statement: { kind: "trace" }, length };
  if (key === "meta mark" || key === "mark") return { statement: { kind: "mark", text }, length };
  return { statement: { kind: "pass", name: `${key} set`, text }, length };
}

/** `iifname vmap { … }`: which verdict it gives, nobody knows without the map's elements. */
function verdictMap(words: readonly string[], at: number): StatementPart | null {
  const selector = selectorAt(words, at);
  if (selector === null) return null;
  let end = at + selector.length;
  while (/^(&|\||\^|and|or|xor)$/.test(words[end] ?? "")) end += 2;
  if (words[end] !== "vmap") return null;
  return opaque("vmap", words, at, end + 1 - at);
}

/** `add @set { ip saddr timeout 1m limit rate over 3/minute }` */
function dynamicSet(words: readonly string[], at: number): StatementPart | null {
  if (!(words[at + 1] ?? "").startsWith("@")) return null;
  const element = words[at + 2] ?? "";
  if (/\b(limit rate|ct count|quota)\b/.test(element)) return condition(words[at] ?? "", words, at, 2);
  return pass(`${words[at]} element`, words, at, 2);
}

/** `set add ip saddr timeout 1m @name`, as nft wrote it up to 0.8. */
function oldDynamicSet(words: readonly string[], at: number): StatementPart | null {
  if (!/^(add|update)$/.test(words[at + 1] ?? "")) return null;
  const end = words.findIndex((word, index) => index > at && word.startsWith("@"));
  return end === -1 ? null : pass("set element", words, at, end - at);
}

/** A target of iptables-nft's that nft cannot translate: `xt target "MASQUERADE"`. */
function xtables(words: readonly string[], at: number): StatementPart | null {
  if (words[at + 1] !== "target") return null;
  const [statement] = targetStatements(unquoted(words[at + 2] ?? ""), []);
  return statement === undefined ? null : { statement, length: 3 };
}

/** `[ip] to ADDRESS [device NAME]` */
function destinationWords(words: readonly string[], at: number): number {
  let length = /^ip6?$/.test(words[at] ?? "") ? 1 : 0;
  if (words[at + length] === "to") length += 2;
  if (words[at + length] === "device") length += 2;
  return length;
}

function pass(name: string, words: readonly string[], at: number, options: number): StatementPart {
  const length = Math.min(1 + options, words.length - at);
  return { statement: { kind: "pass", name, text: words.slice(at, at + length).join(" ") }, length };
}

function condition(name: string, words: readonly string[], at: number, options: number): StatementPart {
  return { ...pass(name, words, at, options), isCondition: true };
}

function opaque(name: string, words: readonly string[], at: number, options: number): StatementPart {
  const length = Math.min(1 + options, words.length - at);
  return { statement: { kind: "opaque", name, text: words.slice(at, at + length).join(" ") }, length };
}

/** How many words from `at` on fit the pattern. */
function optionWords(words: readonly string[], at: number, pattern: RegExp, limit = 16): number {
  let count = 0;
  while (count < limit && at + count < words.length && pattern.test(words[at + count] ?? "")) count++;
  return count;
}
