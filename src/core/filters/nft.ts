/**
 * Writes a filter as nft rules, for the chains that mark packets to be traced.
 *
 * Each rule is a row of matches that must all hold; a packet passes the filter if one rule matches. Four things about
 * nft decide how they are written:
 * - A match on a field that a packet does not have ends the rule, negated or not. So each field comes after the matches
 *   that make sure of it, and "not" is worked out before nft sees it.
 * - Kernels read "ports" out of the data of a later IPv4 fragment (`nft_payload_fast_eval` in
 *   `net/netfilter/nf_tables_core.c` does not look; seen on 6.18), so rules on ports say themselves that it is none.
 * - nft before 1.1 makes one comparison of two: `th sport != 22 th dport != 53` becomes "not both" (`stmt_reduce` in
 *   `src/rule.c`; seen with 1.0.6). So a rule has one such match at most, and lists the other values after that.
 * - `meta length` is the packet from its IP header on, in both families, as it is for libpcap on such packets.
 */
import { ok, type Result, refused } from "../base/result.ts";
import { ipv4FromBytes, ipv6FromBytes } from "../packets/address.ts";
import { alternativesOf, knowsWayIn, MAX_ALTERNATIVES, type SelectorHook } from "./alternatives.ts";
import { ARP, type Conjunction, IPV4, IPV6, intersectionOf, type Traffic } from "./conjunction.ts";
import type { Filter, FilterProblem } from "./filter.ts";
import { isInterfaceName } from "./interfaces.ts";
import { complement, hasNumber, type NumberSet, type Range, setOf } from "./number-set.ts";

/** A table's family, for which rules can be written. */
export type NftFamily = "inet" | "ip" | "ip6" | "bridge" | "arp" | "netdev";

function trafficOf(family: NftFamily): Traffic {
  if (family === "arp") return "arp";
  return family === "bridge" || family === "netdev" ? "frames" : "ip";
}

/**
 * The matches of each rule, such as `meta nfproto ipv4 ip saddr 192.0.2.1`; statements can be written behind them. The
 * text is empty where every packet passes. More than one rule may match the same packet. No rule at all: nothing can
 * pass at this hook in this family (`arp`, `outbound` at prerouting).
 *
 * For base chains of type filter at that hook, at any priority. `on IFACE` is the interface a packet comes in by at
 * prerouting, and the one it leaves by at output. Refused: filters of more than 256 rules; lengths outside of the IP
 * families, where padding counts and at egress the link header; `inbound` and `outbound` at egress, where nobody knows.
 */
export function toNftRules(
  filter: Filter | null,
  family: NftFamily,
  hook: SelectorHook,
): Result<readonly string[], FilterProblem> {
  if (filter === null) return ok([""]);
  const traffic = trafficOf(family);
  if (hook === "egress" && mentions(filter, "way")) return refused(WAY_AT_EGRESS);
  if (traffic !== "ip" && mentions(filter, "length")) return refused(LENGTH_OF_FRAME);
  const alternatives = alternativesOf(filter, hook, traffic);
  if (alternatives === null) return refused(TOO_MANY);
  const strange = alternatives.interfaces.find((name) => !isInterfaceName(name));
  if (strange !== undefined) return refused(notAnInterface(strange));
  const rules: string[] = [];
  for (const conjunction of alternatives.conjunctions) {
    const within = inTable(conjunction, family);
    if (within !== null) rules.push(matches(within, family, hook, alternatives.interfaces).join(" "));
  }
  return ok(rules);
}

const TOO_MANY: FilterProblem = {
  message: `the filter would need more than ${MAX_ALTERNATIVES} firewall rules`,
  at: null,
  hint: "use `net` and `portrange` for lists, or mix fewer different conditions by `or` and `not`",
};

const LENGTH_OF_FRAME: FilterProblem = {
  message: "a length cannot be asked of frames: there padding counts, and on the way out the link header too",
  at: null,
  hint: "leave the length out, or trace in the IP families (--family inet)",
};

