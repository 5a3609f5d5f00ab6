/**
 * A journey: one packet's way through the stack of one network namespace, as far as the evidence reaches.
 */
import type { Time } from "../base/time.ts";
import type {
  ConntrackView,
  GapEvent,
  LogEvent,
  Sighting,
  SightingEvent,
  StepEvent,
  StepKind,
} from "../events/event.ts";
import type { PacketFamily } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";
import type { Verdict } from "../netfilter/verdict.ts";
import type { ResolvedStep } from "../rulesets/resolve.ts";
import type { RulesChanged } from "./rule-changes.ts";

export interface Journey {
  /** Unique within one output, in the order in which journeys began: `1`, `2` … */
  readonly id: string;
  readonly netns: string | null;
  readonly family: PacketFamily;
  /** As first seen; null where no line of it showed headers. */
  readonly first: Sighting | null;
  /** As last seen. */
  readonly last: Sighting | null;
  readonly firstTime: Time | null;
  readonly lastTime: Time | null;
  /** Which of all events of the input its first and its last were; 0 where it has none. */
  readonly firstEvent: number;
  readonly lastEvent: number;
  readonly steps: readonly Step[];
  /** LOG-target lines about this packet. */
  readonly logs: readonly LogEvent[];
  readonly conntrack: ConntrackView | null;
  /** The last that was shown of it: its headers at the head of a base chain, of which no step follows; null where one does. */
  readonly unspoken: SightingEvent | null;
  /** Gaps that opened while this packet was under way. */
  readonly gaps: readonly GapEvent[];
  /** What had changed in the nftables rules since they were listed, by the time of its last step; null: nothing. */
  readonly rulesChanged: RulesChanged | null;
  /** The weakest reason that holds the steps together. */
  readonly joinedBy: LinkReason;
  /** Other journeys that some of these steps may belong to instead, and some of theirs to this one; empty where all is clear. */
  readonly alike: readonly string[];
}

export interface Step {
  readonly event: StepEvent;
  /** Where it happened; null where nobody can tell. */
  readonly hook: Hook | null;
  readonly priority: number | null;
  readonly isNat: boolean;
  /** 0-based index of the pass through a hook; steps of one hop share it. */
  readonly hop: number;
  /** How many jumps below the base chain. */
  readonly depth: number;
  readonly kind: StepKind;
  readonly verdict: Verdict | null;
  /** Who tells the verdict: the source, the rule or policy in a listing, where the packet was seen next, or nobody. */
  readonly verdictBy: "said" | "from-rule" | "implied" | "unknown";
  /** The chain of a jump or goto. */
  readonly toChain: string | null;
  readonly resolved: ResolvedStep;
  /** The packet when this step was made: its own, or the one carried on from an earlier step of the hop. */
  readonly sighting: Sighting | null;
  /** What this step changed, or, where no rule did it, what had changed before it. */
  readonly changes: readonly Change[];
  /** Why this step belongs to the journey. */
  readonly link: LinkReason;
  /** The journeys that it fits as well; empty where it fits this one alone. */
  readonly alike: readonly string[];
  /** One of nfpath's own chains: how the packet was selected or watched, never part of the host's rules. */
  readonly isOwn: boolean;
}

export interface Change {
  readonly field: ChangedField;
  readonly from: string | number | null;
  readonly to: string | number | null;
  /**
   * Who did it.
   * - `rule`: the rule of this step.
   * - `conntrack`: NAT by a mapping that an earlier packet of the connection made.
   * - `routing`: between the hooks.
   * - `unknown`: it was different before, and no step says why.
   */
  readonly by: "rule" | "conntrack" | "routing" | "unknown";
}

export type ChangedField =
  | "src"
  | "dst"
  | "sport"
  | "dport"
  | "ttl"
  | "in"
  | "out"
  | "mark"
  | "length"
  | "tos"
  /** Names, as `SYN ECE CWR`. */
  | "tcpFlags";

/** Reasons to join an event to a journey, the surest first. */
export const LINK_REASONS = [
  /** There is only one event, nothing had to be joined. */
  "single-event",
  /** Conntrack's id and direction, and a number that tells packets apart: IP identification, TCP sequence, the content's sum. */
  "same-connection-and-headers",
  /** The same nft trace id, and the same headers where shown. */
  "same-trace-id-and-headers",
  /** The same headers, at a place that can follow. */
  "same-headers-within-window",
  /** The same but for addresses and ports, which other packets of the connection show to be translated so. */
  "headers-through-known-nat",
  /** The same but for an address or port that NAT may change between the two places. */
  "headers-through-nat",
  /** nft's trace id alone: no headers were shown to check it. */
  "same-trace-id",
  /** Headers were cut or redacted: what is left agrees. */
  "what-is-left-of-the-headers",
  /** No headers at all: the next line in the input, at a place that can follow. */
  "neighbouring-lines",
  /** It fits other packets as well: `Step.alike` names them. */
  "one-of-several-alike",
] as const;

export type LinkReason = (typeof LINK_REASONS)[number];

export function weakerReason(a: LinkReason, b: LinkReason): LinkReason {
  return LINK_REASONS.indexOf(a) >= LINK_REASONS.indexOf(b) ? a : b;
}
