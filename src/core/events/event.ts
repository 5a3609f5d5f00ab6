/**
 * What was seen. Decoders make these, everything behind them reads nothing else.
 *
 * One event is one thing the kernel (or a tool) said. Foreign habits end in the decoder: here numbers are numbers, times
 * have a clock, IPv6 is canonical. The original line travels on in `origin`, so nothing that was said is lost.
 */
import type { Time } from "../base/time.ts";
import type { Family } from "../netfilter/family.ts";
import type { Verdict } from "../netfilter/verdict.ts";
import type { Packet } from "../packets/packet.ts";

export type Event =
  | StepEvent
  | SightingEvent
  | ConntrackEvent
  | FlowEvent
  | LogEvent
  | RulesChangedEvent
  | WireEvent
  | DropEvent
  | GapEvent
  | UnparsedEvent;

interface EventBase {
  readonly origin: Origin;
  readonly time: Time | null;
  /** Name of the network namespace; null for the first one or where the source does not tell. */
  readonly netns: string | null;
}

/** Where an event comes from, so that a person can look there. */
export interface Origin {
  /** File name, `-` for standard input, or a live source: `nftrace`, `nflog`. */
  readonly input: string;
  /** 1-based line in a text input; null for binary sources. A folded record counts its first line. */
  readonly line: number | null;
  /** What stood there, without the line's end; empty for binary sources. Hostile text: pass it through `printable`. */
  readonly raw: string;
}

/** A packet as it was seen at one point, with the circumstances that netfilter reports beside the headers. */
export interface Sighting {
  readonly packet: Packet;
  /** Interface names. Null: none at this hook, or not told. */
  readonly in: string | null;
  readonly out: string | null;
  /** Bridge ports below `in` and `out`. */
  readonly physIn: string | null;
  readonly physOut: string | null;
  /** `skb->mark`; null where not told. The kernel log leaves a mark of 0 out. */
  readonly mark: number | null;
  /** Owner of the local socket; null where not told. */
  readonly uid: number | null;
  readonly gid: number | null;
}

/** All of a sighting but the packet, where nobody told it. */
export const NOWHERE: Omit<Sighting, "packet"> = {
  in: null,
  out: null,
  physIn: null,
  physOut: null,
  mark: null,
  uid: null,
  gid: null,
};

/**
 * What in a chain spoke.
 * - `rule`: a rule matched.
 * - `return`: a chain that was jumped to ended, and its caller goes on.
 * - `end`: a base chain ran out of rules; its policy follows.
 * - `policy`: a base chain's policy was applied.
 */
export type StepKind = "rule" | "return" | "policy" | "end";

/** One step of a packet through rules: iptables TRACE, nftables trace, `xtables-monitor --trace`. */
export interface StepEvent extends EventBase {
  readonly kind: "step";
  /** Which kernel code spoke: `ip_tables`/`ip6_tables` (rule numbers, no verdict) or `nf_tables` (handles, verdicts). */
  readonly tracer: "xtables" | "nft";
  /** The table's family. */
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  /** As the source says it; for `xtables`, `return` and `policy` may turn out to be rules (see `rulesets/resolve.ts`). */
  readonly step: StepKind;
  /** 1-based position in the chain (`xtables`); null for nft. For an implicit end it is the number of rules plus one. */
  readonly number: number | null;
  /** nft's handle of the rule; null for `xtables`, and where the source does not tell. */
  readonly handle: bigint | null;
  readonly verdict: Verdict | null;
  /** The chain that a `jump` or `goto` verdict names. */
  readonly toChain: string | null;
  /** The rule's text where the source prints it (nft, xtables-monitor); null otherwise. */
  readonly ruleText: string | null;
  /** nft's trace id, 32 bits: a hash of the buffer's address, neither unique nor stable. */
  readonly traceId: number | null;
  /** The packet at this step; null where the source prints it apart (`SightingEvent`) or not at all. */
  readonly sighting: Sighting | null;
  /** `skb->mark` after the chain, where nft prints it beside a policy. */
  readonly mark: number | null;
  /** Conntrack's view, where the kernel sends it with the trace (Linux 6.16 and later). */
  readonly conntrack: ConntrackView | null;
}

/** The headers of a traced packet, printed on a line of their own (`packet:` of nft, `PACKET:` of xtables-monitor). */
export interface SightingEvent extends EventBase {
  readonly kind: "sighting";
  readonly family: Family;
  /** Null where the tool names no chain (xtables-monitor). */
  readonly table: string | null;
  readonly chain: string | null;
  readonly traceId: number;
  readonly sighting: Sighting;
}

/** Conntrack's view of a traced packet, on a line of its own (`conntrack:` of nft 1.1.4 and later). */
export interface ConntrackEvent extends EventBase {
  readonly kind: "conntrack";
  readonly family: Family;
  readonly table: string | null;
  readonly chain: string | null;
  readonly traceId: number;
  readonly conntrack: ConntrackView;
}

export interface ConntrackView {
  readonly id: number | null;
  readonly direction: "original" | "reply" | null;
  /** `new`, `established`, `related`, `invalid`, `untracked`. */
  readonly state: string | null;
  /** Words of nft: `confirmed`, `snat`, `dnat-done` … */
  readonly status: readonly string[];
}

/**
 * A connection as conntrack keeps it: ctnetlink's events and dumps, `conntrack -E` and `-L`, `/proc/net/nf_conntrack`. It
 * tells exactly how a connection is translated, which no trace of a later packet does.
 */
