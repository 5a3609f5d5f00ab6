/**
 * Where in the stack a step happened: the hook, and the priority of its base chain.
 *
 * A trace names table and chain only. For iptables' built-in chains that is enough; for a chain of the user's, and for
 * nft's freely named base chains, the ruleset knows, and where there is none, the interfaces and the name of the chain
 * are a good guess: no packet has an outgoing interface before it was routed.
 */

import type { Sighting, StepEvent } from "../events/event.ts";
import type { Family } from "../netfilter/family.ts";
import { type Hook, hookOfBuiltInChain, XTABLES_HOOKS, xtablesPriority } from "../netfilter/hook.ts";
import { placeOfOwnChain, WATCH_PRIORITY } from "../plans/own-chains.ts";
import { isOwnTable } from "../plans/own-table.ts";
import type { RuleBook } from "../rulesets/rule-book.ts";

export interface Place {
  readonly hook: Hook;
  /** Null where nobody told. */
  readonly priority: number | null;
  /** `type nat` chains are asked for the first packet of a connection only. */
  readonly isNat: boolean;
  /** The chain hangs on the hook itself. */
  readonly isBase: boolean;
  /** A hook of a bridge, a device or ARP, whose names are those of IP's hooks and whose place is below or above them. */
  readonly isFrame?: true;
}

/** What `placeOf` needs to know about one step, whatever kind of event told it. */
export interface ChainSeen {
  readonly tracer: StepEvent["tracer"];
  readonly family: StepEvent["family"];
  readonly netns: string | null;
  readonly table: string;
  readonly chain: string;
}

/**
 * The place of a base chain; null for a chain that is only jumped to, or one that nobody can place. `after` is where its packet
 * was last, as far as that is known: a hook that has to be guessed comes behind it.
 */
export function placeOfBaseChain(
  seen: ChainSeen,
  sighting: Sighting | null,
  book: RuleBook,
  after: Place | null = null,
): Place | null {
  const place = placeByName(seen, sighting, book, after);
  return place === null || !isFrameFamily(seen.family) ? place : { ...place, isFrame: true };
}

function isFrameFamily(family: Family): boolean {
  return family === "bridge" || family === "netdev" || family === "arp";
}

function placeByName(
  seen: ChainSeen,
  sighting: Sighting | null,
  book: RuleBook,
  after: Place | null,
): Place | null {
  if (seen.tracer === "nft" && isOwnTable(seen.table)) return placeInOwnTable(seen, sighting);
  const listed = book.baseChain(seen);
  if (listed !== null) {
    return { hook: listed.hook, priority: listed.priority, isNat: listed.type === "nat", isBase: true };
  }
  const builtIn = hookOfBuiltInChain(seen.chain);
  if (builtIn !== null) {
    const priority = xtablesPriority(seen.table, builtIn);
    return { hook: builtIn, priority, isNat: seen.table === "nat", isBase: true };
  }
  if (seen.tracer === "xtables" || book.hasChain(seen)) return null;
  const guess = guessHook(seen, sighting, after);
  return guess === null
    ? null
    : {
        hook: guess,
        priority: null,
        isNat: /nat/i.test(seen.chain) || /^nat$/i.test(seen.table),
        isBase: true,
      };
}

function placeInOwnTable({ chain, family }: ChainSeen, sighting: Sighting | null): Place | null {
  const own = placeOfOwnChain(chain, family, sighting);
  return own === null ? null : { ...own, isNat: false, isBase: true };
}

/**
 * The hook that a chain's name and the interfaces agree on. Used for nft without a ruleset, where only the first message
 * of a base chain comes with a sighting: a chain that has none is one that was jumped to.
 */
function guessHook(seen: ChainSeen, sighting: Sighting | null, after: Place | null): Hook | null {
  if (sighting === null) return null;
  const name = seen.chain.toLowerCase();
  const named = HOOK_WORDS.find(([word]) => name.includes(word))?.[1] ?? null;
  const byInterfaces = hooksByInterfaces(sighting);
  const behind = byInterfaces.filter((hook) => isBehind(hook, after));
  const possible = behind.length > 0 ? behind : byInterfaces;
  if (named !== null && (possible.length === 0 || possible.includes(named))) return named;
  return possible[0] ?? named;
}

function isBehind(hook: Hook, after: Place | null): boolean {
  if (after === null) return true;
  const place = { hook, priority: null, isNat: false, isBase: true };
  // nfpath's last chains stand behind all others of their hook.
  if (hook === after.hook) return after.priority !== WATCH_PRIORITY;
  return canFollow(after, place, "another", false);
}

