/**
 * Turns a filter into alternatives, each of which one rule can say: disjunctive normal form over header fields.
 *
 * What each word means is what libpcap 1.10 compiles it to (see `filter.ts`). A packet here is one that the hook sees: at an
 * IP hook IPv4 or IPv6 and never ARP, on a bridge or a device any frame, at ARP's own hooks ARP alone.
 */
import { assertNever } from "../base/result.ts";
import { parseIpv4, parseIpv6 } from "../packets/address.ts";
import {
  ARP,
  type Conjunction,
  complementOf,
  eitherOf,
  type Field,
  IPV4,
  IPV6,
  intersectionOf,
  normalized,
  type Traffic,
} from "./conjunction.ts";
import { type Comparison, type Direction, type Filter, PORT_PROTOCOLS, type Primitive } from "./filter.ts";
import { complement, type NumberSet, rangeOf, setOf } from "./number-set.ts";

/** The hooks at which a packet can be selected: where it comes in (`input` for ARP), where it is made, where it leaves. */
export type SelectorHook = "prerouting" | "output" | "input" | "ingress" | "egress";

/** Whether a rule at this hook knows the interface that a packet comes in by; otherwise it knows the one it leaves by. */
export function knowsWayIn(hook: SelectorHook): boolean {
  return hook === "prerouting" || hook === "input" || hook === "ingress";
}

/** Where a filter is asked, and of what. */
export interface Where {
  readonly hook: SelectorHook;
  readonly traffic: Traffic;
}

/** A filter as alternatives: a packet passes if one of them lets it pass. None: nothing passes. */
export interface Alternatives {
  readonly conjunctions: readonly Conjunction[];
  /** Names for the numbers in the field `interface`. */
  readonly interfaces: readonly string[];
}

/** More than this at any time while compiling is given up, whatever would come out in the end. */
export const MAX_ALTERNATIVES = 256;

/** The alternatives of a filter at a hook; null if there are too many. */
export function alternativesOf(
  filter: Filter,
  hook: SelectorHook,
  traffic: Traffic = "ip",
): Alternatives | null {
  const interfaces: string[] = [];
  const conjunctions = compile(filter, { hook, traffic }, interfaces);
  return conjunctions === null ? null : { conjunctions, interfaces };
}

type Compiled = readonly Conjunction[] | null;

const EVERYTHING: readonly Conjunction[] = [{}];
const NOTHING: readonly Conjunction[] = [];

function compile(filter: Filter, where: Where, interfaces: string[]): Compiled {
  switch (filter.kind) {
    case "and":
    case "or": {
      const left = compile(filter.left, where, interfaces);
      const right = left === null ? null : compile(filter.right, where, interfaces);
      if (left === null || right === null) return null;
      return filter.kind === "and"
        ? both(left, right, where.traffic)
        : eitherOf(left, right, MAX_ALTERNATIVES, where.traffic);
    }
    case "not": {
      const operand = compile(filter.operand, where, interfaces);
      return operand === null ? null : opposite(operand, where.traffic);
    }
    default:
      return eitherOf([], primitive(filter, where, interfaces), MAX_ALTERNATIVES, where.traffic);
  }
}

function both(left: readonly Conjunction[], right: readonly Conjunction[], traffic: Traffic): Compiled {
  return eitherOf([], products(left, right), MAX_ALTERNATIVES, traffic);
}

function* products(left: readonly Conjunction[], right: readonly Conjunction[]): Iterable<Conjunction> {
  for (const a of left) {
    for (const b of right) {
      const product = intersectionOf(a, b);
      if (product !== null) yield product;
    }
  }
}

function opposite(conjunctions: readonly Conjunction[], traffic: Traffic): Compiled {
  let rest: Compiled = EVERYTHING;
  for (const conjunction of conjunctions) {
    rest = both(rest, complementOf(conjunction, traffic), traffic);
    if (rest === null) return null;
  }
  return rest;
}

