/** What nfpath concludes about a packet. Each cause has a stable code and one file beside this one. */

import type { RuleOrigin } from "../rulesets/origin/origin.ts";

/** Every code there is; one that is not here is never concluded. */
export const CAUSE_CODES = [
  "rule-drop",
  "rule-reject",
  "policy-drop",
  "conntrack-invalid",
  "conntrack-full",
  "queue-no-listener",
  "nat-failed",
  "forwarding-off",
  "wrong-mac",
  "fragment-missing",
  "bad-checksum",
  "reverse-path",
  "martian",
  "no-route",
  "route-refused",
  "ttl-expired",
  "too-big",
  "no-neighbour",
  "link-down",
  "no-listener",
  "socket-full",
  "dnat",
  "snat",
  "nat-from-conntrack",
  "snat-not-reached",
  "defragmented",
  "will-fragment",
  "untracked",
  "bridged",
  "hairpin-without-snat",
  "both-backends",
  "offloaded",
  "no-reply",
  "asymmetric-reply",
  "rules-missing",
  "rules-changed",
  "gap",
  "not-enough-evidence",
] as const;

export type CauseCode = (typeof CAUSE_CODES)[number];

/** `error`: why it died. `warning`: doubt, or something to look at. `info`: explains what is seen. */
export type Severity = "error" | "warning" | "info";

export interface Finding {
  readonly cause: CauseCode;
  readonly severity: Severity;
  /** What happened, in a sentence with the packet's own names. */
  readonly what: string;
  /** How we know, or how it comes about. */
  readonly why: string;
  /** A command that only reads or can be undone, or an action; null where there is nothing to do. */
  readonly try: string | null;
  /** Indexes into the journey's steps. Never empty, except for a finding about evidence that is absent. */
  readonly evidence: readonly number[];
  readonly wouldBeWrongIf: string;
  /** Who wrote the rule that it speaks of; null or absent where nobody can tell. */
  readonly origin?: RuleOrigin | null;
}
