/**
 * Whether the checksums of a captured packet are right (RFC 1071).
 *
 * A packet that this machine made may still be without: the network card is to finish it, and until then the field holds
 * the sum of the pseudo-header (`CHECKSUM_PARTIAL`). Over a veth cable it even arrives so, and nobody minds.
 */
import { from, lengthOf, type Slice, u8, u16 } from "./decode/bytes.ts";

/** See `ChecksumState` of core/events. */
export type ChecksumVerdict = "right" | "wrong" | "unfinished" | "not-known";

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
/** Offset of the field in the transport header. */
const FIELD: Readonly<Record<number, number>> = { [TCP]: 16, [UDP]: 6, [ICMP]: 2, [ICMPV6]: 2 };

/** @param network a packet from its IP header on, as much of it as there is */
export function checksumVerdict(network: Slice): ChecksumVerdict {
  const first = u8(network, 0);
  if (first === null) return "not-known";
  if (first >> 4 === 4) return ofIpv4(network, (first & 0xf) * 4);
  return first >> 4 === 6 ? ofIpv6(network) : "not-known";
}

function ofIpv4(network: Slice, headerLength: number): ChecksumVerdict {
  const total = u16(network, 2);
  const fragment = u16(network, 6);
  const protocol = u8(network, 9);
  if (total === null || fragment === null || protocol === null || lengthOf(network) < headerLength)
    return "not-known";
  if (sum(network, 0, headerLength) !== 0xffff) return "wrong";
  if ((fragment & 0x3fff) !== 0 || total < headerLength || lengthOf(network) < total) return "not-known";
  const pseudo = sum(network, 12, 20) + protocol + (total - headerLength);
  return ofTransport(protocol, cut(network, headerLength, total), protocol === ICMP ? 0 : pseudo);
}

function ofIpv6(network: Slice): ChecksumVerdict {
  const payload = u16(network, 4);
  const protocol = u8(network, 6);
  if (payload === null || payload === 0 || protocol === null || lengthOf(network) < 40 + payload)
    return "not-known";
  const pseudo = sum(network, 8, 40) + protocol + payload;
  return ofTransport(protocol, cut(network, 40, 40 + payload), pseudo);
}

function ofTransport(protocol: number, transport: Slice, pseudo: number): ChecksumVerdict {
  const at = FIELD[protocol];
  const field = at === undefined ? null : u16(transport, at);
  if (field === null) return "not-known";
  // UDP over IPv4 may go without.
  if (protocol === UDP && field === 0) return "right";
  if (fold(pseudo + sum(transport, 0, lengthOf(transport))) === 0xffff) return "right";
  return field === fold(pseudo) ? "unfinished" : "wrong";
}

function cut(slice: Slice, start: number, end: number): Slice {
  return { ...from(slice, start), end: slice.start + end };
}

/** One's complement sum of 16-bit words from `start` to `end`; an odd last octet counts as the higher one. */
function sum(slice: Slice, start: number, end: number): number {
  let total = 0;
  for (let at = start; at + 1 < end; at += 2) total += u16(slice, at) ?? 0;
  if ((end - start) % 2 === 1) total += (u8(slice, end - 1) ?? 0) << 8;
  return fold(total);
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x1_0000);
  return folded;
}
