/**
 * Retransmissions: what a sender sends again because it heard nothing.
 *
 * TCP repeats a sequence number that carried something (SYN, FIN or payload); a bare ACK repeats it without meaning
 * to. UDP and ICMP have no such number below the application: an echo's sequence is one, and the same IP identification is
 * the same packet once more. In another namespace it is the same packet, seen again on its way.
 */
import type { Journey } from "../journeys/journey.ts";
import type { Packet } from "../packets/packet.ts";
import type { Direction } from "./flow-book.ts";

const MOST_REMEMBERED = 256;

export class SentAgain {
  readonly #first = new Map<string, string>();
  count = 0;

  /** The journey that sent it first; null for something new, or where nobody can tell. */
  of(journey: Journey, direction: Direction): string | null {
    const packet = journey.first?.packet;
    const mark = packet === undefined ? null : markOf(packet);
    if (mark === null) return null;
    const key = `${journey.netns ?? ""} ${direction} ${mark}`;
    const known = this.#first.get(key);
    if (known !== undefined) {
      this.count++;
      return known;
    }
    if (this.#first.size < MOST_REMEMBERED) this.#first.set(key, journey.id);
    return null;
  }
}

/** Options of TCP take at most 40 bytes: a longer packet carries something. */
const LONGEST_EMPTY = { ip: 80, ip6: 100 };

function markOf(packet: Packet): string | null {
  const { tcp, icmp, length } = packet;
  if (tcp !== null) {
    const flags = tcp.flags ?? 0;
    const limit = packet.family === "ip6" ? LONGEST_EMPTY.ip6 : LONGEST_EMPTY.ip;
    const carries = (flags & 0x0b) !== 0 || (length !== null && length > limit);
    if (tcp.seq === null || !carries || (flags & 0x04) !== 0) return null;
    return `tcp ${tcp.seq} ${flags & 0x03}`;
  }
  if (icmp?.sequence != null) return `icmp ${icmp.type} ${icmp.id} ${icmp.sequence}`;
  return packet.ipId === null || packet.ipId === 0 ? null : `ip ${packet.ipId} ${length}`;
}