const WAY_AT_EGRESS: FilterProblem = {
  message: "`inbound` and `outbound` cannot be asked at egress: nothing tells there where a frame was made",
  at: null,
  hint: "leave it out: --egress sees what leaves by that device, and nothing else",
};

function mentions(filter: Filter, kind: "length" | "way"): boolean {
  switch (filter.kind) {
    case "and":
    case "or":
      return mentions(filter.left, kind) || mentions(filter.right, kind);
    case "not":
      return mentions(filter.operand, kind);
    default:
      return filter.kind === kind;
  }
}

function notAnInterface(name: string): FilterProblem {
  return {
    message: `${name} cannot be written as an interface in a rule`,
    at: null,
    hint: "use a name of letters, digits and _ . - @",
  };
}

/** What is left of a conjunction in a table of this family; null where nothing is. */
function inTable(conjunction: Conjunction, family: NftFamily): Conjunction | null {
  if (family === "arp") return intersectionOf(conjunction, { family: setOf([ARP]) });
  if (family !== "ip" && family !== "ip6") return conjunction;
  return intersectionOf(conjunction, { family: setOf([family === "ip" ? IPV4 : IPV6]) });
}

function matches(
  conjunction: Conjunction,
  table: NftFamily,
  hook: SelectorHook,
  interfaces: readonly string[],
): string[] {
  const found: string[] = [];
  const ofIpv6 = conjunction.family !== undefined && hasNumber(conjunction.family, IPV6);
  const ip = ofIpv6 ? "ip6" : "ip";
  const [source, destination] =
    table === "arp" ? ["arp saddr ip", "arp daddr ip"] : [`${ip} saddr`, `${ip} daddr`];
  let mayNegate = true;
  const add = (key: string, set: NumberSet | undefined, max: bigint, write = decimal) => {
    if (set === undefined) return;
    const values = oneOf(set, max, write, mayNegate);
    mayNegate &&= !values.startsWith("!=");
    found.push(`${key} ${values}`);
  };
  if (conjunction.interface !== undefined) {
    found.push(interfaceMatch(knowsWayIn(hook) ? "iifname" : "oifname", conjunction.interface, interfaces));
  }
  if (conjunction.family !== undefined && table === "inet")
    found.push(`meta nfproto ${ofIpv6 ? "ipv6" : "ipv4"}`);
  if (conjunction.family !== undefined && (table === "bridge" || table === "netdev"))
    found.push(frameMatch(conjunction.family));
  add(ofIpv6 ? "ip6 nexthdr" : "ip protocol", conjunction.protocol, 0xffn);
  add("frag nexthdr", conjunction.fragmentProtocol, 0xffn);
  if (conjunction.laterFragment !== undefined) {
    found.push(`ip frag-off & 0x1fff ${hasNumber(conjunction.laterFragment, 0) ? "==" : "!="} 0`);
  }
  add(source, conjunction.source, ofIpv6 ? MAX_IPV6 : MAX_IPV4, ofIpv6 ? ipv6 : ipv4);
  add(destination, conjunction.destination, ofIpv6 ? MAX_IPV6 : MAX_IPV4, ofIpv6 ? ipv6 : ipv4);
  add("th sport", conjunction.sourcePort, 0xffffn);
  add("th dport", conjunction.destinationPort, 0xffffn);
  if (conjunction.tcpFlags !== undefined) found.push(tcpFlagsMatch(conjunction.tcpFlags));
  add(ofIpv6 ? "icmpv6 type" : "icmp type", conjunction.icmpType, 0xffn);
  add(ofIpv6 ? "icmpv6 code" : "icmp code", conjunction.icmpCode, 0xffn);
  add("meta length", conjunction.length, 0xffffffffn);
  return found;
}

const ETHER_TYPES = ["ip", "ip6", "arp"] as const;

