/**
 * What stands behind the network header: ports, TCP's numbers and flags, ICMP's type and the packet an error quotes.
 */
import type { IcmpHeader, Packet, TcpHeader } from "../packet.ts";
import { from, type Slice, u8, u16, u32 } from "./bytes.ts";

export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const DCCP = 33;
export const ICMPV6 = 58;
export const SCTP = 132;
export const UDPLITE = 136;

/** The part of a `Packet` that a transport header fills. */
export type TransportFields = Pick<Packet, "sport" | "dport" | "tcp" | "icmp" | "udpLength" | "quoted">;

/** Reads the network header of a quoted packet; handed in, because ICMP and IP contain each other. */
export type QuotedReader = (slice: Slice) => Packet | null;

export const NO_TRANSPORT: TransportFields = {
  sport: null,
  dport: null,
  tcp: null,
  icmp: null,
  udpLength: null,
  quoted: null,
};

/** Fields of the header of IP protocol `protocol` that starts the slice; nulls for what is cut off or has no ports. */
export function decodeTransport(protocol: number, slice: Slice, quoted: QuotedReader): TransportFields {
  switch (protocol) {
    case TCP:
      return withPorts(slice, decodeTcp(slice), null);
    case UDP:
      return withPorts(slice, null, u16(slice, 4));
    // UDP-Lite keeps its checksum's coverage where UDP has the length (RFC 3828).
    case UDPLITE:
    case SCTP:
    case DCCP:
      return withPorts(slice, null, null);
    case ICMP:
      return decodeIcmp(slice, quoted);
    case ICMPV6:
      return decodeIcmpv6(slice, quoted);
    default:
      return NO_TRANSPORT;
  }
}

function withPorts(slice: Slice, tcp: TcpHeader | null, udpLength: number | null): TransportFields {
  return { sport: u16(slice, 0), dport: u16(slice, 2), tcp, icmp: null, udpLength, quoted: null };
}

function decodeTcp(slice: Slice): TcpHeader | null {
  const seq = u32(slice, 4);
  if (seq === null) return null;
  const offsetAndFlags = u16(slice, 12);
  return {
    seq,
    ack: u32(slice, 8),
    // The ninth bit, AE, is the lowest of the octet that begins with the data offset.
    flags: offsetAndFlags === null ? null : offsetAndFlags & 0x1ff,
    window: u16(slice, 14),
  };
}

const ICMP_ECHO: readonly number[] = [0, 8, 13, 14, 15, 16, 17, 18];
/** Destination unreachable, source quench, redirect, time exceeded, parameter problem (RFC 792). */
const ICMP_ERRORS: readonly number[] = [3, 4, 5, 11, 12];

function decodeIcmp(slice: Slice, quoted: QuotedReader): TransportFields {
  const type = u8(slice, 0);
  const code = u8(slice, 1);
  if (type === null) return NO_TRANSPORT;
  const isFragmentationNeeded = type === 3 && code === 4;
  return {
    ...NO_TRANSPORT,
    icmp: icmpHeader(
      slice,
      type,
      code,
      ICMP_ECHO.includes(type),
      isFragmentationNeeded ? u16(slice, 6) : null,
    ),
    quoted: ICMP_ERRORS.includes(type) ? quoted(from(slice, 8)) : null,
  };
}

const ICMPV6_TOO_BIG = 2;

function decodeIcmpv6(slice: Slice, quoted: QuotedReader): TransportFields {
  const type = u8(slice, 0);
  if (type === null) return NO_TRANSPORT;
  // Types below 128 are errors and quote what caused them (RFC 4443, 2.1).
  const isError = type < 128;
  return {
    ...NO_TRANSPORT,
    icmp: icmpHeader(
      slice,
      type,
      u8(slice, 1),
      type === 128 || type === 129,
      type === ICMPV6_TOO_BIG ? u32(slice, 4) : null,
    ),
    quoted: isError ? quoted(from(slice, 8)) : null,
  };
}

function icmpHeader(
  slice: Slice,
  type: number,
  code: number | null,
  isQuery: boolean,
  mtu: number | null,
): IcmpHeader {
  return {
    type,
    code,
    id: isQuery ? u16(slice, 4) : null,
    sequence: isQuery ? u16(slice, 6) : null,
    mtu,
  };
}
