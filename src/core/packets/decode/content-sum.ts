/**
 * What a transport checksum says about the content alone: the checksum with addresses, ports and echo identifier taken out,
 * which are all that NAT changes. Two sightings of one packet have the same; two packets alike in every other header field
 * differ in it where their contents do.
 *
 * A packet made on this machine may carry no checksum yet, only the sum of its pseudo-header (CHECKSUM_PARTIAL), which says
 * nothing about the content. Such a sum is recognised, and then nothing is known; a whole checksum that happens to look like
 * it is lost evidence, not false evidence.
 */
import { type Slice, u8, u16 } from "./bytes.ts";

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
const UDPLITE = 136;

/**
 * 0 … 0xfffe; null where it cannot be known. `addresses` is the plain sum of their 16-bit words, `length` that of transport header and payload.
 */
export function contentSum(
  protocol: number,
  transport: Slice,
  addresses: number,
  length: number | null,
): number | null {
  switch (protocol) {
    case UDP:
    case UDPLITE: {
      const check = u16(transport, 6);
      // 0: its sender made none.
      return check === 0 ? null : ofPorts(check, protocol, transport, addresses, length);
    }
    case TCP:
      return ofPorts(u16(transport, 16), protocol, transport, addresses, length);
    case ICMP:
      return isEcho(u8(transport, 0), 0, 8) ? without(u16(transport, 2), u16(transport, 4), 0) : null;
    case ICMPV6:
      return isEcho(u8(transport, 0), 128, 129)
        ? without(u16(transport, 2), u16(transport, 4), addresses)
        : null;
    default:
      return null;
  }
}

/** Sum of the 16-bit words in `[start, end)`; both addresses of a packet in one go. */
export function sumOfWords(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0;
  for (let at = start; at < end; at += 2) sum += ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return sum;
}

/** An error quotes headers, which NAT changes too. */
function isEcho(type: number | null, one: number, other: number): boolean {
  return type === one || type === other;
}

function ofPorts(
  check: number | null,
  protocol: number,
  transport: Slice,
  addresses: number,
  length: number | null,
): number | null {
  const sport = u16(transport, 0);
  const dport = u16(transport, 2);
  if (check === null || sport === null || dport === null || length === null) return null;
  const pseudo = addresses + protocol;
  // Where the hardware cuts long packets, the length is left out until then.
  if (check === folded(pseudo + length) || check === folded(pseudo)) return null;
  return without(check, sport + dport, addresses);
}

function without(check: number | null, changeable: number | null, addresses: number): number | null {
  if (check === null || changeable === null) return null;
  const rest = folded((~check & 0xffff) + (~folded(changeable + addresses) & 0xffff));
  return rest === 0xffff ? 0 : rest;
}

function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest & 0xffff) + Math.floor(rest / 0x1_0000);
  return rest;
}
