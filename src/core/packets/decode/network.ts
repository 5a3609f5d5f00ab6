/**
 * Network headers: IPv4 with options and fragments, IPv6 with its chain of extension headers, ARP.
 *
 * `network` and `transport` may be two slices: nft's trace copies them apart, and at most 40 bytes of the first, so that
 * extension headers of IPv6 are missing there although the transport header is not. What cannot be known stays null.
 */
import { ipv6FromBytes } from "../address.ts";
import { type LinkHeader, type Packet, unknownPacket } from "../packet.ts";
import { protocolName } from "../protocols.ts";
import { from, lengthOf, type Slice, u8, u16, u32 } from "./bytes.ts";
import { contentSum, sumOfWords } from "./content-sum.ts";
import { internedIpv4 } from "./intern.ts";
import { decodeTransport, NO_TRANSPORT, type TransportFields } from "./transport.ts";

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const ICMP_QUOTE_DEPTH = 1;

/**
 * Packet of an IPv4 header. `transport` is the transport header where it was copied apart; null when it follows the
 * network header in the same slice. Never throws; cut fields are null.
 */
export function decodeIpv4(
  network: Slice,
  transport: Slice | null,
  link: LinkHeader | null = null,
  depth: number = ICMP_QUOTE_DEPTH,
): Packet {
  const versionAndLength = u8(network, 0);
  if (versionAndLength === null || versionAndLength >> 4 !== 4) return { ...unknownPacket("ip"), link };
  const available = lengthOf(network);
  const fragment = u16(network, 6);
  const fragmentOffset = fragment === null ? null : (fragment & 0x1fff) * 8;
  const protocol = u8(network, 9);
  const length = u16(network, 2);
  const headerLength = Math.max((versionAndLength & 0xf) * 4, IPV4_HEADER);
  const behind = transport ?? from(network, headerLength);
  const fields = transportFields(protocol, fragmentOffset, behind, depth);
  // Every field is written out: copying objects into each other is what decoding would spend its time on.
  return {
    family: "ip",
    src: available >= 16 ? internedIpv4(network.bytes, network.start + 12) : null,
    dst: available >= IPV4_HEADER ? internedIpv4(network.bytes, network.start + 16) : null,
    protocol: protocol === null ? null : protocolName(protocol),
    sport: fields.sport,
    dport: fields.dport,
    // BIG TCP writes 0 for a packet that is longer than the field can say (`iph_set_totlen`).
    length: length === 0 ? null : length,
    ipId: u16(network, 4),
    ttl: u8(network, 8),
    tos: u8(network, 1),
    dontFragment: fragment === null ? null : (fragment & 0x4000) !== 0,
    moreFragments: fragment === null ? null : (fragment & 0x2000) !== 0,
    fragmentOffset,
    tcp: fields.tcp,
    icmp: fields.icmp,
    udpLength: fields.udpLength,
    contentSum:
      protocol === null || available < IPV4_HEADER || fragment === null || (fragment & 0x3fff) !== 0
        ? null
        : contentSum(
            protocol,
            behind,
            sumOfWords(network.bytes, network.start + 12, network.start + 20),
            length === null ? null : length - headerLength,
          ),
    link,
    quoted: fields.quoted,
  };
}

/** Packet of an IPv6 header; see `decodeIpv4` for the slices. */
export function decodeIpv6(
  network: Slice,
  transport: Slice | null,
  link: LinkHeader | null = null,
  depth: number = ICMP_QUOTE_DEPTH,
): Packet {
  const versionAndClass = u16(network, 0);
  if (versionAndClass === null || versionAndClass >> 12 !== 6) return { ...unknownPacket("ip6"), link };
  const available = lengthOf(network);
  const nextHeader = u8(network, 6);
  const payload = u16(network, 4);
  const { protocol, rest, fragmentOffset, moreFragments, identification } = walkExtensions(
    nextHeader,
    from(network, IPV6_HEADER),
  );
  const fields = transportFields(protocol, fragmentOffset, transport ?? rest, depth);
  return {
    family: "ip6",
    src: available >= 24 ? ipv6FromBytes(network.bytes, network.start + 8) : null,
    dst: available >= IPV6_HEADER ? ipv6FromBytes(network.bytes, network.start + 24) : null,
    protocol: protocol === null ? null : protocolName(protocol),
    sport: fields.sport,
    dport: fields.dport,
    // 0 is a jumbogram (BIG TCP makes them), or a packet of nothing but its header.
    length:
      payload === null || (payload === 0 && nextHeader !== NO_NEXT_HEADER) ? null : payload + IPV6_HEADER,
    ipId: identification,
    ttl: u8(network, 7),
    tos: (versionAndClass >> 4) & 0xff,
    dontFragment: null,
    moreFragments,
    fragmentOffset,
    tcp: fields.tcp,
    icmp: fields.icmp,
    udpLength: fields.udpLength,
    // Extension headers may hold the address that counts, and make the length another.
    contentSum:
      protocol === null || protocol !== nextHeader || available < IPV6_HEADER || fragmentOffset !== 0
        ? null
        : contentSum(
            protocol,
            transport ?? rest,
            sumOfWords(network.bytes, network.start + 8, network.start + 40),
            payload,
          ),
    link,
    quoted: fields.quoted,
  };
}

