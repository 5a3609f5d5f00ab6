/**
 * Whether a packet meets a policy rule (`net/core/fib_rules.c` fib_rule_match, `net/ipv4/fib_rules.c` fib4_rule_match,
 * `net/ipv6/fib6_rules.c` fib6_rule_match). Null where that cannot be told.
 */

import { contains } from "../packets/prefix.ts";
import { protocolNumber } from "../packets/protocols.ts";
import type { HostSnapshot, IpFamily, PolicyRule, PortRange } from "./host.ts";
import { type Flow, flowOf, isVrf } from "./vrf.ts";

/** A packet as routing sees it at one point of its way. */
export interface RouteQuestion {
  readonly family: IpFamily;
  readonly dst: string;
  /** Null: none was chosen yet. */
  readonly src: string | null;
  /** The interface that it came in by; null for one that this host makes. */
  readonly in: string | null;
  /** The interface that its socket is bound to, or that is asked for; null: none. */
  readonly out: string | null;
  /** Null in the rest: not told. */
  readonly mark: number | null;
  readonly tos: number | null;
  /** Name or number. */
  readonly protocol: string | null;
  readonly sport: number | null;
  readonly dport: number | null;
  readonly uid: number | null;
  /** The VRF that it is routed by, where its interfaces do not tell, as for the way back to a source. */
  readonly vrf?: string | null;
}

/** @param flow the question's, from `flowOf` */
export function meetsRule(
  host: HostSnapshot,
  rule: PolicyRule,
  question: RouteQuestion,
  flow: Flow = flowOf(host, question),
): boolean | null {
  const all = allOf([
    () => meetsPrefix(rule.from, rule.family, question.src),
    () => meetsPrefix(rule.to, rule.family, question.dst),
    // The kernel calls what it makes itself as coming in by loopback.
    () => rule.iif === null || meetsInterface(host, rule.iif, question.in ?? "lo", flow, false),
    () => rule.oif === null || meetsInterface(host, rule.oif, flow.out, flow, true),
    () => meetsMark(rule, question.mark),
    () =>
      rule.tos === null ? true : question.tos === null ? null : (question.tos & DSCP) === (rule.tos & DSCP),
    () => meetsProtocol(rule.protocol, question.protocol),
    () => meetsPorts(rule.sport, question.sport),
    () => meetsPorts(rule.dport, question.dport),
    // What comes in belongs to nobody, which the kernel counts as root's.
    () => meetsPorts(rule.uid, question.in === null ? question.uid : 0),
    () => (rule.action.kind !== "l3mdev" ? true : flow.vrf === "not-known" ? null : flow.vrf !== null),
    () => (rule.opaque.length === 0 ? true : null),
  ]);
  return all === null ? null : all !== rule.isInverted;
}

/** The six bits that rules and routes compare; the other two are congestion's. */
export const DSCP = 0xfc;

/** False as soon as one is; null where none is false and one cannot be told. */
function allOf(conditions: readonly (() => boolean | null)[]): boolean | null {
  let isKnown = true;
  for (const condition of conditions) {
    const met = condition();
    if (met === false) return false;
    if (met === null) isKnown = false;
  }
  return isKnown ? true : null;
}

function meetsPrefix(prefix: string | null, family: IpFamily, address: string | null): boolean {
  if (prefix === null) return true;
  if (address !== null) return contains(family, prefix, address);
  return family === "ip" && contains(family, prefix, "0.0.0.0");
}

function meetsMark({ mark }: PolicyRule, of: number | null): boolean | null {
  if (mark === null) return true;
  return of === null ? null : ((mark.value ^ of) & mark.mask) === 0;
}

function meetsProtocol(wanted: string | null, protocol: string | null): boolean | null {
  if (wanted === null) return true;
  return protocol === null ? null : numberOf(wanted) === numberOf(protocol);
}

function numberOf(protocol: string): number | string {
  return protocolNumber(protocol) ?? protocol;
}

function meetsPorts(range: PortRange | null, port: number | null): boolean | null {
  if (range === null) return true;
  return port === null ? null : port >= range.from && port <= range.to;
}

/**
 * Of a VRF's interfaces, a rule that names the VRF is met since Linux 6.15 alone, and before by what comes in by its own
 * device: null where that decides.
 */
function meetsInterface(
  host: HostSnapshot,
  wanted: string,
  dev: string | null,
  { vrf, isByOut }: Flow,
  isOut: boolean,
): boolean | null {
  if (wanted === dev || !isVrf(host, wanted)) return wanted === dev;
  if (isByOut !== isOut) return false;
  return vrf === "not-known" || vrf?.name === wanted ? null : false;
}
