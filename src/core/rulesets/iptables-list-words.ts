/**
 * The last column of `iptables -L`: what each extension prints about itself (`print` callbacks, extensions/libxt_*.c).
 *
 * It is meant for people and was never a format. What is known here is put back into the words one would type; the rest
 * stays opaque, in the listing's own words.
 */

import { targetStatements } from "./iptables-targets.ts";
import type { Match, MatchKind, Statement } from "./ruleset.ts";
import type { Word } from "./words.ts";
import { quoteWord, restoreWords, wordOf } from "./words.ts";

export interface ListWords {
  readonly matches: readonly Match[];
  readonly comment: string | null;
  /** The target's options in iptables' own spelling. */
  readonly options: readonly Word[];
  readonly isGoto: boolean;
}

/** Reads the words behind the address columns of a rule with that target. */
export function parseListWords(text: string, target: string): ListWords {
  return new ListWordParser(text, target).parse();
}

/** Statements of a listed rule; `jumps` where its target is a chain. */
export function listStatements(target: string, words: ListWords, jumps: boolean): Statement[] {
  if (target === "") return [];
  if (words.isGoto) return [{ kind: "goto", chain: target }];
  if (jumps) return [{ kind: "jump", chain: target }];
  return targetStatements(target, words.options);
}

type Shape = readonly [
  pattern: RegExp,
  kind: MatchKind,
  words: (m: RegExpExecArray) => [option: string, value: string],
];

const PROTOCOL = "(?:tcp|udp|udplite|sctp|dccp)";

const SHAPES: readonly Shape[] = [
  [new RegExp(`^(?:${PROTOCOL} )?dpts?:(!?)([^\\s]+)`), "destination-port", (m) => ["--dport", m[2] ?? ""]],
  [new RegExp(`^(?:${PROTOCOL} )?spts?:(!?)([^\\s]+)`), "source-port", (m) => ["--sport", m[2] ?? ""]],
  [/^multiport dports\s+(!?)(\S+)/, "destination-port", (m) => ["-m multiport --dports", m[2] ?? ""]],
  [/^multiport sports\s+(!?)(\S+)/, "source-port", (m) => ["-m multiport --sports", m[2] ?? ""]],
  [
    /^(?:tcp )?flags:(!?)(0x[0-9A-Fa-f]+)\/(0x[0-9A-Fa-f]+)/,
    "tcp-flags",
    (m) => ["--tcp-flags", `${tcpFlags(m[2])} ${tcpFlags(m[3])}`],
  ],
  [/^(?:tcp )?flags:(!?)([A-Z,]+)\/([A-Z,]+)/, "tcp-flags", (m) => ["--tcp-flags", `${m[2]} ${m[3]}`]],
  [/^(! )?ctstate (\S+)/, "ct-state", (m) => ["-m conntrack --ctstate", m[2] ?? ""]],
  [/^(! )?state (\S+)/, "ct-state", (m) => ["-m state --state", m[2] ?? ""]],
  [/^(! )?ctstatus (\S+)/, "ct-status", (m) => ["-m conntrack --ctstatus", m[2] ?? ""]],
  [/^ADDRTYPE match dst-type (!?)(\S+)/, "address-type", (m) => ["-m addrtype --dst-type", m[2] ?? ""]],
  [/^ADDRTYPE match src-type (!?)(\S+)/, "address-type", (m) => ["-m addrtype --src-type", m[2] ?? ""]],
  [/^mark match (! )?(0x[0-9a-f]+(?:\/0x[0-9a-f]+)?)/i, "mark", (m) => ["-m mark --mark", m[2] ?? ""]],
  [/^(!)?icmp ?type (!?)(\d+)( code \d+)?/, "icmp-type", (m) => ["--icmp-type", icmp(m[3], m[4])]],
  [/^(!)?ipv6-icmp ?type (!?)(\d+)( code \d+)?/, "icmp-type", (m) => ["--icmpv6-type", icmp(m[3], m[4])]],
  [/^icmp (!?)([a-z][a-z-]+)(?=\s|$)/, "icmp-type", (m) => ["--icmp-type", m[2] ?? ""]],
  [/^ipv6-icmp (!?)([a-z][a-z-]+)(?=\s|$)/, "icmp-type", (m) => ["--icmpv6-type", m[2] ?? ""]],
];

type TargetShape = readonly [pattern: RegExp, options: (m: RegExpExecArray) => Word[]];

