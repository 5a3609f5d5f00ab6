/**
 * Writes a filter as plain iptables matches, for hosts where nothing better is: no nft, and no tcpdump to make
 * bytecode for `-m bpf`.
 *
 * Each row is the matches of one rule; a packet passes the filter if one row matches. What iptables calls a match is
 * not always what libpcap means by the same word:
 * - `ip6tables -p` follows extension headers to the last one (`ipv6_find_hdr` in `ip6_packet_match`), libpcap looks at the
 *   first header only. `-m ipv6header` with an exact list brings the two together (`net/ipv6/netfilter/ip6t_ipv6header.c`).
 * - The port matches of tcp, udp and sctp refuse later fragments by themselves; `! -f` says it where no port does.
 * - `-p 0` matches every protocol.
 * A filter that these words cannot say exactly is refused: it is never widened and never narrowed.
 */
import { ok, type Result, refused } from "../base/result.ts";
import { ipv4FromBytes, ipv6FromBytes } from "../packets/address.ts";
import { alternativesOf, MAX_ALTERNATIVES, type SelectorHook } from "./alternatives.ts";
import { type Conjunction, type Field, IPV4, IPV6, intersectionOf } from "./conjunction.ts";
import { type Filter, type FilterProblem, PORT_PROTOCOLS } from "./filter.ts";
import { isInterfaceName } from "./interfaces.ts";
import { complement, hasNumber, type NumberSet, type Range, setOf } from "./number-set.ts";

/** Words of one rule's matches, each an argument of its own: `-s`, `192.0.2.0/24`, `-p`, `17`. */
export type IptablesMatch = readonly string[];

/**
 * The matches of each rule for `iptables` (ip) or `ip6tables` (ip6) in a chain of that hook; an empty row matches every
 * packet. No row at all: nothing can pass at this hook in this family. More than one row may match the same packet.
 *
 * Refused: lengths, TCP flags, ICMP types and codes, what IPv6 extension headers make ambiguous, and filters of more than
 * 256 rules.
 */
export function toIptablesMatches(
  filter: Filter | null,
  family: "ip" | "ip6",
  hook: SelectorHook,
): Result<readonly IptablesMatch[], FilterProblem> {
  if (filter === null) return ok([[]]);
  const alternatives = alternativesOf(filter, hook);
  if (alternatives === null) return refused(TOO_MANY);
  const strange = alternatives.interfaces.find((name) => !isInterfaceName(name));
  if (strange !== undefined) return refused(cannotSay(`the interface name ${strange}`));
  const rows: IptablesMatch[] = [];
  for (const conjunction of alternatives.conjunctions) {
    const within = intersectionOf(conjunction, { family: setOf([family === "ip" ? IPV4 : IPV6]) });
    if (within === null) continue;
    const found = rowsOf(within, family, hook, alternatives.interfaces);
    if (!found.ok) return found;
    rows.push(...found.value);
    if (rows.length > MAX_ALTERNATIVES) return refused(TOO_MANY);
  }
  return ok(rows);
}

const TOO_MANY: FilterProblem = {
  message: `the filter would need more than ${MAX_ALTERNATIVES} iptables rules`,
  at: null,
  hint: "mix fewer conditions by `or` and `not`, or install tcpdump or nft where the rules are to be",
};

function cannotSay(what: string): FilterProblem {
  return {
    message: `plain iptables matches cannot say ${what}`,
    at: null,
    hint: "install tcpdump (its bytecode can) or nft where the rules are to be, or leave that part out",
  };
}

/** One field as the choices that iptables has for it: one of them must hold. */
type Choices = readonly IptablesMatch[];

/** Fields of headers for which plain iptables has other words than equality, or none. */
const UNSAID: readonly (readonly [Field, string])[] = [
  ["length", "a packet's length"],
  ["tcpFlags", "TCP flags as libpcap compares them"],
  ["icmpType", "ICMP types as libpcap compares them"],
  ["icmpCode", "ICMP codes as libpcap compares them"],
];

function rowsOf(
  conjunction: Conjunction,
  family: "ip" | "ip6",
  hook: SelectorHook,
  interfaces: readonly string[],
): Result<readonly IptablesMatch[], FilterProblem> {
  for (const [field, words] of UNSAID) {
    if (conjunction[field] !== undefined) return refused(cannotSay(words));
  }
  const parts: Choices[] = [];
  if (conjunction.interface !== undefined) {
    const choices = interfaceChoices(conjunction.interface, hook === "prerouting" ? "-i" : "-o", interfaces);
    if (choices === null) return refused(cannotSay("`not` of several interfaces"));
    parts.push(choices);
  }
  if (conjunction.source !== undefined) parts.push(addressChoices("-s", conjunction.source, family));
  if (conjunction.destination !== undefined)
    parts.push(addressChoices("-d", conjunction.destination, family));
  const protocols = family === "ip" ? ipv4Protocols(conjunction) : ipv6Protocols(conjunction);
  if (!protocols.ok) return protocols;
  parts.push(protocols.value);
  const ports = portChoices(conjunction);
  if (ports !== null) parts.push(...ports);
  return product(parts);
}

/** Every way to take one choice of each part. */
function product(parts: readonly Choices[]): Result<readonly IptablesMatch[], FilterProblem> {
  let rows: IptablesMatch[] = [[]];
  for (const choices of parts) {
    if (rows.length * choices.length > MAX_ALTERNATIVES) return refused(TOO_MANY);
    rows = rows.flatMap((row) => choices.map((choice) => [...row, ...choice]));
  }
  return ok(rows);
}