export interface FlowEvent extends EventBase {
  readonly kind: "flow";
  /** `listed`: it existed when somebody asked, and nothing happened to it just then. */
  readonly what: "new" | "update" | "destroy" | "listed";
  readonly family: "ip" | "ip6";
  /** IANA's keyword in lower case, or the number in decimal. */
  readonly protocol: string;
  /** Conntrack's id of the entry, the same as in a trace that has `ConntrackView`; null where not told. */
  readonly id: number | null;
  /** As the first packet came. */
  readonly original: FlowTuple;
  /** As an answer is expected; reversed, it is the first packet as it left. */
  readonly reply: FlowTuple;
  /** Words of nft, as far as the source tells them. */
  readonly status: readonly string[];
  /** `SYN_SENT`, `ESTABLISHED` …; null for protocols without states, and where not told. */
  readonly state: string | null;
  /** Seconds until the entry is forgotten; null where not told. */
  readonly timeout: number | null;
  readonly mark: number | null;
  readonly zone: number | null;
}

/** One direction of a connection. Ports are null where the protocol has none. */
export interface FlowTuple {
  readonly src: string;
  readonly dst: string;
  readonly sport: number | null;
  readonly dport: number | null;
  readonly icmp: { readonly type: number; readonly code: number; readonly id: number } | null;
}

/** The nftables rules changed: one transaction was carried out (`NFT_MSG_NEWGEN`). Legacy iptables tells nobody. */
export interface RulesChangedEvent extends EventBase {
  readonly kind: "rules-changed";
  /** Number of the ruleset's generation that began; null where not told. */
  readonly generation: number | null;
  /** Who did it, as the kernel's first pid namespace counts. */
  readonly pid: number | null;
  /** At most 15 bytes of its name, as it calls itself. */
  readonly process: string | null;
  /** `inet fw`: tables that the transaction touched; empty where the source does not tell. */
  readonly tables: readonly string[];
}

/** A LOG-target or nft `log` line: a packet seen by a rule that somebody wrote, with a prefix of their own. */
export interface LogEvent extends EventBase {
  readonly kind: "log";
  /** Free text. */
  readonly prefix: string;
  readonly sighting: Sighting;
  /** Conntrack's view, where the kernel attaches it to what it logs over netlink. */
  readonly conntrack: ConntrackView | null;
}

/**
 * A frame at an interface, as a packet socket sees it: on the way in before every hook, on the way out behind every hook.
 * So a datagram that comes in fragments is several of them.
 */
export interface WireEvent extends EventBase {
  readonly kind: "wire";
  readonly direction: WireDirection;
  /** Name of the interface; also in `sighting.in` or `sighting.out`. */
  readonly interface: string;
  readonly checksum: ChecksumState;
  readonly sighting: Sighting;
}

/** `other-station`: the frame's MAC address is not this host's, and the stack leaves it alone (PACKET_OTHERHOST). */
export type WireDirection = "in" | "out" | "other-station";

/**
 * - `right`, `wrong`: all checksums that the packet has were computed again.
 * - `unfinished`: made on this machine, and left to the network card to finish (CHECKSUM_PARTIAL); right as such.
 * - `not-known`: cut, a fragment, or of a protocol that we do not compute.
 */
export type ChecksumState = "right" | "wrong" | "unfinished" | "not-known";

/** A buffer that the kernel freed as dropped (`skb:kfree_skb`): a death as the kernel itself tells it, in whatever layer. */
export interface DropEvent extends EventBase {
  readonly kind: "drop";
  /** The kernel's word: `NETFILTER_DROP`, `NO_SOCKET`, `IP_RPFILTER` …; the number in decimal where it has no name. */
  readonly reason: string;
  /** The function that freed it: `nf_hook_slow`, `ip_forward` …; an address where the kernel has no symbol. */
  readonly function: string;
  /** The device that the buffer named last; null for none. */
  readonly device: string | null;
  readonly sighting: Sighting;
}

/** Evidence that is known to be missing. No conclusion is drawn across it. */
export interface GapEvent extends EventBase {
  readonly kind: "gap";
  /** `lost-by-kernel`, `rate-limited`, `truncated` … */
  readonly gap: GapKind;
  /** How many events are missing; null where nobody knows. */
  readonly count: number | null;
  /** What to do so that it does not happen again: an action. */
  readonly remedy: string;
}

export type GapKind =
  /** The kernel could not deliver: ENOBUFS, or a hole in sequence numbers. */
  | "lost-by-kernel"
  /** printk's rate limit: `net_ratelimit: 12 callbacks suppressed`, journald's `Suppressed N messages`. */
  | "rate-limited"
  /** The kernel's log buffer ran over, or a record was longer than the kernel's print buffer. */
  | "truncated"
  /** A logger left lines out and said nothing: the ways of packets in the same log show it. */
  | "lines-missing"
  /** Our own limit on traced packets was reached. */
  | "selector-limit"
  /** Conntrack's events were lost: a translation may be unknown, and no step is missing. */
  | "flows-lost"
  /** Messages of NFLOG rules were lost: a log line may be missing, and no step is. */
  | "logs-lost"
  /** The capture lost frames: one that is not shown may have been there, and no step is missing. */
  | "frames-lost"
  /** Drops of the kernel's were lost: a packet may have died in a way that is not shown. */
  | "drops-lost";

/** Something that looked like ours and could not be read. Counted, kept, shown. */
export interface UnparsedEvent extends EventBase {
  readonly kind: "unparsed";
  /** What is wrong with it, for a person. */
  readonly reason: string;
}
