/**
 * One end-to-end tuple of a connection, as a key that packets can be grouped by.
 *
 * A packet and its answer carry the same tuple, one of them the other way round; where NAT is in between, the answer to what
 * left is the inverse of the packet as it left.
 */
import { inOnePiece } from "../base/text.ts";
import type { FlowTuple } from "../events/event.ts";
import type { Packet } from "../packets/packet.ts";

/** Ports are 0 where the protocol has none; for ICMP echo both are its identifier. */
export interface Tuple {
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
}

export function tupleOf(packet: Packet | null): Tuple | null {
  if (packet === null || packet.src === null || packet.dst === null) return null;
  const echo = packet.icmp?.id ?? 0;
  return { src: packet.src, sport: packet.sport ?? echo, dst: packet.dst, dport: packet.dport ?? echo };
}

export function inverse(tuple: Tuple): Tuple {
  return { src: tuple.dst, sport: tuple.dport, dst: tuple.src, dport: tuple.sport };
}

export function flowTuple({ src, dst, sport, dport, icmp }: FlowTuple): Tuple {
  const echo = icmp?.id ?? 0;
  return { src, sport: sport ?? echo, dst, dport: dport ?? echo };
}

export function isSame(a: Tuple, b: Tuple): boolean {
  return a.src === b.src && a.sport === b.sport && a.dst === b.dst && a.dport === b.dport;
}

export function tupleKey(netns: string | null, protocol: string, tuple: Tuple): string {
  return inOnePiece(`${netns ?? ""} ${protocol} ${tuple.src} ${tuple.sport} ${tuple.dst} ${tuple.dport}`);
}

/** Packets of which it means something that an answer followed. */
export function isRequest(packet: Packet): boolean {
  if (packet.protocol === "udp") return true;
  if (packet.protocol === "tcp") return ((packet.tcp?.flags ?? 0) & 0x12) === 0x02;
  const type = packet.icmp?.type ?? null;
  return packet.protocol === "icmp" ? type === 8 : packet.protocol === "icmpv6" && type === 128;
}

/** Sent to many: nobody has to answer. The broadcast address of a network cannot be told from its last host's by itself. */
export function isToMany(address: string): boolean {
  const first = /^(\d+)\./.exec(address)?.[1];
  if (first === undefined) return /^ff/i.test(address);
  return Number(first) >= 224 || address.endsWith(".255");
}