/** What targets print behind the matches. */
const TARGET_SHAPES: Readonly<Record<string, readonly TargetShape[]>> = {
  DNAT: [[/^to:(\S+)/, (m) => options("--to-destination", m[1])], translationFlags()],
  SNAT: [[/^to:(\S+)/, (m) => options("--to-source", m[1])], translationFlags()],
  NETMAP: [[/^(?:to:)?(\d\S*)/, (m) => options("--to", m[1])]],
  MASQUERADE: [[/^masq ports: (\S+)/, (m) => options("--to-ports", m[1])], translationFlags()],
  REDIRECT: [[/^redir ports (\S+)/, (m) => options("--to-ports", m[1])], translationFlags()],
  REJECT: [[/^reject-with (\S+)/, (m) => options("--reject-with", m[1])]],
  NFQUEUE: [
    [/^NFQUEUE num (\S+)/, (m) => options("--queue-num", m[1])],
    [/^NFQUEUE balance (\S+)/, (m) => options("--queue-balance", m[1])],
    [/^bypass/, () => options("--queue-bypass")],
    [/^cpu-fanout/, () => options("--queue-cpu-fanout")],
  ],
  MARK: [
    [
      /^MARK (set|xset|and|or|xor) (0x[0-9a-fA-F/x]+)/,
      (m) => options(MARK_OPTIONS[m[1] ?? ""] ?? "--set-xmark", m[2]),
    ],
  ],
  LOG: [
    [/^LOG/, () => []],
    [/^flags \d+/, () => []],
    [/^level (\S+)/, (m) => options("--log-level", m[1])],
    [/^prefix "((?:[^"\\]|\\.)*)"/, (m) => options("--log-prefix", m[1])],
    [/^tcp-sequence/, () => options("--log-tcp-sequence")],
    [/^tcp-options/, () => options("--log-tcp-options")],
    [/^ip-options/, () => options("--log-ip-options")],
    [/^uid/, () => options("--log-uid")],
  ],
  NFLOG: [
    [/^nflog-prefix\s+"?([^"]*)"?(?=\s|$)/, (m) => options("--nflog-prefix", m[1]?.trim())],
    [/^nflog-(group|size|range|threshold) (\d+)/, (m) => options(`--nflog-${m[1]}`, m[2])],
  ],
  CT: [[/^CT notrack/, () => options("--notrack")]],
};

const MARK_OPTIONS: Readonly<Record<string, string>> = {
  set: "--set-mark",
  xset: "--set-xmark",
  and: "--and-mark",
  or: "--or-mark",
  xor: "--xor-mark",
};

class ListWordParser {
  #rest: string;
  readonly #target: string;
  readonly #matches: Match[] = [];
  readonly #options: Word[] = [];
  #comment: string | null = null;
  #isGoto = false;
  #unknown = "";

  constructor(text: string, target: string) {
    this.#rest = text.trim();
    this.#target = target;
  }

  parse(): ListWords {
    while (this.#rest !== "") {
      const taken = this.#takeComment() ?? this.#takeGoto() ?? this.#takeTarget() ?? this.#takeMatch();
      if (taken !== null) continue;
      if (this.#rest.startsWith(`${this.#target} `)) this.#endUnknown();
      const word = /^"[^"]*"|^\S+/.exec(this.#rest)?.[0] ?? this.#rest;
      this.#unknown += this.#unknown === "" ? word : ` ${word}`;
      this.#advance(word.length);
    }
    this.#endUnknown();
    return { matches: this.#matches, comment: this.#comment, options: this.#options, isGoto: this.#isGoto };
  }

  #takeComment(): true | null {
    const comment = /^\/\* (.*?) ?\*\//.exec(this.#rest);
    if (comment === null) return null;
    this.#endUnknown();
    const value = comment[1] ?? "";
    this.#comment ??= value;
    this.#push("comment", false, value, `-m comment --comment ${quoteWord(value)}`);
    this.#advance(comment[0].length);
    return true;
  }

  #takeGoto(): true | null {
    if (!this.#rest.startsWith("[goto]")) return null;
    this.#isGoto = true;
    this.#advance(6);
    return true;
  }

  #takeTarget(): true | null {
    for (const [pattern, make] of TARGET_SHAPES[this.#target] ?? []) {
      const match = pattern.exec(this.#rest);
      if (match === null) continue;
      this.#endUnknown();
      this.#options.push(...make(match));
      this.#advance(match[0].length);
      return true;
    }
    return null;
  }

  #takeMatch(): true | null {
    // Behind words nobody knows, a known one may be theirs (`policy match … state …`): only a fresh start counts.
    for (const [pattern, kind, words] of SHAPES) {
      const match = pattern.exec(this.#rest);
      if (match === null) continue;
      this.#endUnknown();
      const negated = match.slice(1, 3).some((part) => part !== undefined && part.trim() === "!");
      const [option, value] = words(match);
      const at = option.lastIndexOf("--");
      const text = `${option.slice(0, at)}${negated ? "! " : ""}${option.slice(at)} ${value}`;
      this.#push(kind, negated, value, text);
      this.#advance(match[0].length);
      return true;
    }
    return null;
  }

  #push(kind: MatchKind, negated: boolean, value: string, text: string): void {
    this.#matches.push({ kind, negated, value, text });
  }

  #endUnknown(): void {
    const text = this.#unknown;
    this.#unknown = "";
    if (text === "") return;
    // A target nobody here knows, or one like CT with many words, prints its own options last.
    if (TARGET_SHAPES[this.#target] === undefined && text.startsWith(`${this.#target} `)) {
      this.#options.push(...restoreWords(text.slice(this.#target.length + 1)));
      return;
    }
    this.#push("opaque", false, text, text);
  }

  #advance(length: number): void {
    this.#rest = this.#rest.slice(length).trimStart();
  }
}

function options(name: string, value?: string): Word[] {
  const option = wordOf(name);
  return value === undefined ? [option] : [option, wordOf(value)];
}

function translationFlags(): TargetShape {
  return [/^(random-fully|random|persistent)(?=\s|$)/, (m) => options(`--${m[1]}`)];
}

function icmp(type: string | undefined, code: string | undefined): string {
  return code === undefined ? (type ?? "") : `${type}/${code.replace(" code ", "")}`;
}

const TCP_FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];

/** `0x17` → `FIN,SYN,RST,ACK`, in the order of the header's bits. */
function tcpFlags(hex: string | undefined): string {
  const bits = Number(hex);
  if (bits === 0) return "NONE";
  return TCP_FLAGS.filter((_, bit) => (bits & (1 << bit)) !== 0).join(",");
}