function primitive(filter: Primitive, where: Where, interfaces: string[]): readonly Conjunction[] {
  const { hook, traffic } = where;
  const present = (conjunction: Conjunction) => presentIn(conjunction, traffic);
  switch (filter.kind) {
    case "family":
      if (filter.family === "arp") return traffic === "ip" ? NOTHING : [{ family: setOf([ARP]) }];
      return [inFamily(filter.family, {})];
    case "protocol":
      return families(filter.family).flatMap((family) => withProtocol(family, filter.number));
    case "address": {
      const set = network(filter.family, filter.address, filter.prefix);
      // Where there is nothing but ARP, an address is one that ARP speaks of, as it is for tcpdump on Ethernet.
      const family = traffic === "arp" && filter.family === "ip" ? ARP : undefined;
      const inside = family === undefined ? inFamily(filter.family, {}) : { family: setOf([family]) };
      return inDirection(filter.direction, "source", "destination", set, inside, traffic);
    }
    case "port": {
      const protocols = filter.protocol === null ? PORT_PROTOCOLS : [filter.protocol];
      const ports = rangeOf(filter.from, filter.to);
      return families(null).flatMap((family) =>
        inDirection(
          filter.direction,
          "sourcePort",
          "destinationPort",
          ports,
          withTransport(family, protocols),
          traffic,
        ),
      );
    }
    case "length":
      return present({ length: compared(filter.operator, filter.bytes) });
    case "tcp-flags":
      return present({
        ...withTransport("ip", [6]),
        tcpFlags: signed(filter.operator, maskedBytes(filter.mask, filter.value)),
      });
    case "icmp-type":
      return present({
        ...withIcmp(filter.family),
        icmpType: signed(filter.operator, setOf([filter.type])),
      });
    case "icmp-code":
      return present({
        ...withIcmp(filter.family),
        icmpCode: signed(filter.operator, setOf([filter.code])),
      });
    case "interface":
      return [{ interface: setOf([indexOf(filter.name, interfaces)]) }];
    case "way":
      return (filter.way === "inbound") === knowsWayIn(hook) ? EVERYTHING : NOTHING;
    default:
      return assertNever(filter);
  }
}

type AddressFamily = "ip" | "ip6";

function families(family: AddressFamily | null): readonly AddressFamily[] {
  return family === null ? ["ip", "ip6"] : [family];
}

function inFamily(family: AddressFamily, fields: Conjunction): Conjunction {
  return { family: setOf([family === "ip" ? IPV4 : IPV6]), ...fields };
}

const FRAGMENT_HEADER = 44;

/** IPv6: the first next header, or the fragment header's if that comes first (`gen_proto`). */
function withProtocol(family: AddressFamily, number: number): readonly Conjunction[] {
  const protocol = setOf([number]);
  if (family === "ip") return [inFamily("ip", { protocol })];
  return [
    inFamily("ip6", { protocol }),
    inFamily("ip6", { protocol: setOf([FRAGMENT_HEADER]), fragmentProtocol: protocol }),
  ];
}

/** Packets in which a transport header of these protocols is, where libpcap looks for it (`gen_portop6`, `gen_load`). */
function withTransport(family: AddressFamily, protocols: readonly number[]): Conjunction {
  const protocol = setOf(protocols);
  return family === "ip"
    ? inFamily("ip", { protocol, laterFragment: setOf([0]) })
    : inFamily("ip6", { protocol });
}

function withIcmp(family: AddressFamily): Conjunction {
  return withTransport(family, [family === "ip" ? 1 : 58]);
}

function inDirection(
  direction: Direction,
  source: Field,
  destination: Field,
  set: NumberSet,
  where: Conjunction,
  traffic: Traffic,
): readonly Conjunction[] {
  const present = (conjunction: Conjunction) => presentIn(conjunction, traffic);
  const [from, to] = [
    { ...where, [source]: set },
    { ...where, [destination]: set },
  ];
  switch (direction) {
    case "src":
      return present(from);
    case "dst":
      return present(to);
    case "either":
      return [...present(from), ...present(to)];
    case "both":
      return present({ ...from, ...to });
  }
}

function presentIn(conjunction: Conjunction, traffic: Traffic): readonly Conjunction[] {
  const result = normalized(conjunction, traffic);
  return result === null ? NOTHING : [result];
}

function network(family: AddressFamily, address: string, prefix: number): NumberSet {
  const groups = family === "ip" ? groupsOfIpv4(address) : parseIpv6(address);
  if (groups === null) throw new Error(`not an address: ${address}`);
  const value = groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
  const hostBits = BigInt(groups.length * 16 - prefix);
  const from = (value >> hostBits) << hostBits;
  return rangeOf(from, from + (1n << hostBits) - 1n);
}

function groupsOfIpv4(address: string): number[] | null {
  const value = parseIpv4(address);
  return value === null ? null : [value >>> 16, value & 0xffff];
}

const MAX_LENGTH = 0xffffffff;

function compared(operator: Comparison, bytes: number): NumberSet {
  switch (operator) {
    case "<":
      return bytes === 0 ? [] : rangeOf(0, bytes - 1);
    case "<=":
      return rangeOf(0, bytes);
    case "=":
      return rangeOf(bytes, bytes);
    case "!=":
      return complement(rangeOf(bytes, bytes), BigInt(MAX_LENGTH));
    case ">=":
      return rangeOf(bytes, MAX_LENGTH);
    case ">":
      return bytes >= MAX_LENGTH ? [] : rangeOf(bytes + 1, MAX_LENGTH);
  }
}

function signed(operator: "=" | "!=", set: NumberSet): NumberSet {
  return operator === "=" ? set : complement(set, 0xffn);
}

function maskedBytes(mask: number, value: number): NumberSet {
  return setOf(BYTES.filter((byte) => (byte & mask) === value));
}

const BYTES: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte);

function indexOf(name: string, interfaces: string[]): number {
  const known = interfaces.indexOf(name);
  return known === -1 ? interfaces.push(name) - 1 : known;
}
