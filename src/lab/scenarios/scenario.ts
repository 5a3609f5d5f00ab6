/**
 * What a scenario is: hosts and cables, rules, packets, and the truth about them. Data only; others build it, send and judge.
 *
 * The truth is written down by whoever wrote the scenario, and the kernel is its judge: each scenario names counters, receipts
 * and answers that could not come out as they do if its truth were wrong. So nfpath is held to something that does not depend on nfpath.
 */
import type { OutcomeVerdict } from "../../core/diagnosis/outcome.ts";
import type { Network } from "./network.ts";

/** Whose rules are in force: one kind, both at once, or none at all (then nothing of netfilter's decides). */
export const VARIANTS = ["legacy", "nft", "mixed", "none"] as const;
export type Variant = (typeof VARIANTS)[number];

export interface Scenario {
  /** In lower case and hyphens. */
  readonly name: string;
  /** What is to be seen, in a few words. */
  readonly title: string;
  /** What happened, as somebody would tell it who did not yet know why. */
  readonly story: string;
  readonly network: Network;
  /** The rules, for each kind that the scenario has. `none: []` where no rule is involved. */
  readonly rules: Partial<Readonly<Record<Variant, readonly RuleText[]>>>;
  readonly services?: readonly Service[];
  readonly acts: readonly Act[];
  /** Traced hosts, and which packets. */
  readonly trace: { readonly hosts: readonly string[]; readonly filter: string };
  readonly truths: readonly Truth[];
  /** What only the kernel can say, so that the truth is proved without nfpath. Never empty. */
  readonly proofs: readonly Proof[];
}

/** A value that may depend on whose rules are in force. */
export type ByVariant<Value extends string | readonly string[]> =
  | Value
  | Partial<Readonly<Record<Variant, Value>>>;

export interface RuleText {
  readonly host: string;
  readonly tool: RuleTool;
  readonly text: string;
}

/** Programs that take a whole ruleset on standard input. */
export type RuleTool =
  | "iptables-legacy-restore"
  | "ip6tables-legacy-restore"
  | "iptables-nft-restore"
  | "ip6tables-nft-restore"
  | "nft"
  | "ipset";

/** What listens. `deaf` takes nothing out of its socket, which then runs full. */
export interface Service {
  readonly host: string;
  readonly kind: "udp-echo" | "udp-silent" | "udp-deaf" | "tcp-echo";
  readonly port: number;
  /** Default: every address of both families. */
  readonly address?: string;
}

/** What happens, one act after the other. */
export type Act = UdpAct | TcpAct | FramesAct | WaitAct;

/** Nothing happens for a while. */
export interface WaitAct {
  readonly kind: "wait";
  readonly ms: number;
}

export interface UdpAct {
  readonly kind: "udp";
  readonly host: string;
  readonly to: string;
  readonly port: number;
  /** The port it is sent from. */
  readonly from: number;
  /** Bytes of payload; default 16. */
  readonly bytes?: number;
  /** Datagrams, one after the other; default 1. */
  readonly times?: number;
  /** `echo`, `silence` (nothing is waited for), or the error that the sender gets, such as `ECONNREFUSED`. */
  readonly ends: string;
}

export interface TcpAct {
  readonly kind: "tcp";
  readonly host: string;
  readonly to: string;
  readonly port: number;
  readonly from: number;
  /** Bytes to send once connected, which come back; default 0. */
  readonly bytes?: number;
  /** `connected`, `echo`, `silence`, or an error. */
  readonly ends: string;
}

/** Frames as they are, from a packet socket: what no program would send, or what needs no program. */
export interface FramesAct {
  readonly kind: "frames";
  readonly host: string;
  readonly link: string;
  /** The station they are for: `[host, link]`, or an address of its own. */
  readonly to: readonly [host: string, link: string] | string;
  readonly packets: readonly FramePacket[];
}

export interface FramePacket {
  readonly etherType: number;
  readonly bytes: Uint8Array;
}

/** `nfpath trace --wire` and `--drops`. */
export type Beside = "wire" | "drops";

/** What is true of every packet that matches. */
export interface Truth {
  /** In pcap-filter's words; tells the packet as it was first seen from all others of the trace. */
  readonly packet: string;
  readonly host: string;
  readonly outcome: OutcomeVerdict;
  /** Code of the finding that explains its death; null for one that lives. */
  readonly cause: string | null;
  /**
   * Where it ended: `filter:FORWARD:2` (table, chain, number of the rule), `filter:FORWARD:policy`; `after prerouting` where it is
   * the stack behind a hook that decided, or it got through; `never` where netfilter does not see the packet at all.
   */
  readonly place: ByVariant<string>;
  /** Other findings that must be there. */
  readonly findings?: ByVariant<readonly string[]>;
  /** How many such packets there are at least, all alike; default 1. What is not answered may be sent again. */
  readonly packets?: number;
  /** The packet that it goes on in, and the one that it came in, as `packet`: of a tunnel or IPsec. */
  readonly carriedBy?: string;
  readonly unpackedFrom?: string;
  /** The link that it leaves by. */
  readonly out?: string;
  /** What a trace must have beside netfilter's word to know this: what was on the wire, what the kernel freed and why. */
  readonly needs?: Beside;
  /** Why the printed script's collection cannot show it, where it cannot. */
  readonly notCollected?: string;
}

export type Proof =
  /** `/proc/net/snmp`, `netstat`, `snmp6` (`IpInAddrErrors`); `conntrack.drop`; `dev.eth0.rx_packets`. */
  | {
      readonly kind: "counter";
      readonly host: string;
      readonly name: string;
      readonly is: number;
      /** There may be more, of packets that the scenario does not count. */
      readonly orMore?: boolean;
    }
  /** Packets that a rule has counted, at a place as a truth has it. */
  | { readonly kind: "rule"; readonly host: string; readonly at: ByVariant<string>; readonly packets: number }
  /** Datagrams or connections that the service on this port has had. */
  | { readonly kind: "received"; readonly host: string; readonly port: number; readonly times: number }
  /** What `ip` says, be it an error. */
  | { readonly kind: "ip"; readonly host: string; readonly words: string; readonly says: string };

export function variantsOf(scenario: Scenario): readonly Variant[] {
  return VARIANTS.filter((variant) => scenario.rules[variant] !== undefined);
}

/** Whether some truth of it cannot be known without. */
export function needs({ truths }: Scenario, beside: Beside): boolean {
  return truths.some((truth) => truth.needs === beside);
}

export function forVariant<Value extends string | readonly string[]>(
  value: ByVariant<Value>,
  variant: Variant,
): Value {
  if (typeof value === "string" || Array.isArray(value)) return value as Value;
  const own = (value as Partial<Record<Variant, Value>>)[variant];
  if (own === undefined) throw new Error(`nothing is said for ${variant}`);
  return own;
}

/** Codes of all that a scenario shows. */
export function causesOf(scenario: Scenario): readonly string[] {
  const codes = scenario.truths.flatMap(({ cause, findings = [] }) => [
    ...(cause === null ? [] : [cause]),
    ...(isList(findings) ? findings : Object.values(findings).flat()),
  ]);
  return [...new Set(codes)];
}

function isList(value: ByVariant<readonly string[]>): value is readonly string[] {
  return Array.isArray(value);
}
