/**
 * Whether two sightings can be of one packet, by their headers.
 *
 * Two kinds of fields: those that nothing on the way changes (identification, length, sequence numbers), and addresses and
 * ports, which NAT may change, but only at certain places. A field that one side does not know decides nothing.
 */
import type { Packet } from "../packets/packet.ts";
import type { Place } from "./place.ts";

/** How well the headers agree: all of what both know, all but what NAT may do, or only the rest of a cut record. */
export type Likeness = "same" | "translated" | "partial";

/** What the trace ids of two events say: the same, another, or that the source has none. */
export type Ids = "one" | "other" | "none";

/**
 * Null: these are two packets.
 *
 * Of headers that somebody has cut, too little is left to tell what NAT did from another packet, unless something else helps:
 *
 * @param ids `one`: a trace id says that they are one. `none`: there are none, and NAT that leaves one side as it was is believed.
 */
export function likeness(
  before: Packet,
  from: Place | null,
  now: Packet,
  to: Place | null,
  ids: Ids = "other",
): Likeness | null {
  // A tracer that shows the same twice hands out one object.
  if (before === now) return isWhole(now) ? "same" : "partial";
  if (!sameInvariants(before, now) || !ttlCanFollow(before.ttl, now.ttl)) return null;
  const sameSource = addressAgrees(before.src, now.src) && agrees(before.sport, now.sport);
  const sameDestination = addressAgrees(before.dst, now.dst) && agrees(before.dport, now.dport);
  // An echo's identifier is to ICMP what a port is to UDP, and NAT changes it with either address.
  const sameEcho = agrees(before.icmp?.id ?? null, now.icmp?.id ?? null);
  if (sameSource && sameDestination && sameEcho) return isWhole(before) && isWhole(now) ? "same" : "partial";
  if (!sameSource && !crosses(from, to, SOURCE_NAT)) return null;
  if (!sameDestination && !crosses(from, to, DESTINATION_NAT)) return null;
  if (!sameEcho && !crosses(from, to, SOURCE_NAT) && !crosses(from, to, DESTINATION_NAT)) return null;
  if (isWhole(before) && isWhole(now)) return "translated";
  if (ids === "none") {
    const keepsSource = sameSource && isShown(before.src) && before.src === now.src;
    const keepsDestination = sameDestination && isShown(before.dst) && before.dst === now.dst;
    return keepsSource || keepsDestination ? "partial" : null;
  }
  return ids === "one" ? "partial" : null;
}

function isShown(address: string | null): boolean {
  return address !== null && !isMasked(address);
}

/**
 * Whether the two have one content, by their checksums; null where those do not tell. Some targets and helpers change a
 * content on the way (TCPMSS, SIP), so two contents are a strong hint of two packets and no proof.
 */
export function sameContent(a: Packet, b: Packet): boolean | null {
  return a.contentSum === null || b.contentSum === null ? null : a.contentSum === b.contentSum;
}

/** Whether the headers have a number that another packet of the same connection does not have, but for a repeated one. */
export function isNumbered(packet: Packet): boolean {
  return (
    (packet.ipId !== null && packet.ipId !== 0) ||
    packet.contentSum !== null ||
    packet.tcp?.seq != null ||
    packet.icmp?.sequence != null
  );
}

/** Enough is known to tell this packet from its neighbours. */
export function isWhole(packet: Packet): boolean {
  if (packet.src === null || packet.dst === null || packet.protocol === null || packet.length === null)
    return false;
  return packet.family !== "ip" || packet.ipId !== null;
}

/** A number that is equal for all sightings of one packet, whoever reports them; for finding candidates. */
export function fingerprint(packet: Packet): number {
  const icmp = packet.icmp === null ? 0 : (packet.icmp.sequence ?? 0);
  const low = (packet.ipId ?? 0) ^ Math.imul(icmp, 0x9e37);
  return Math.imul(low, 0x85eb) ^ (packet.length ?? 0);
}

function sameInvariants(a: Packet, b: Packet): boolean {
  if (!agrees(a.protocol, b.protocol) || !agrees(a.ipId, b.ipId) || !agrees(a.length, b.length)) return false;
  if (!agrees(a.fragmentOffset, b.fragmentOffset) || !agrees(a.udpLength, b.udpLength)) return false;
  if (a.tcp !== null && b.tcp !== null) {
    if (!agrees(a.tcp.seq, b.tcp.seq) || !agrees(a.tcp.ack, b.tcp.ack) || !agrees(a.tcp.flags, b.tcp.flags)) {
      return false;
    }
  }
  if (a.icmp !== null && b.icmp !== null) {
    if (!agrees(a.icmp.type, b.icmp.type) || !agrees(a.icmp.code, b.icmp.code)) return false;
    if (!agrees(a.icmp.sequence, b.icmp.sequence)) return false;
  }
  return true;
}

function agrees(a: string | number | boolean | null, b: string | number | boolean | null): boolean {
  return a === null || b === null || a === b;
}

function addressAgrees(a: string | null, b: string | null): boolean {
  return a === null || b === null || a === b || isMasked(a) || isMasked(b);
}

/** Text that stands for a value somebody took out: `xxx`, `...`, `<filtered>`. */
export function isMasked(text: string): boolean {
  return !/\d/.test(text) && !text.includes(":");
}

/** Forwarding takes one off; else it is a rule that changes it: see `rewritten.ts`. */
export function ttlCanFollow(before: number | null, now: number | null): boolean {
  return before === null || now === null || now === before || now === before - 1;
}

interface NatPoint {
  readonly hooks: readonly string[];
  readonly priority: number;
}

/** `net/netfilter/nf_nat_proto.c`: destinations change at −100, sources at +100, for both directions of a connection. */
const DESTINATION_NAT: NatPoint = { hooks: ["prerouting", "output"], priority: -100 };
const SOURCE_NAT: NatPoint = { hooks: ["postrouting", "input"], priority: 100 };

/** Whether the packet passed the point on its way from one place to the other. Unknown places allow it. */
function crosses(from: Place | null, to: Place | null, point: NatPoint): boolean {
  if (from === null || to === null) return true;
  if (!point.hooks.includes(from.hook)) {
    const isThere = from.hook !== to.hook && point.hooks.includes(to.hook);
    return isThere && (to.priority === null || to.priority > point.priority);
  }
  const isBefore = from.priority === null || from.priority <= point.priority;
  if (from.hook !== to.hook) return isBefore;
  return isBefore && (to.priority === null || to.priority > point.priority);
}
