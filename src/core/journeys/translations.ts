/**
 * How connections are translated, as far as packets that were surely followed have shown: where an event fits several journeys
 * by NAT that might be, it belongs to the one whose translation is known to be that.
 *
 * A memory only, which is emptied when it is full. A packet may be seen before, between and after two translations, so a tuple
 * can become several others.
 */
import { inOnePiece } from "../base/text.ts";
import type { Packet } from "../packets/packet.ts";

const MOST_ENTRIES = 20_000;

export class Translations {
  readonly #known = new Set<string>();

  learn(netns: string | null, before: Packet, now: Packet): void {
    if (this.#known.size >= MOST_ENTRIES) this.#known.clear();
    this.#known.add(inOnePiece(keyOf(netns, before, now)));
  }

  /** Whether packets like this one are translated to that one. */
  knows(netns: string | null, before: Packet, now: Packet): boolean {
    return this.#known.has(keyOf(netns, before, now));
  }
}

function keyOf(netns: string | null, before: Packet, now: Packet): string {
  return `${netns ?? ""} ${before.protocol ?? ""} ${tupleOf(before)} ${tupleOf(now)}`;
}

function tupleOf({ src, sport, dst, dport }: Packet): string {
  return `${src} ${sport} ${dst} ${dport}`;
}
