/**
 * Says whether a packet that was seen passes a filter, as far as the sighting tells.
 *
 * Logs are cut and redacted, so there is a third answer: null, "the sighting does not say". `and`, `or` and `not` follow
 * Kleene's logic: `udp and host 192.0.2.1` is false for a TCP packet whose addresses are blacked out, not unknown.
 *
 * A sighting does not keep IPv6 extension headers. Its protocol is taken for the packet's first header, as it is
 * without them, and a question about an extension header itself (`ah`, `ip6 proto 44`) mostly stays unanswered.
 *
 * A source that reports ports and says nothing about fragments is taken at its word: few mention what is not there.
 */
import { assertNever } from "../base/result.ts";
import type { Sighting } from "../events/event.ts";
import { canonicalIpv6, parseIpv4, parseIpv6 } from "../packets/address.ts";
import type { Packet } from "../packets/packet.ts";
import { protocolNumber } from "../packets/protocols.ts";
import { type Comparison, type Filter, PORT_PROTOCOLS, type Primitive } from "./filter.ts";
import { type Answer, both, either, equal, sides, signed } from "./kleene.ts";

/**
 * Whether a sighting passes a filter; a null filter passes everything.
 *
 * Of a packet's sightings the first is the one to ask: later ones may show it after NAT, and the interface it came in
 * by is not named at every hook. For many sightings, keep the function that `filterPredicate` makes.
 */
export function matchesFilter(filter: Filter | null, sighting: Sighting): Answer {
  return filterPredicate(filter)(sighting);
}

/** `matchesFilter` for one filter and many sightings: addresses are parsed once. */
export function filterPredicate(filter: Filter | null): (sighting: Sighting) => Answer {
  if (filter === null) return () => true;
  switch (filter.kind) {
    case "and": {
      const [left, right] = [filterPredicate(filter.left), filterPredicate(filter.right)];
      return (sighting) => {
        const first = left(sighting);
        return first === false ? false : both(first, right(sighting));
      };
    }
    case "or": {
      const [left, right] = [filterPredicate(filter.left), filterPredicate(filter.right)];
      return (sighting) => {
        const first = left(sighting);
        return first === true ? true : either(first, right(sighting));
      };
    }
    case "not": {
      const operand = filterPredicate(filter.operand);
      return (sighting) => {
        const answer = operand(sighting);
        return answer === null ? null : !answer;
      };
    }
    default:
      return primitivePredicate(filter);
  }
}

function primitivePredicate(primitive: Primitive): (sighting: Sighting) => Answer {
  switch (primitive.kind) {
    case "family":
      return ({ packet }) => equal(networkOf(packet), primitive.family);
    case "protocol":
      return ({ packet }) => hasProtocol(packet, primitive.number, primitive.family);
    case "address": {
      const { direction, family } = primitive;
      const inNet = membership(family, primitive.address, primitive.prefix);
      return ({ packet }) => {
        const network = networkOf(packet);
        if (network !== null && network !== family) return false;
        return sides(direction, inNet(packet.src), inNet(packet.dst));
      };
    }
    case "port": {
      const { direction, from, to } = primitive;
      const protocols: readonly number[] =
        primitive.protocol === null ? PORT_PROTOCOLS : [primitive.protocol];
      const inRange = (port: number | null) => (port === null ? null : port >= from && port <= to);
      return ({ packet }) => {
        const carried = startsTransport(packet, protocols, null);
        return carried === false
          ? false
          : both(carried, sides(direction, inRange(packet.sport), inRange(packet.dport)));
      };
    }
    case "length":
      return ({ packet }) =>
        packet.length === null ? null : compare(packet.length, primitive.operator, primitive.bytes);
    case "tcp-flags":
      return ({ packet }) => {
        const flags = packet.tcp?.flags ?? null;
        const set = flags === null ? null : (flags & primitive.mask) === primitive.value;
        return both(startsTransport(packet, [6], "ip"), signed(set, primitive.operator));
      };
    case "icmp-type":
      return ({ packet }) => icmpField(packet, primitive, packet.icmp?.type ?? null, primitive.type);
    case "icmp-code":
      return ({ packet }) => icmpField(packet, primitive, packet.icmp?.code ?? null, primitive.code);
    case "interface":
      return (sighting) => {
        if (sighting.in === null && sighting.out === null) return null;
        return sighting.in === primitive.name || sighting.out === primitive.name;
      };
    case "way":
      return (sighting) => {
        if (sighting.in === null && sighting.out === null) return null;
        return (sighting.in !== null) === (primitive.way === "inbound");
      };
    default:
      return assertNever(primitive);
  }
}

