/**
 * The rules that were in force, in one model for both backends.
 *
 * It is made for looking up and showing, and keeps what it does not understand: a rule always has the text it came
 * with, and every part of it that is not modelled is an `opaque` match or statement. So a rule may be shown when it is
 * only half understood, but is never claimed to match or to end a chain by guess.
 */
import type { Family } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";

export interface Ruleset {
  readonly format: RulesetFormat;
  /** Name of the input it was read from. */
  readonly input: string;
  /** Which kernel code holds the rules: `ip_tables` or `nf_tables`; null where the text does not tell. */
  readonly backend: Backend | null;
  readonly netns: string | null;
  readonly tables: readonly Table[];
  /** What could not be read, and where. */
  readonly problems: readonly RulesetProblem[];
}

export type RulesetFormat =
  | "iptables-save"
  /** `iptables -S` */
  | "iptables-rules"
  /** `iptables -L` */
  | "iptables-list"
  /** `iptables -A …` commands, as in a script or a mail */
  | "iptables-commands"
  | "nft-json"
  | "nft-text";

export type Backend = "xtables" | "nft";

export interface RulesetProblem {
  readonly line: number | null;
  readonly text: string;
  readonly reason: string;
}

export interface Table {
  /** For iptables listings, which do not say it, the reader is told or assumes `ip`. */
  readonly family: Family;
  readonly name: string;
  readonly chains: readonly Chain[];
  /** Sets, maps, flowtables, the table's flags and other things that hold no rules, by their original text. */
  readonly opaque: readonly string[];
}

export interface Chain {
  readonly name: string;
  readonly handle: bigint | null;
  /** Null for a chain that is only jumped to. */
  readonly base: BaseChain | null;
  readonly counters: Counters | null;
  readonly rules: readonly Rule[];
  /**
   * Whether `Rule.number` can be trusted.
   * - `known`: the source lists the whole chain.
   * - `elided`: somebody left rules out; every rule behind the first such place has no number.
   * - `assumed`: the rules come from commands, and are all of them only if the chain was empty before.
   */
  readonly positions: "known" | "elided" | "assumed";
  /** Whether the rule list is known to be whole; false after an elision or where the text was cut. */
  readonly complete: boolean;
}

export interface BaseChain {
  readonly type: string;
  readonly hook: Hook;
  readonly priority: number;
  readonly policy: "accept" | "drop" | null;
  /** For ingress and egress. */
  readonly devices: readonly string[];
}

export interface Counters {
  /** Null where the listing rounded it (`8134`, but `566K`): the text is kept in the rule. */
  readonly packets: bigint | null;
  readonly bytes: bigint | null;
}

export interface Rule {
  /** 1-based position; null where it cannot be known (behind an elision). */
  readonly number: number | null;
  readonly handle: bigint | null;
  /** The rule as its source wrote it, without counters in front and line ends: `-A DOCKER ! -i docker0 … -j DNAT …`. */
  readonly text: string;
  /** The same for people: without `-A CHAIN`, handle comments and counters. */
  readonly short: string;
  readonly comment: string | null;
  readonly counters: Counters | null;
  /** As the rule names it: `DNAT`, `ACCEPT`, a chain; for nft the last deciding word (`dnat`, `accept`, a chain). */
  readonly target: string | null;
  /** All must hold. Empty: the rule matches every packet. */
  readonly matches: readonly Match[];
  /** In order. An iptables rule has at most one, followed by a `pass` when its target has further options. */
  readonly statements: readonly Statement[];
  /** 1-based line of the input; null for JSON. */
  readonly line: number | null;
}

/** A condition. `value` is the source's text for it, without negation. */
export interface Match {
  readonly kind: MatchKind;
  readonly negated: boolean;
  readonly value: string;
  /** The whole condition as written: `! -i docker0`, `tcp dport 22`. */
  readonly text: string;
}

export type MatchKind =
  | "in-interface"
  | "out-interface"
  | "source"
  | "destination"
  | "protocol"
  | "source-port"
  | "destination-port"
  | "ct-state"
  | "ct-status"
  | "mark"
  | "address-type"
  | "icmp-type"
  | "tcp-flags"
  | "fragment"
  | "family"
  /**
   * A comment that is a match of its own (`-m comment`): always holds, but a rule that carries one is no longer
   * unconditional to the kernel's tracer (see `unconditional.ts`).
   */
  | "comment"
  /** Understood by nobody here: shown, never evaluated. */
  | "opaque";

/** What a rule does. */
export type Statement =
  | { readonly kind: "accept" | "drop" | "return" | "continue" }
  | { readonly kind: "jump" | "goto"; readonly chain: string }
  | { readonly kind: "reject"; readonly with: string | null }
  | { readonly kind: "queue"; readonly queue: string | null }
  /** `to` is the source's text: `172.18.0.2:10370`; null for masquerade without ports. */
  | { readonly kind: "dnat" | "snat" | "masquerade" | "redirect" | "netmap"; readonly to: string | null }
  | { readonly kind: "mark"; readonly text: string }
  | { readonly kind: "log"; readonly prefix: string | null; readonly text: string }
  | { readonly kind: "trace" }
  | { readonly kind: "notrack" }
  /** A target or statement that leaves the packet's way alone (`counter`, `limit`, `CT`, `TCPMSS` …). */
  | { readonly kind: "pass"; readonly name: string; readonly text: string }
  /** One that nobody here knows: whether it ends the chain is unknown. */
  | { readonly kind: "opaque"; readonly name: string; readonly text: string };
