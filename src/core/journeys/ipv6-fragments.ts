/**
 * IPv6 fragments and the packet that was made of them.
 *
 * Their identification stands in a header of its own, which no trace shows: nft tells of the 40 bytes before it, and of a later fragment of 20
 * alone, without the addresses (Linux 6.18); legacy tables see fragments only where nobody puts them together. The whole has no
 * identification. What is left is this: the packet is made of the buffer that came last (`inet_frag_reasm_prepare`), so it has its trace
 * id; and the parts that came by the same interface add up to its length. Where those of several packets come mixed, they do not.
 */
import { nanosBetween } from "../base/time.ts";
import { isFragment, type Packet } from "../packets/packet.ts";
import type { Trail } from "./trail.ts";

/** `net.ipv6.ip6frag_time`, as every kernel has it by default. */
const WAIT_NANOS = 60e9;
const MOST_PARTS = 64;
const HEADER = 40;
const FRAGMENT_HEADER = 8;

export class Ipv6Fragments {
  /** By namespace and interface, the oldest first. */
  readonly #waiting = new Map<string, Trail[]>();

  /** @returns the parts of this packet, the oldest first; empty for a packet that is not known to have any */
  learn(trail: Trail): readonly Trail[] {
    const packet = trail.packets[0];
    if (packet === undefined || packet.family !== "ip6") return NONE;
    // Hardly any trace shows fragments.
    if (this.#waiting.size === 0 && !isFragment(packet)) return NONE;
    const key = `${trail.netns ?? ""} ${trail.in[0] ?? ""}`;
    const waiting = this.#waiting.get(key) ?? [];
    if (isFragment(packet)) {
      if (waiting.length >= MOST_PARTS) waiting.shift();
      waiting.push(trail);
      this.#waiting.set(key, waiting);
      return NONE;
    }
    const parts = partsOf(packet, trail, waiting);
    if (parts.length > 0) {
      const left = waiting.slice(0, -parts.length);
      if (left.length === 0) this.#waiting.delete(key);
      else this.#waiting.set(key, left);
    }
    return parts;
  }
}

const NONE: readonly Trail[] = [];

/** The last ones that came, as many as make up the length, if the very last has the trace id and one has the addresses. */
function partsOf({ src, dst, length }: Packet, whole: Trail, waiting: readonly Trail[]): readonly Trail[] {
  const last = waiting.at(-1);
  if (last === undefined || length === null) return NONE;
  if (!last.traceIds.some((id) => whole.traceIds.includes(id))) return NONE;
  let left = length - HEADER;
  for (let at = waiting.length - 1; at >= 0 && left > 0; at--) {
    const part = waiting[at] as Trail;
    const nanos = nanosBetween(part.firstTime, whole.firstTime);
    const packet = part.packets[0];
    if (packet === undefined || packet.length === null || (nanos !== null && nanos > WAIT_NANOS)) return NONE;
    left -= packet.length - HEADER - FRAGMENT_HEADER;
    if (left !== 0) continue;
    const parts = waiting.slice(at);
    const isIts = parts.some(({ packets: [one] }) => one?.src === src && one?.dst === dst);
    return isIts && src !== null ? parts : NONE;
  }
  return NONE;
}
