/**
 * A packet's headers as they were seen at one point of its way.
 *
 * Every field may be null: logs are cut, redacted, and written by kernels that print less. Null means "the source did
 * not say", never "zero" or "absent".
 */
import type { PacketFamily } from "../netfilter/family.ts";

export interface Packet {
  readonly family: PacketFamily;
  /** Canonical text (`10.0.0.1`, `fe80::1`), or what stands there if somebody redacted it (`xxx.xxx.xxx.113`). */
  readonly src: string | null;
  readonly dst: string | null;
  /** Lower-case name (`tcp`, `udp`, `icmp`, `icmpv6`, `esp` …) or the decimal number where there is no name. */
  readonly protocol: string | null;
  readonly sport: number | null;
  readonly dport: number | null;
  /** Bytes of the whole network-layer packet, IPv6 header included. */
  readonly length: number | null;
  /** IPv4 identification, or that of an IPv6 fragment (32 bits); null for IPv6 else. */
  readonly ipId: number | null;
  /** IPv4 TTL or IPv6 hop limit. */
  readonly ttl: number | null;
  /** IPv4 TOS or IPv6 traffic class, the whole octet. */
  readonly tos: number | null;
  readonly dontFragment: boolean | null;
  /** More than this part come; also where all that is shown is that it is a part. */
  readonly moreFragments: boolean | null;
  /** Bytes from the start of the datagram; 0 for a first or whole one. */
  readonly fragmentOffset: number | null;
  readonly tcp: TcpHeader | null;
  readonly icmp: IcmpHeader | null;
  /** The UDP header's own length, bytes. */
  readonly udpLength: number | null;
  /**
   * The transport checksum without what NAT changes: equal for all sightings of a packet. Null where it is not shown, not yet made or
   * cannot be known: see `decode/content-sum.ts`.
   */
  readonly contentSum: number | null;
  readonly link: LinkHeader | null;
  /** The header that an ICMP error quotes: the packet that caused it. */
  readonly quoted: Packet | null;
}

export interface TcpHeader {
  readonly seq: number | null;
  readonly ack: number | null;
  /** Bits as on the wire: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128, AE 256. Null where not told. */
  readonly flags: number | null;
  readonly window: number | null;
}

export interface IcmpHeader {
  readonly type: number | null;
  readonly code: number | null;
  /** Echo identifier and sequence; null for other types. */
  readonly id: number | null;
  readonly sequence: number | null;
  /** Next-hop MTU of "fragmentation needed" and "packet too big". */
  readonly mtu: number | null;
}

export interface LinkHeader {
  /** `02:42:ac:12:00:02`; null where redacted or not Ethernet. */
  readonly source: string | null;
  readonly destination: string | null;
  readonly etherType: number | null;
}

export const TCP_FLAG_BITS = {
  FIN: 0x01,
  SYN: 0x02,
  RST: 0x04,
  PSH: 0x08,
  ACK: 0x10,
  URG: 0x20,
  ECE: 0x40,
  CWR: 0x80,
  AE: 0x100,
} as const;

/** Set flags in the order people say them: `SYN`, `SYN ACK`, `FIN ACK`. */
export function tcpFlagNames(flags: number): string[] {
  const names: string[] = [];
  for (const [name, bit] of Object.entries(TCP_FLAG_BITS)) if (flags & bit) names.push(name);
  return names;
}

/** A piece of a packet that was too large for its link. */
export function isFragment({ moreFragments, fragmentOffset }: Packet): boolean {
  return moreFragments === true || (fragmentOffset ?? 0) > 0;
}

/** A packet of which nothing is known but its family: decoders spread it and fill in what they saw. */
export function unknownPacket(family: PacketFamily): Packet {
  return {
    family,
    src: null,
    dst: null,
    protocol: null,
    sport: null,
    dport: null,
    length: null,
    ipId: null,
    ttl: null,
    tos: null,
    dontFragment: null,
    moreFragments: null,
    fragmentOffset: null,
    tcp: null,
    icmp: null,
    udpLength: null,
    contentSum: null,
    link: null,
    quoted: null,
  };
}
