/**
 * Which requests nobody answered.
 *
 * That nothing was heard proves little by itself: the answer may take another way, may not be traced, may have been lost to
 * the tracer, or may still come. So silence is only told with what speaks for it: the filter took answers too, answers to
 * others were traced, or the sender itself sent the packet again.
 */
import { nanosBetween, type Time } from "../base/time.ts";
import type { GapEvent } from "../events/event.ts";
import type { Journey } from "../journeys/journey.ts";
import { inverse, isRequest, isToMany, tupleKey, tupleOf } from "./tuple.ts";

export interface Silence {
  /** From the request's last step to the last that was heard of anything; null where their clocks do not compare. */
  readonly waitedNanos: number | null;
  /** How often its sender sent the same again meanwhile. */
  readonly sentAgain: number;
  /** Requests of the same protocol in the same namespace that were answered. */
  readonly answersToOthers: number;
}

const MOST_TUPLES = 200_000;

export class Silences {
  readonly #heard = new Set<string>();
  readonly #again = new Map<string, number>();
  readonly #answers = new Map<string, number>();
  /** When the last gap in steps of each namespace opened; null where that was not told. */
  readonly #gaps = new Map<string | null, Time | null>();
  /** Too many tuples to remember: from then on nothing is said. */
  #isFull = false;

  /** A packet with this tuple was seen. */
  heard(key: string): void {
    if (this.#heard.size < MOST_TUPLES) this.#heard.add(key);
    else this.#isFull = true;
  }

  answered(netns: string | null, protocol: string): void {
    const key = `${netns ?? ""} ${protocol}`;
    this.#answers.set(key, (this.#answers.get(key) ?? 0) + 1);
  }

  /** Ids of two journeys: of all that are alike, the last before this one, and the first; they may be the same. */
  sentAgain(last: string, first: string): void {
    if (this.#again.size >= MOST_TUPLES) return;
    for (const id of new Set([last, first])) this.#again.set(id, (this.#again.get(id) ?? 0) + 1);
  }

  learnGap({ gap, netns, time }: GapEvent): void {
    if (gap !== "flows-lost" && gap !== "logs-lost") this.#gaps.set(netns, time);
  }

  /** What is known of the silence behind this packet; null where it is no request, was answered, or nobody can tell. */
  of(journey: Journey, latest: Time | null): Silence | null {
    const packet = journey.first?.packet ?? null;
    const left = tupleOf(journey.last?.packet ?? null);
    if (packet === null || left === null || this.#isFull || !isRequest(packet) || isToMany(left.dst))
      return null;
    const protocol = packet.protocol ?? "";
    const came = tupleOf(packet);
    const answers = came === null ? [left] : [left, came];
    if (answers.some((tuple) => this.#heard.has(tupleKey(journey.netns, protocol, inverse(tuple)))))
      return null;
    if (journey.gaps.length > 0 || this.#mayBeLost(journey)) return null;
    const sentAgain = this.#again.get(journey.id) ?? 0;
    this.#again.delete(journey.id);
    return {
      waitedNanos: nanosBetween(journey.lastTime, latest),
      sentAgain,
      answersToOthers: this.#answers.get(`${journey.netns ?? ""} ${protocol}`) ?? 0,
    };
  }

  /** Something was lost after the packet, and that may have been its answer. */
  #mayBeLost(journey: Journey): boolean {
    for (const [netns, time] of this.#gaps) {
      if (netns !== null && journey.netns !== null && netns !== journey.netns) continue;
      const after = nanosBetween(journey.lastTime, time);
      if (after === null || after >= 0) return true;
    }
    return false;
  }
}