/** Packet of an ARP message for IPv4 over Ethernet: sender and target as source and destination. */
export function decodeArp(slice: Slice, link: LinkHeader | null = null): Packet {
  const isIpv4OverEthernet = u16(slice, 2) === 0x0800 && u8(slice, 4) === 6 && u8(slice, 5) === 4;
  if (!isIpv4OverEthernet) return { ...unknownPacket("arp"), link };
  return {
    ...unknownPacket("arp"),
    src: lengthOf(slice) >= 18 ? internedIpv4(slice.bytes, slice.start + 14) : null,
    dst: lengthOf(slice) >= 28 ? internedIpv4(slice.bytes, slice.start + 24) : null,
    link,
  };
}

function transportFields(
  protocol: number | null,
  fragmentOffset: number | null,
  slice: Slice,
  depth: number,
): TransportFields {
  const isLaterFragment = fragmentOffset !== null && fragmentOffset > 0;
  if (protocol === null || isLaterFragment) return NO_TRANSPORT;
  return decodeTransport(protocol, slice, (quoted) => decodeQuoted(quoted, depth));
}

function decodeQuoted(slice: Slice, depth: number): Packet | null {
  if (depth === 0) return null;
  const version = u8(slice, 0);
  if (version === null) return null;
  if (version >> 4 === 4) return decodeIpv4(slice, null, null, depth - 1);
  if (version >> 4 === 6) return decodeIpv6(slice, null, null, depth - 1);
  return null;
}

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AH = 51;
const NO_NEXT_HEADER = 59;
const DESTINATION_OPTIONS = 60;
const MOBILITY = 135;
const HIP = 139;
const SHIM6 = 140;

interface ExtensionWalk {
  /** Null where the chain is cut before the transport protocol is named. */
  readonly protocol: number | null;
  readonly rest: Slice;
  /** Null where the chain is cut, so nobody knows whether a fragment header follows. */
  readonly fragmentOffset: number | null;
  readonly moreFragments: boolean | null;
  /** Of a fragment; null where there is none, or it is not shown. */
  readonly identification: number | null;
}

/** RFC 8200, 4: each header names the next one. AH counts its length otherwise than all others. */
function walkExtensions(firstHeader: number | null, behind: Slice): ExtensionWalk {
  let header = firstHeader;
  let rest = behind;
  let fragmentOffset = 0;
  let moreFragments = false;
  let identification: number | null = null;
  while (header !== null && isExtension(header)) {
    const next = u8(rest, 0);
    const lengthField = u8(rest, 1);
    // Which part of the packet it is, is not shown; that there is more than this part, is.
    const isPart = header === FRAGMENT ? true : null;
    if (next === null || lengthField === null) {
      return { protocol: null, rest, fragmentOffset: null, moreFragments: isPart, identification };
    }
    if (header === FRAGMENT) {
      const field = u16(rest, 2);
      if (field === null)
        return { protocol: null, rest, fragmentOffset: null, moreFragments: isPart, identification };
      fragmentOffset = field & 0xfff8;
      moreFragments = (field & 1) !== 0;
      identification = u32(rest, 4);
    }
    rest = from(rest, extensionLength(header, lengthField));
    header = next;
    if (fragmentOffset > 0) break;
  }
  if (header === null)
    return { protocol: null, rest, fragmentOffset: null, moreFragments: null, identification };
  return { protocol: header, rest, fragmentOffset, moreFragments, identification };
}

function isExtension(header: number): boolean {
  switch (header) {
    case HOP_BY_HOP:
    case ROUTING:
    case FRAGMENT:
    case AH:
    case DESTINATION_OPTIONS:
    case MOBILITY:
    case HIP:
    case SHIM6:
      return true;
    default:
      return false;
  }
}

function extensionLength(header: number, field: number): number {
  if (header === FRAGMENT) return 8;
  return header === AH ? (field + 2) * 4 : (field + 1) * 8;
}
