/**
 * Who wrote a rule, and where it is changed.
 *
 * Most rules on a host were written by a program, which writes them again when it restarts: a rule changed by hand is back
 * the next day. Programs tell themselves by the names of their chains and tables, by comments, and by the interfaces that
 * only they make. A rule that an administrator could as well have written has no origin here.
 */
import type { Family } from "../../netfilter/family.ts";
import type { Chain, Rule } from "../ruleset.ts";

export interface RuleOrigin {
  /** `Docker`, `kube-proxy`, `ufw` */
  readonly manager: string;
  /** What the rule does for it, to be read behind its name: `published port 10370/udp of container 172.18.0.2`. */
  readonly what: string;
  /** The service, container, zone or jail; null where the rule names none. */
  readonly object: string | null;
  /** Where it is looked at and changed: a command or a file. */
  readonly change: string;
}

/** A rule, or without one a chain's policy, and where it stands. */
export interface RulePlace {
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  readonly rule: Rule | null;
  /** The chain's listing; null where there is none. */
  readonly listing: Chain | null;
  /** Names of all chains in its table, as far as they are known. */
  readonly chains: readonly string[];
}

/** What a manager says of one of its rules; the rest comes from the table. */
export type Told = Omit<RuleOrigin, "manager"> | null;

export interface Manager {
  readonly name: string;
  /** nft tables that are all its own. */
  readonly tables?: RegExp;
  /** Chains that are all its own. */
  readonly chains?: RegExp;
  /** A comment that nobody else writes. */
  readonly comment?: RegExp;
  /** A rule of its own in a chain that it shares with others, and that neither chain nor comment tells. */
  readonly owns?: (place: RulePlace, rule: Rule) => boolean;
  /** A chain with a common name, which what else is in the table shows to be its own. */
  readonly shares?: (place: RulePlace) => boolean;
  /** Built-in chains whose policy it sets where it hangs its own chains into them. */
  readonly policies?: RegExp;
  /** Null: it cannot be its own after all. */
  readonly tell: (place: RulePlace) => Told;
}