/** Frames of other protocols count as one more, as names of interfaces do. */
function frameMatch(set: NumberSet): string {
  const includesOthers = hasNumber(set, ETHER_TYPES.length);
  const listed = ETHER_TYPES.filter((_, index) => hasNumber(set, index) !== includesOthers);
  const names = listed.join(", ");
  return `meta protocol ${includesOthers ? "!= " : ""}${listed.length === 1 ? names : `{ ${names} }`}`;
}

/** `53`, `{ 53, 100-200 }`, `!= 53`: whichever has fewer parts, if it may begin with `!=`. */
function oneOf(set: NumberSet, max: bigint, write: (range: Range) => string, mayNegate: boolean): string {
  const rest = complement(set, max);
  const listed = mayNegate && rest.length < set.length ? rest : set;
  const values = listed.map(write).join(", ");
  return `${listed === rest ? "!= " : ""}${listed.length === 1 ? values : `{ ${values} }`}`;
}

function decimal({ from, to }: Range): string {
  return from === to ? `${from}` : `${from}-${to}`;
}

const MAX_IPV4 = 0xffffffffn;
const MAX_IPV6 = (1n << 128n) - 1n;

function ipv4(range: Range): string {
  return addresses(range, 4, (bytes) => ipv4FromBytes(bytes, 0));
}

function ipv6(range: Range): string {
  return addresses(range, 16, (bytes) => ipv6FromBytes(bytes, 0));
}

/** An address, a network where the range is one, or both ends. */
function addresses({ from, to }: Range, size: number, write: (bytes: Uint8Array) => string): string {
  if (from === to) return write(bytesOf(from, size));
  const hostBits = (to - from + 1n).toString(2).length - 1;
  const isNetwork = to - from + 1n === 1n << BigInt(hostBits) && from % (to - from + 1n) === 0n;
  if (isNetwork) return `${write(bytesOf(from, size))}/${size * 8 - hostBits}`;
  return `${write(bytesOf(from, size))}-${write(bytesOf(to, size))}`;
}

function bytesOf(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * (size - 1 - i))) & 0xffn));
}

/** Names outside the list count as one more: a set that holds it can only be said by what it leaves out. */
function interfaceMatch(key: string, set: NumberSet, interfaces: readonly string[]): string {
  const includesOthers = hasNumber(set, interfaces.length);
  const listed = interfaces.filter((_, index) => hasNumber(set, index) !== includesOthers);
  const names = listed.map((name) => `"${name}"`).join(", ");
  return `${key} ${includesOthers ? "!= " : ""}${listed.length === 1 ? names : `{ ${names} }`}`;
}

/**
 * As `tcp flags & mask == value` where the allowed bytes, or the others, are those that agree in some bits. Any other
 * set is matched as a number, at bit 104 of the TCP header, because nft does not let flags be a range.
 */
function tcpFlagsMatch(set: NumberSet): string {
  const same = agreement(set);
  if (same !== null) return `tcp flags & ${hex(same.mask)} == ${hex(same.value)}`;
  const different = agreement(complement(set, 0xffn));
  if (different !== null) return `tcp flags & ${hex(different.mask)} != ${hex(different.value)}`;
  return `@th,104,8 ${oneOf(set, 0xffn, decimal, false)}`;
}

/** The bits in which all bytes of a set agree, if every byte that agrees in them is in the set; otherwise null. */
function agreement(set: NumberSet): { readonly mask: number; readonly value: number } | null {
  let [and, or, count] = [0xff, 0, 0];
  for (let byte = 0; byte < 256; byte++) {
    if (!hasNumber(set, byte)) continue;
    and &= byte;
    or |= byte;
    count++;
  }
  const varying = or & ~and;
  const freeBits = varying.toString(2).replaceAll("0", "").length;
  return count === 2 ** freeBits ? { mask: 0xff & ~varying, value: and } : null;
}

function hex(byte: number): string {
  return `0x${byte.toString(16)}`;
}
