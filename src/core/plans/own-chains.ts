/**
 * The chains of nfpath's own tables: where each hangs, so that its steps are put in their place on a packet's way.
 *
 * A packet is heard of from the rule on that marks it, so it is the marking chain that tells from which priority on it is
 * seen, and there is one for each.
 */
import type { Family } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";

/** Runs before all rules of the host, and after conntrack has put fragments together (-400). */
export const SELECTOR_PRIORITY = -350;
/** Below defragmentation, for `--fragments`. */
export const FRAGMENT_PRIORITY = -450;
/** Just behind conntrack (-200): the first place at which a packet's connection is known. */
export const CONNECTION_PRIORITY = -199;

/**
 * Watch points: base chains of ours at the end of each of these hooks. Marked packets report there even where the host
 * has no rule, and after source NAT (+100), so where a packet got to is seen and not concluded.
 */
export const WATCHED_HOOKS = ["input", "forward", "postrouting"] as const;
export const WATCH_PRIORITY = 350;

/** The chain all selectors lead to; the first counter in it counts the packets meant, the second those marked. */
export const CHOSEN_CHAIN = "chosen";
export const CHOSEN_FRAGMENTS_CHAIN = "chosen_fragments";
export const CHOSEN_ANSWERS_CHAIN = "chosen_answers";

const MARKING: Readonly<Record<string, number>> = {
  [CHOSEN_CHAIN]: SELECTOR_PRIORITY,
  [CHOSEN_FRAGMENTS_CHAIN]: FRAGMENT_PRIORITY,
  [CHOSEN_ANSWERS_CHAIN]: CONNECTION_PRIORITY,
};

/** Its counter counts packets of connections for which there was no more room. */
export const FORGOTTEN_CHAIN = "forgotten";

/** Whether a chain of our own table is one that marks packets. */
export function isMarkingChain(chain: string): boolean {
  return MARKING[chain] !== undefined;
}

/** The chain behind conntrack at a hook. */
export function connectionChain(hook: Hook): string {
  return `connections_${hook}`;
}

/** ARP's packets are chosen at the very hooks that are watched, so there the watch points have names of their own. */
export function watchChain(hook: Hook, family: Family): string {
  return family === "arp" ? `watch_${hook}` : hook;
}

export interface OwnPlace {
  readonly hook: Hook;
  readonly priority: number;
}

/**
 * Where a chain of our own hangs; null for one that is only jumped to. A marking chain is reached from several base chains,
 * which are silent: only its packet tells which, if it is shown.
 */
export function placeOfOwnChain(
  chain: string,
  family: Family,
  interfaces: { readonly in: string | null } | null,
): OwnPlace | null {
  const priority = MARKING[chain];
  if (priority !== undefined)
    return interfaces === null ? null : { hook: hookOfMark(family, interfaces.in !== null), priority };
  for (const hook of HOOKS) {
    if (chain === connectionChain(hook)) return { hook, priority: CONNECTION_PRIORITY };
    if (chain === watchChain(hook, family)) return { hook, priority: WATCH_PRIORITY };
  }
  return null;
}

const HOOKS: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];

function hookOfMark(family: Family, comesIn: boolean): Hook {
  if (family === "netdev") return comesIn ? "ingress" : "egress";
  if (!comesIn) return "output";
  return family === "arp" ? "input" : "prerouting";
}