/** Names outside the list count as one more: see `Conjunction`. Null: several names would have to be left out at once. */
function interfaceChoices(set: NumberSet, option: string, interfaces: readonly string[]): Choices | null {
  const includesOthers = hasNumber(set, interfaces.length);
  const listed = interfaces.filter((_, index) => hasNumber(set, index) !== includesOthers);
  if (!includesOthers) return listed.map((name) => [option, name]);
  return listed.length === 1 ? listed.map((name) => ["!", option, name]) : null;
}

const MAX_ADDRESS = { ip: 0xffffffffn, ip6: (1n << 128n) - 1n } as const;

function addressChoices(option: "-s" | "-d", set: NumberSet, family: "ip" | "ip6"): Choices {
  const networks = set.flatMap((range) => networksOf(range, family));
  const others = complement(set, MAX_ADDRESS[family]).flatMap((range) => networksOf(range, family));
  const [other] = others;
  if (others.length === 1 && other !== undefined && networks.length > 1) return [["!", option, other]];
  return networks.map((network) => [option, network]);
}

/** The fewest networks that make up a range of addresses. */
function networksOf({ from, to }: Range, family: "ip" | "ip6"): string[] {
  const size = family === "ip" ? 4 : 16;
  const networks: string[] = [];
  for (let at = from; at <= to; ) {
    let hostBits = 0n;
    while (hostBits < BigInt(size * 8) && isAligned(at, hostBits + 1n) && at + (2n << hostBits) - 1n <= to)
      hostBits++;
    networks.push(`${addressOf(at, size)}/${size * 8 - Number(hostBits)}`);
    at += 1n << hostBits;
  }
  return networks;
}

function isAligned(value: bigint, bits: bigint): boolean {
  return value % (1n << bits) === 0n;
}

function addressOf(value: bigint, size: number): string {
  const bytes = Uint8Array.from({ length: size }, (_, i) =>
    Number((value >> BigInt(8 * (size - 1 - i))) & 0xffn),
  );
  return size === 4 ? ipv4FromBytes(bytes, 0) : ipv6FromBytes(bytes, 0);
}

function ipv4Protocols(conjunction: Conjunction): Result<Choices, FilterProblem> {
  const fragment = fragmentWords(conjunction);
  if (conjunction.protocol === undefined) return ok([fragment]);
  const others = [...numbersIn(complement(conjunction.protocol, 0xffn))];
  const [other] = others;
  if (others.length === 1 && other !== undefined && other !== 0)
    return ok([["!", "-p", `${other}`, ...fragment]]);
  const numbers = [...numbersIn(conjunction.protocol)];
  if (numbers.includes(0)) return refused(cannotSay("protocol 0, which iptables takes for every protocol"));
  return ok(numbers.map((number) => ["-p", `${number}`, ...fragment]));
}

function fragmentWords({ laterFragment }: Conjunction): IptablesMatch {
  if (laterFragment === undefined) return [];
  return hasNumber(laterFragment, 0) ? ["!", "-f"] : ["-f"];
}

/** Headers that ip6tables passes over, or that end its search: as a protocol they cannot be asked for. */
const EXTENSION_HEADERS: readonly number[] = [0, 43, 44, 50, 51, 59, 60];

const FRAGMENT_HEADER = 44;

function ipv6Protocols({ protocol, fragmentProtocol }: Conjunction): Result<Choices, FilterProblem> {
  if (protocol === undefined) return ok([[]]);
  const isFragmentOnly = fragmentProtocol !== undefined && isOnly(protocol, FRAGMENT_HEADER);
  const numbers = [...numbersIn(isFragmentOnly ? fragmentProtocol : protocol)];
  if (numbers.some((number) => EXTENSION_HEADERS.includes(number))) {
    return refused(cannotSay("IPv6 extension headers, or `not` of a protocol over IPv6"));
  }
  const headers = isFragmentOnly ? "frag,prot" : "prot";
  return ok(numbers.map((number) => ["-m", "ipv6header", "--header", headers, "-p", `${number}`]));
}

function isOnly(set: NumberSet, number: number): boolean {
  return set.length === 1 && set[0]?.from === BigInt(number) && set[0]?.to === BigInt(number);
}

function* numbersIn(set: NumberSet): Iterable<number> {
  for (const { from, to } of set) for (let number = from; number <= to; number++) yield Number(number);
}

/** Null where no port is asked for. A conjunction with ports has protocols with ports and no later fragments. */
function portChoices({ protocol, sourcePort, destinationPort }: Conjunction): Choices[] | null {
  if (sourcePort === undefined && destinationPort === undefined) return null;
  const withPorts = protocol !== undefined && [...numbersIn(protocol)].every(hasPorts);
  if (!withPorts) throw new Error("ports without a protocol that has them");
  const choices: Choices[] = [];
  if (sourcePort !== undefined) choices.push(portRanges("--sport", sourcePort));
  if (destinationPort !== undefined) choices.push(portRanges("--dport", destinationPort));
  return choices;
}

function hasPorts(protocol: number): boolean {
  return PORT_PROTOCOLS.some((known) => known === protocol);
}

function portRanges(option: "--sport" | "--dport", set: NumberSet): Choices {
  const others = complement(set, 0xffffn);
  const [other] = others;
  if (others.length === 1 && other !== undefined && set.length > 1) return [["!", option, ports(other)]];
  return set.map((range) => [option, ports(range)]);
}

function ports({ from, to }: Range): string {
  return from === to ? `${from}` : `${from}:${to}`;
}
