/**
 * Reads pcap-filter's language (man pcap-filter; `grammar.y` of libpcap 1.10).
 *
 * Two habits of that language surprise: `and` and `or` have the same precedence and group to the left, and a bare value
 * repeats the words before the last one, so `tcp dst port 80 or 443` is about two ports. What those words are behind a
 * parenthesis is libpcap's rule too: those from before it.
 *
 * A little more is read than libpcap reads, where nothing else could be meant: a bare address with nothing before it
 * (`192.0.2.1` is `host 192.0.2.1`, as the manual says and the grammar does not), `net 10/8`, and `proto tcp` without a
 * backslash. Less is read where libpcap's reading is hardly ever meant: `host 53` (0.0.0.53), `host 1.2.3` (a network),
 * `port 065` (octal), `proto 300` (never true).
 */
import { ok, type Result } from "../base/result.ts";
import { looksLikeAddress, takeHost, takeNet } from "./addresses.ts";
import { Cursor, problem, standing } from "./cursor.ts";
import type { Filter, FilterProblem } from "./filter.ts";
import { takeHeaderTest } from "./header-test.ts";
import { takeInterface } from "./interfaces.ts";
import { takeLength } from "./lengths.ts";
import { takePort, takePortRange, takeProtocol } from "./ports.ts";
import { BARE_HOST, type Qualifiers, takeQualifiers } from "./qualifiers.ts";
import {
  hasPorts,
  hintForUnknown,
  isDirectionWord,
  isKeyword,
  isProtocolWord,
  isTypeWord,
  junctionOf,
  type ProtocolWord,
  protocolAlone,
  refusalOf,
} from "./vocabulary.ts";

/** Parentheses and `not`s inside one another; words in all. Far beyond any use, and a guard for the stack. */
const MAX_DEPTH = 100;
const MAX_TOKENS = 3000;

/** The filter that a text means; null for an empty text, which every packet passes. Never throws. */
export function parseFilter(text: string): Result<Filter | null, FilterProblem> {
  const cursor = new Cursor(text);
  if (cursor.peek() === null) return ok(null);
  const tooMuch = cursor.peek(MAX_TOKENS);
  if (tooMuch !== null) {
    return problem(
      tooMuch.at,
      `there are more than ${MAX_TOKENS} words`,
      "use `net` and `portrange` for lists",
    );
  }
  const parser = new Parser(cursor);
  const whole = parser.expression(null, 0);
  if (!whole.ok) return whole;
  if (cursor.text() === ")") {
    return problem(cursor.at, "this `)` closes nothing", "remove it, or write the `(` that belongs to it");
  }
  return ok(whole.value.filter);
}

/** A condition, and what a bare value behind it would repeat. */
interface Operand {
  readonly filter: Filter;
  readonly repeats: Qualifiers | null;
}

type Read = Result<Operand, FilterProblem>;

