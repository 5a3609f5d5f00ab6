/** Packets as bytes, for the frames of scenarios: the little of IPv4, IPv6, UDP, TCP and ICMP that they need, well or badly made. */
import type { FramePacket } from "./scenario.ts";

export interface IpOptions {
  readonly src: string;
  readonly dst: string;
  readonly ttl?: number;
  /** IPv4 only. */
  readonly id?: number;
  readonly dontFragment?: boolean;
  /** IPv4 only: more come, and the offset in bytes. */
  readonly fragment?: { readonly more: boolean; readonly offset: number };
}

export interface Payload {
  readonly protocol: number;
  /** @param sum the one's complement sum of the pseudo header */
  readonly bytes: (sum: number) => Uint8Array;
}

const ETHER_IPV4 = 0x0800;
const ETHER_IPV6 = 0x86dd;
const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;

/** IPv4 or IPv6, as the addresses are. */
export function packet(ip: IpOptions, payload: Payload): FramePacket {
  return ip.src.includes(":") ? ipv6(ip, payload) : ipv4(ip, payload);
}

function ipv4(ip: IpOptions, { protocol, bytes }: Payload): FramePacket {
  const [src, dst] = [ipv4Bytes(ip.src), ipv4Bytes(ip.dst)];
  const length = bytes(0).length;
  const body = bytes(sumOf(Uint8Array.from([...src, ...dst, 0, protocol])) + length);
  const { more = false, offset = 0 } = ip.fragment ?? {};
  const flags = (ip.dontFragment ? 0x4000 : 0) | (more ? 0x2000 : 0) | (offset / 8);
  const header = Uint8Array.from([
    ...[0x45, 0, ...u16(20 + body.length), ...u16(ip.id ?? 1), ...u16(flags)],
    ...[ip.ttl ?? 64, protocol, 0, 0, ...src, ...dst],
  ]);
  header.set(u16(complement(sumOf(header))), 10);
  return { etherType: ETHER_IPV4, bytes: Uint8Array.from([...header, ...body]) };
}

function ipv6(ip: IpOptions, { protocol, bytes }: Payload): FramePacket {
  const [src, dst] = [ipv6Bytes(ip.src), ipv6Bytes(ip.dst)];
  const length = bytes(0).length;
  const body = bytes(sumOf(Uint8Array.from([...src, ...dst, 0, protocol])) + length);
  const header = [0x60, 0, 0, 0, ...u16(body.length), protocol, ip.ttl ?? 64, ...src, ...dst];
  return { etherType: ETHER_IPV6, bytes: Uint8Array.from([...header, ...body]) };
}

export interface UdpOptions {
  readonly sport: number;
  readonly dport: number;
  readonly bytes?: number;
  readonly hasBadChecksum?: boolean;
}

export function udp({ sport, dport, bytes = 16, hasBadChecksum = false }: UdpOptions): Payload {
  return {
    protocol: UDP,
    bytes: (sum) => {
      const datagram = Uint8Array.from([
        ...u16(sport),
        ...u16(dport),
        ...u16(8 + bytes),
        0,
        0,
        ...text(bytes),
      ]);
      const right = complement(sumOf(datagram) + sum) || 0xffff;
      datagram.set(u16(hasBadChecksum ? right ^ 0x5555 : right), 6);
      return datagram;
    },
  };
}

export interface TcpOptions {
  readonly sport: number;
  readonly dport: number;
  readonly flags: readonly (keyof typeof FLAGS)[];
  readonly seq?: number;
  readonly ack?: number;
  readonly bytes?: number;
}

const FLAGS = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

export function tcp({ sport, dport, flags, seq = 1000, ack = 0, bytes = 0 }: TcpOptions): Payload {
  const bits = flags.reduce((all, flag) => all | FLAGS[flag], 0);
  return {
    protocol: TCP,
    bytes: (sum) => {
      const ports = [...u16(sport), ...u16(dport)];
      const segment = Uint8Array.from([
        ...[...ports, ...u32(seq), ...u32(ack), 0x50, bits, ...u16(64_000), 0, 0, 0, 0],
        ...text(bytes),
      ]);
      segment.set(u16(complement(sumOf(segment) + sum)), 16);
      return segment;
    },
  };
}

/** An echo request, of ICMP or ICMPv6. */
export function ping(options: {
  readonly id: number;
  readonly isIpv6?: boolean;
  readonly bytes?: number;
}): Payload {
  const isIpv6 = options.isIpv6 ?? false;
  return {
    protocol: isIpv6 ? ICMPV6 : ICMP,
    bytes: (sum) => {
      const type = isIpv6 ? 128 : 8;
      const message = Uint8Array.from([
        type,
        0,
        0,
        0,
        ...u16(options.id),
        ...u16(1),
        ...text(options.bytes ?? 32),
      ]);
      // ICMP has no pseudo header, ICMPv6 has.
      message.set(u16(complement(sumOf(message) + (isIpv6 ? sum : 0))), 2);
      return message;
    },
  };
}

/** The fragments that a router would make of an IPv4 packet: each carries at most so many bytes behind its header. */
export function fragments(ip: IpOptions, payload: Payload, most: number): readonly FramePacket[] {
  const whole = ipv4(ip, payload).bytes.subarray(20);
  const size = most - (most % 8);
  const cuts = Array.from({ length: Math.ceil(whole.length / size) }, (_, at) => at * size);
  return cuts.map((offset) => {
    const part = whole.slice(offset, offset + size);
    const more = offset + size < whole.length;
    return ipv4({ ...ip, fragment: { more, offset } }, { protocol: payload.protocol, bytes: () => part });
  });
}

/** RFC 1071: sums 16 bits at a time. */
function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return sum;
}

function complement(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

function u16(value: number): readonly number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

function u32(value: number): readonly number[] {
  return [...u16(value >>> 16), ...u16(value & 0xffff)];
}

function text(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => 0x61 + (at % 26));
}

function ipv4Bytes(address: string): readonly number[] {
  return address.split(".").map(Number);
}

function ipv6Bytes(address: string): readonly number[] {
  const [head = "", tail] = address.split("::");
  const groups = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...zeros, ...after].flatMap(u16);
}
