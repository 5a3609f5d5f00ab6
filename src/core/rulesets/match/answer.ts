/**
 * Whether a condition of a rule holds for a packet: yes, no, or nobody here can tell. The words say why, about the packet.
 *
 * Rules may ask for what no trace shows (the host's addresses, an ipset, a rate, a socket's owner): that is `not-known`,
 * and stays so through negation; a rule fails as soon as one condition does, whatever the others are.
 */
import type { ConntrackView, Sighting } from "../../events/event.ts";
import type { Hook } from "../../netfilter/hook.ts";
import type { IpsetBook } from "../ipsets/ipset-book.ts";
import type { Match, Table } from "../ruleset.ts";

export type Holds = "matched" | "failed" | "not-known";

export interface Answer {
  readonly holds: Holds;
  /** `it came in by eth0`; for `not-known`, what is missing and where it can be asked for. */
  readonly words: string;
}

export interface MatchAnswer extends Answer {
  readonly match: Match;
}

/** The packet as it was when it came to the rule, and what is known besides. */
export interface Circumstances {
  readonly sighting: Sighting;
  /** Null where nobody can tell. */
  readonly hook: Hook | null;
  /** `skb->mark`; null where not told. */
  readonly mark: number | null;
  readonly conntrack: ConntrackView | null;
  /** Conntrack states that it may have, in lower case; empty where nothing is known. */
  readonly states: readonly string[];
  /** Where named sets are listed. */
  readonly table: Table | null;
  /** Null where no ipset was listed. */
  readonly ipsets: IpsetBook | null;
  /** What an address is to the host, `local`, `unicast`; null where nobody knows. */
  readonly addressType: (address: string) => string | null;
  /** The number of a port's name, `domain`; null for a name that nobody knows. */
  readonly portNumber: (name: string) => number | null;
}

export function answer(isSo: boolean, words: string): Answer {
  return { holds: isSo ? "matched" : "failed", words };
}

export function notKnown(words: string): Answer {
  return { holds: "not-known", words };
}

export function negate(found: Answer): Answer {
  if (found.holds === "not-known") return found;
  return { ...found, holds: found.holds === "matched" ? "failed" : "matched" };
}

/** Of several that are enough each. */
export function anyOf(answers: readonly Holds[]): Holds {
  if (answers.includes("matched")) return "matched";
  return answers.includes("not-known") ? "not-known" : "failed";
}

/** Of several that must all hold. */
export function allOf(answers: readonly Holds[]): Holds {
  if (answers.includes("failed")) return "failed";
  return answers.includes("not-known") ? "not-known" : "matched";
}