type Network = "ip" | "ip6" | "arp" | "other";

const NETWORK_OF_ETHERTYPE: ReadonlyMap<number, Network> = new Map([
  [0x0800, "ip"],
  [0x86dd, "ip6"],
  [0x0806, "arp"],
]);
const VLAN_ETHERTYPES: readonly number[] = [0x8100, 0x88a8];

/** What the packet is, which its family does not say on a bridge or a device; null where nothing does. */
function networkOf(packet: Packet): Network | null {
  const { family } = packet;
  if (family === "ip" || family === "ip6" || family === "arp") return family;
  const etherType = packet.link?.etherType ?? null;
  if (etherType === null || VLAN_ETHERTYPES.includes(etherType)) return null;
  return NETWORK_OF_ETHERTYPE.get(etherType) ?? "other";
}

/** Hop-by-hop, routing, fragment, authentication, destination options: what stands before a protocol in IPv6. */
const EXTENSION_HEADERS: readonly number[] = [0, 43, 44, 51, 60];
const FRAGMENT_HEADER = 44;

function hasProtocol(packet: Packet, number: number, family: "ip" | "ip6" | null): Answer {
  const network = networkOf(packet);
  if (network === "arp" || network === "other") return false;
  if (family !== null && network !== null && network !== family) return false;
  const seen = packet.protocol === null ? null : protocolNumber(packet.protocol);
  if (seen === null) return null;
  if (seen === number) return family !== null && network === null ? null : true;
  if (network === "ip") return false;
  return EXTENSION_HEADERS.includes(number) || seen === FRAGMENT_HEADER ? null : false;
}

/** Whether the packet has the header of one of these protocols where libpcap looks for it, and not only a later part. */
function startsTransport(packet: Packet, protocols: readonly number[], family: "ip" | "ip6" | null): Answer {
  const network = networkOf(packet);
  if (network === "arp" || network === "other") return false;
  if (family !== null && network !== null && network !== family) return false;
  if (packet.fragmentOffset !== null && packet.fragmentOffset > 0) return false;
  if (network === "ip6" && packet.moreFragments === true) return false;
  const seen = packet.protocol === null ? null : protocolNumber(packet.protocol);
  if (seen === null) return null;
  if (!protocols.includes(seen)) return false;
  return family !== null && network === null ? null : true;
}

function icmpField(
  packet: Packet,
  primitive: { readonly family: "ip" | "ip6"; readonly operator: "=" | "!=" },
  seen: number | null,
  wanted: number,
): Answer {
  const carried = startsTransport(packet, [primitive.family === "ip" ? 1 : 58], primitive.family);
  return carried === false ? false : both(carried, signed(equal(seen, wanted), primitive.operator));
}

/** A test whether an address as text lies in a network; null for a text that is no whole address, or none. */
function membership(family: "ip" | "ip6", network: string, prefix: number): (text: string | null) => Answer {
  const wanted = family === "ip" ? wordsOfIpv4(network) : parseIpv6(network);
  const canonical = family === "ip" ? network : canonicalIpv6(network);
  if (wanted === null) throw new Error(`not an address: ${network}`);
  return (text) => {
    if (text === null) return null;
    if (text === canonical) return true;
    const seen = family === "ip" ? wordsOfIpv4(text) : parseIpv6(text);
    if (seen !== null) return samePrefix(seen, wanted, prefix);
    const isOther = family === "ip" ? parseIpv6(text) !== null : parseIpv4(text) !== null;
    return isOther ? false : null;
  };
}

function wordsOfIpv4(text: string): number[] | null {
  const value = parseIpv4(text);
  return value === null ? null : [value >>> 16, value & 0xffff];
}

function samePrefix(left: readonly number[], right: readonly number[], prefix: number): boolean {
  for (let i = 0, bits = prefix; bits > 0; i++, bits -= 16) {
    const shift = bits >= 16 ? 0 : 16 - bits;
    if ((left[i] ?? 0) >> shift !== (right[i] ?? 0) >> shift) return false;
  }
  return true;
}

function compare(value: number, operator: Comparison, limit: number): boolean {
  switch (operator) {
    case "<":
      return value < limit;
    case "<=":
      return value <= limit;
    case "=":
      return value === limit;
    case "!=":
      return value !== limit;
    case ">=":
      return value >= limit;
    case ">":
      return value > limit;
  }
}
