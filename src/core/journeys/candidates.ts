/**
 * Journeys under way, found by what nothing on the way changes, the one touched last first.
 *
 * Where packets have no identification (IPv6, or 0 with don't fragment), all of one length are alike here, and there can be
 * thousands. So those that are over leave early, and a search stops where it cannot be answered better any more.
 */
import type { Packet } from "../packets/packet.ts";
import type { OpenJourney } from "./open-journey.ts";
import { fingerprint, isWhole } from "./same-packet.ts";

/** How far back an event with too few headers to look it up is compared. */
const PARTIAL_LOOK_BACK = 64;

const NONE: readonly OpenJourney[] = [];

export class Candidates {
  readonly #byFingerprint = new Map<number, OpenJourney[]>();
  /** What was touched last, whatever it was; for events that show too little. A ring. */
  readonly #recent: (OpenJourney | null)[] = new Array(PARTIAL_LOOK_BACK * 4).fill(null);
  #next = 0;

  /** Something was added to this journey. */
  touch(journey: OpenJourney): void {
    const last = this.#recent[(this.#next || this.#recent.length) - 1];
    if (last !== journey) {
      this.#recent[this.#next] = journey;
      this.#next = (this.#next + 1) % this.#recent.length;
    }
    if (journey.fingerprint === null) return;
    const bucket = this.#byFingerprint.get(journey.fingerprint);
    if (bucket === undefined || bucket.at(-1) === journey) return;
    const at = bucket.lastIndexOf(journey);
    if (at === -1) return;
    bucket.splice(at, 1);
    bucket.push(journey);
  }

  /** Its headers have become known. */
  learn(journey: OpenJourney, packet: Packet): void {
    if (journey.fingerprint !== null || !isWhole(packet)) return;
    journey.fingerprint = fingerprint(packet);
    this.add(journey);
  }

  /** One whose headers are known already. */
  add(journey: OpenJourney): void {
    if (journey.fingerprint === null) return;
    const bucket = this.#byFingerprint.get(journey.fingerprint);
    if (bucket === undefined) this.#byFingerprint.set(journey.fingerprint, [journey]);
    else bucket.push(journey);
  }

  /** Nothing can be added to it any more by its headers. */
  remove(journey: OpenJourney): void {
    if (journey.fingerprint === null) return;
    const bucket = this.#byFingerprint.get(journey.fingerprint);
    if (bucket === undefined) return;
    // Those that are over are near the end, those that grew old at the beginning.
    const at = bucket[0] === journey ? 0 : bucket.lastIndexOf(journey);
    if (at === -1) return;
    bucket.splice(at, 1);
    if (bucket.length === 0) this.#byFingerprint.delete(journey.fingerprint);
  }

  /** In the order of the last touch, the latest at the end. */
  of(packet: Packet): readonly OpenJourney[] {
    if (isWhole(packet)) return this.#byFingerprint.get(fingerprint(packet)) ?? NONE;
    const found = new Set<OpenJourney>();
    for (let back = 1; back <= this.#recent.length && found.size < PARTIAL_LOOK_BACK; back++) {
      const at = (this.#next - back + this.#recent.length) % this.#recent.length;
      const journey = this.#recent[at];
      if (journey != null && !journey.isFinished) found.add(journey);
    }
    return [...found].reverse();
  }
}