class Parser {
  readonly #cursor: Cursor;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  /** Conditions joined by `and` and `or`, up to the end or a closing parenthesis. */
  expression(repeats: Qualifiers | null, depth: number): Read {
    const first = this.#operand(repeats, depth);
    if (!first.ok) return first;
    let left = first.value;
    while (this.#cursor.peek() !== null && this.#cursor.text() !== ")") {
      const kind = junctionOf(this.#cursor.text());
      if (kind === null) return this.#missingJunction();
      this.#cursor.skip();
      const right = this.#operand(left.repeats, depth);
      if (!right.ok) return right;
      left = {
        filter: { kind, left: left.filter, right: right.value.filter },
        repeats: right.value.repeats,
      };
    }
    return ok(left);
  }

  #operand(repeats: Qualifiers | null, depth: number): Read {
    const cursor = this.#cursor;
    if (depth > MAX_DEPTH)
      return problem(cursor.at, "too many parentheses or `not`s in one another", "simplify it");
    if (cursor.take("!") || cursor.take("not")) return negated(this.#operand(repeats, depth + 1));
    if (cursor.text() !== "(") return this.#condition(repeats);
    const openedAt = cursor.at;
    cursor.skip();
    if (cursor.text() === ")")
      return problem(cursor.at, "there is nothing between the parentheses", "remove them");
    const inner = this.expression(repeats, depth + 1);
    if (!inner.ok) return inner;
    if (!cursor.take(")"))
      return problem(openedAt, "this `(` is never closed", "write `)` where it should end");
    return ok({ filter: inner.value.filter, repeats });
  }

  #condition(repeats: Qualifiers | null): Read {
    const cursor = this.#cursor;
    const token = cursor.peek();
    if (token === null)
      return problem(cursor.at, "a condition is missing at the end", "as in `udp and port 53`");
    const word = token.text;
    if (junctionOf(word) !== null || word === ")") {
      return problem(token.at, `a condition is missing before \`${word}\``, "as in `udp and port 53`");
    }
    if (token.kind === "sign")
      return problem(token.at, `\`${word}\` cannot begin a condition`, hintForSign(word));
    if (isDirectionWord(word) || isTypeWord(word)) return this.#qualified(null, token.at);
    if (cursor.text(1) === "[") return alone(takeHeaderTest(cursor));
    if (isProtocolWord(word)) return this.#behindProtocol(word, token.at);
    if (word === "less" || word === "greater" || word === "len") return alone(takeLength(cursor));
    if (word === "inbound" || word === "outbound") {
      cursor.skip();
      return ok({ filter: { kind: "way", way: word }, repeats: null });
    }
    if (word === "on" || word === "ifname") return alone(takeInterface(cursor));
    const refusal = refusalOf(word);
    if (refusal !== null) return problem(token.at, `\`${word}\` ${refusal.reason}`, refusal.hint);
    return this.#bareValue(repeats);
  }

