/** The tuples that place a journey in a flow. */
import type { Packet } from "../packets/packet.ts";
import type { Explained } from "./diagnose.ts";
import { inverse, isSame, type Tuple, tupleOf } from "./tuple.ts";

/** As it came, as it left, and as conntrack has it, all in the journey's own direction; none without addresses. */
export function tuplesOf({ journey, mapping }: Explained): readonly Tuple[] {
  const quoted = quotedBy(journey.first?.packet);
  if (quoted !== null) return [tupleOf(quoted)].filter((tuple) => tuple !== null);
  const found: Tuple[] = [];
  const add = (tuple: Tuple | null) => {
    if (tuple !== null && !found.some((one) => isSame(one, tuple))) found.push(tuple);
  };
  add(tupleOf(journey.first?.packet ?? null));
  add(tupleOf(journey.last?.packet ?? null));
  if (mapping !== null) {
    const isBack = mapping.direction === "reply";
    add(isBack ? inverse(mapping.translated) : mapping.original);
    add(isBack ? inverse(mapping.original) : mapping.translated);
  }
  return found;
}

/** Of an ICMP error, the protocol of the packet that caused it. */
export function protocolOf({ journey }: Explained): string {
  const packet = journey.first?.packet;
  return (quotedBy(packet) ?? packet)?.protocol ?? "";
}

function quotedBy(packet: Packet | undefined): Packet | null {
  const quoted = packet?.quoted ?? null;
  return quoted?.src == null || quoted.dst === null ? null : quoted;
}

export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}
