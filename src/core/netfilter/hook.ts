/**
 * Where in the stack a packet meets rules.
 *
 * The names are nft's. `FLOW` is the order in which one IP packet can pass them; it is what tells a vanished packet
 * from a finished one, and a second packet from a second look at the first.
 */
import type { Family } from "./family.ts";

export type Hook = "ingress" | "prerouting" | "input" | "forward" | "output" | "postrouting" | "egress";

/** Hooks that can come next for a packet that a hook has let through. Postrouting may come round again over loopback. */
export const NEXT_HOOKS: Readonly<Record<Hook, readonly Hook[]>> = {
  ingress: ["prerouting"],
  prerouting: ["input", "forward"],
  input: [],
  forward: ["postrouting"],
  output: ["postrouting"],
  postrouting: ["egress"],
  egress: [],
};

/** The chains that iptables' own tables can have, with the hook each hangs on. */
const BUILT_IN_CHAINS: Readonly<Record<string, Hook>> = {
  PREROUTING: "prerouting",
  INPUT: "input",
  FORWARD: "forward",
  OUTPUT: "output",
  POSTROUTING: "postrouting",
};

/** The hook of an iptables built-in chain; null for a chain of the user's. */
export function hookOfBuiltInChain(chain: string): Hook | null {
  return BUILT_IN_CHAINS[chain] ?? null;
}

/** iptables' tables: which hooks they have. `net/ipv4/netfilter/iptable_*.c`, `valid_hooks`. */
export const XTABLES_HOOKS: Readonly<Record<string, readonly Hook[]>> = {
  raw: ["prerouting", "output"],
  mangle: ["prerouting", "input", "forward", "output", "postrouting"],
  nat: ["prerouting", "input", "output", "postrouting"],
  filter: ["input", "forward", "output"],
  security: ["input", "forward", "output"],
};

/** Priorities by name, as `nft list ruleset` prints them (`src/rule.c`, `std_prios`), for the IP families. */
export const NAMED_PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};

/** The bridge family counts otherwise (`include/uapi/linux/netfilter_bridge.h`). */
export const NAMED_BRIDGE_PRIORITIES: Readonly<Record<string, number>> = {
  dstnat: -300,
  filter: -200,
  out: 100,
  srcnat: 300,
};

/** Priority of an iptables table at a hook; null for a table that iptables does not have. */
export function xtablesPriority(table: string, hook: Hook): number | null {
  switch (table) {
    case "raw":
      return -300;
    case "mangle":
      return -150;
    case "nat":
      return hook === "prerouting" || hook === "output" ? -100 : 100;
    case "filter":
      return 0;
    case "security":
      return 50;
    default:
      return null;
  }
}

/** The number behind a named priority such as `filter` in a family; null for an unknown name. */
export function namedPriority(name: string, family: Family): number | null {
  return (family === "bridge" ? NAMED_BRIDGE_PRIORITIES : NAMED_PRIORITIES)[name] ?? null;
}