const HOOK_WORDS: readonly (readonly [string, Hook])[] = [
  ["prerouting", "prerouting"],
  ["postrouting", "postrouting"],
  ["dstnat", "prerouting"],
  ["srcnat", "postrouting"],
  ["forward", "forward"],
  ["ingress", "ingress"],
  ["egress", "egress"],
  ["output", "output"],
  ["input", "input"],
  ["pre_", "prerouting"],
  ["in", "input"],
  ["out", "output"],
];

/** Hooks at which a packet can have just these interfaces, the likelier first; none where the source told neither. */
export function hooksByInterfaces(sighting: Sighting): readonly Hook[] {
  if (sighting.in !== null && sighting.out !== null) return ["forward", "postrouting"];
  if (sighting.in !== null) return ["prerouting", "input"];
  if (sighting.out !== null) return ["output", "postrouting"];
  return [];
}

/** How a step's chain relates to the one that its tracer spoke of last. */
export type ChainRelation =
  /** The walk through that base chain goes on, there or in a chain it jumped to. */
  | "goes-on"
  /** That base chain has ended or begins anew: no packet walks it twice in one pass. */
  | "again"
  | "another";

/**
 * Whether a packet that was last seen at `from` can next be seen at `to`, given how the chains relate.
 * Hooks may be skipped: a hook whose tables are absent says nothing.
 */
export function canFollow(from: Place, to: Place, relation: ChainRelation, mayBeLoopback: boolean): boolean {
  if (from.isFrame !== to.isFrame) return changesLayer(from, to);
  if (from.hook === to.hook) {
    if (relation !== "another") return relation === "goes-on";
    return from.priority === null || to.priority === null || to.priority >= from.priority;
  }
  switch (from.hook) {
    case "ingress":
      return to.hook !== "output";
    case "prerouting":
      return (
        to.hook === "input" || to.hook === "forward" || to.hook === "postrouting" || to.hook === "egress"
      );
    case "forward":
      return to.hook === "postrouting" || to.hook === "egress";
    case "output":
      if (to.hook === "postrouting" || to.hook === "egress") return true;
      return mayBeLoopback && (to.hook === "prerouting" || to.hook === "input");
    case "postrouting":
    case "egress":
      if (to.hook === "egress") return from.hook === "postrouting";
      return mayBeLoopback && (to.hook === "ingress" || to.hook === "prerouting" || to.hook === "input");
    case "input":
      // What a bridge hands up comes in again by the bridge's own device.
      return from.isFrame === true && to.hook === "ingress";
  }
}

/**
 * A frame that is handed up goes on at IP's hooks, and an IP packet that leaves by a bridge or a device goes on at theirs.
 * With br_netfilter IP's hooks are called from within the bridge's of the same name.
 */
function changesLayer(from: Place, to: Place): boolean {
  if (to.isFrame === true) return FRAME_AFTER_IP[from.hook].includes(to.hook);
  return IP_AFTER_FRAME[from.hook].includes(to.hook);
}

const IP_AFTER_FRAME: Readonly<Record<Hook, readonly Hook[]>> = {
  ingress: ["prerouting", "input", "forward", "postrouting"],
  prerouting: ["prerouting", "input", "forward", "postrouting"],
  input: ["prerouting", "input", "forward", "postrouting"],
  forward: ["forward", "postrouting"],
  output: ["output", "forward", "postrouting"],
  postrouting: ["postrouting"],
  egress: [],
};

const FRAME_AFTER_IP: Readonly<Record<Hook, readonly Hook[]>> = {
  ingress: [],
  prerouting: ["prerouting", "input", "forward", "postrouting", "egress"],
  input: [],
  forward: ["forward", "output", "postrouting", "egress"],
  output: ["output", "postrouting", "egress"],
  postrouting: ["output", "postrouting", "egress"],
  egress: [],
};

/**
 * The likeliest place of a chain that was jumped to from a base chain nobody saw (a log that begins in the middle):
 * the hooks of its iptables table that the interfaces allow.
 */
export function placeOfJumpedChain(seen: ChainSeen, sighting: Sighting | null): Place | null {
  if (sighting === null) return null;
  const hooks = hooksByInterfaces(sighting);
  const ofTable = XTABLES_HOOKS[seen.table];
  const hook = ofTable === undefined ? hooks[0] : hooks.find((candidate) => ofTable.includes(candidate));
  if (hook === undefined) return null;
  return { hook, priority: xtablesPriority(seen.table, hook), isNat: seen.table === "nat", isBase: false };
}