  /** `tcp` by itself, or `tcp dst port 80`. */
  #behindProtocol(word: ProtocolWord, at: number): Read {
    const cursor = this.#cursor;
    cursor.skip();
    const next = cursor.text();
    if (next === "multicast" || next === "broadcast") return this.#groupAddressed(word, next, at);
    const family = word === "ip" || word === "ip6";
    if (next === "protochain" && family) return problem(cursor.at, ...notInRules("protochain"));
    if (isDirectionWord(next) || isTypeWord(next)) return this.#qualified(word, at);
    if (next !== undefined && /^\d+$/.test(next) && hasPorts(word)) {
      return problem(cursor.at, `\`${word}\` takes no value`, `for a port write \`${word} port ${next}\``);
    }
    if (next !== undefined && looksLikeAddress(next)) {
      const hint = family ? `${word} host ${next}` : `${word} and host ${next}`;
      return problem(cursor.at, `\`${word}\` takes no value`, `for an address write \`${hint}\``);
    }
    return ok({ filter: protocolAlone(word), repeats: null });
  }

  #qualified(protocol: ProtocolWord | null, at: number): Read {
    const qualifiers = takeQualifiers(this.#cursor, protocol, at);
    return qualifiers.ok ? this.#values(qualifiers.value, 0) : qualifiers;
  }

  /** What may stand behind qualifiers: a value, `not` a value, or values in parentheses. */
  #values(qualifiers: Qualifiers, depth: number): Read {
    const cursor = this.#cursor;
    if (depth > MAX_DEPTH)
      return problem(cursor.at, "too many parentheses or `not`s in one another", "simplify it");
    if (cursor.take("!") || cursor.take("not")) return negated(this.#values(qualifiers, depth + 1));
    const openedAt = cursor.at;
    if (!cursor.take("(")) return this.#value(qualifiers);
    const first = this.#values(qualifiers, depth + 1);
    if (!first.ok) return first;
    let filter = first.value.filter;
    for (let kind = junctionOf(cursor.text()); kind !== null; kind = junctionOf(cursor.text())) {
      cursor.skip();
      const next = this.#values(qualifiers, depth + 1);
      if (!next.ok) return next;
      filter = { kind, left: filter, right: next.value.filter };
    }
    if (cursor.take(")")) return ok({ filter, repeats: qualifiers });
    if (cursor.peek() === null)
      return problem(openedAt, "this `(` is never closed", "write `)` where it should end");
    const hint = `the parentheses behind \`${qualifiers.words}\` hold values only, as in \`(A or B)\``;
    return problem(cursor.at, `${standing(cursor)} does not belong here`, hint);
  }

  #value(qualifiers: Qualifiers): Read {
    const value = takeValue(this.#cursor, qualifiers);
    return value.ok ? ok({ filter: value.value, repeats: qualifiers }) : value;
  }

  /** `or 54` behind `port 53`; an address with nothing before it. */
  #bareValue(repeats: Qualifiers | null): Read {
    const cursor = this.#cursor;
    const { at } = cursor;
    const word = cursor.text() ?? "";
    if (repeats !== null) {
      const value = this.#value(repeats);
      if (value.ok || !/^[a-z]+$/i.test(word)) return value;
      const hint = hintForUnknown(word);
      return hint.startsWith("did you mean") || hint.startsWith("write")
        ? problem(at, `\`${word}\` is no word of the filter language`, hint)
        : value;
    }
    if (looksLikeAddress(word)) {
      if (cursor.text(1) === "/") return problem(at, "a network needs `net`", `write \`net ${word}/…\``);
      return this.#value(BARE_HOST);
    }
    if (/^\d+$/.test(word)) {
      return problem(at, `nothing says what ${word} is`, `for a port write \`port ${word}\``);
    }
    return problem(at, `\`${word}\` is no word of the filter language`, hintForUnknown(word));
  }

  /** libpcap compares the destination's first octet with 224 for IPv4, and with 255 for IPv6 (`gen_multicast`). */
  #groupAddressed(word: ProtocolWord, kind: "multicast" | "broadcast", at: number): Read {
    const cursor = this.#cursor;
    if (kind === "broadcast" || (word !== "ip" && word !== "ip6")) {
      const hint = "write the address: `dst host 192.0.2.255`, or `ip multicast`";
      return problem(at, `\`${word} ${kind}\` needs the network's own addresses`, hint);
    }
    cursor.skip();
    const [address, prefix] = word === "ip" ? ["224.0.0.0", 3] : ["ff00::", 8];
    return ok({
      filter: { kind: "address", direction: "dst", family: word, address, prefix },
      repeats: null,
    });
  }

  #missingJunction(): Read {
    const cursor = this.#cursor;
    const text = cursor.text() ?? "";
    if (cursor.peek()?.kind === "sign" && text !== "(" && text !== "!") {
      return problem(cursor.at, `\`${text}\` does not belong here`, hintForSign(text));
    }
    const known =
      isKeyword(text) || text === "(" || text === "!" || looksLikeAddress(text) || /^\d+$/.test(text);
    const hint = known ? `write \`and ${text} …\` or \`or ${text} …\`` : hintForUnknown(text);
    return problem(cursor.at, `\`and\` or \`or\` is missing before \`${text}\``, hint);
  }
}

function takeValue(cursor: Cursor, qualifiers: Qualifiers): Result<Filter, FilterProblem> {
  switch (qualifiers.type) {
    case "host":
      return takeHost(cursor, qualifiers);
    case "net":
      return takeNet(cursor, qualifiers);
    case "port":
      return takePort(cursor, qualifiers);
    case "portrange":
      return takePortRange(cursor, qualifiers);
    case "proto":
      return takeProtocol(cursor, qualifiers);
  }
}

function negated(operand: Read): Read {
  if (!operand.ok) return operand;
  return ok({ filter: { kind: "not", operand: operand.value.filter }, repeats: operand.value.repeats });
}

function alone(filter: Result<Filter, FilterProblem>): Read {
  return filter.ok ? ok({ filter: filter.value, repeats: null }) : filter;
}

function notInRules(word: string): [message: string, hint: string] {
  const refusal = refusalOf(word);
  return [`\`${word}\` ${refusal?.reason ?? "is not understood"}`, refusal?.hint ?? "leave it out"];
}

function hintForSign(sign: string): string {
  if (sign === "&" || sign === "|") return `write \`${sign === "&" ? "and" : "or"}\``;
  if (sign === ",") return "write `or` between values, as in `port 80 or 443`";
  if (sign === "/") return "a prefix length belongs behind `net`, as in `net 192.0.2.0/24`";
  if (sign === "{" || sign === "}") return "use parentheses";
  return "conditions are words such as `udp and port 53`";
}
