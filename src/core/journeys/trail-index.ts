/**
 * Trails found by a number made of their headers, for a while.
 *
 * Every packet is put in and hardly any is ever asked for, so putting costs one entry of a map and forgetting nothing: there are two
 * generations, and when the young one is full or old enough, it takes the place of the old one, which is dropped as a whole.
 */
import { nanosBetween, type Time } from "../base/time.ts";
import type { Trail } from "./trail.ts";

type Found = Trail | Trail[];

const NONE: readonly Trail[] = [];

export class TrailIndex {
  readonly #keptNanos: number;
  readonly #most: number;
  #young = new Map<number, Found>();
  #old = new Map<number, Found>();
  #since: Time | null = null;

  /**
   * @param keptNanos how long a trail is found at least, by its own clock
   * @param most how many keys are kept at the most, whatever the time
   */
  constructor(keptNanos: number, most: number) {
    this.#keptNanos = keptNanos;
    this.#most = most;
  }

  put(key: number, trail: Trail): void {
    this.#turn(trail.firstTime);
    const there = this.#young.get(key);
    if (there === undefined) this.#young.set(key, trail);
    else if (!Array.isArray(there)) this.#young.set(key, there === trail ? there : [there, trail]);
    else if (there.at(-1) !== trail) {
      there.push(trail);
      if (there.length > MOST_ALIKE) there.shift();
    }
  }

  /** Those with this key, and perhaps others that share it by chance, the oldest first. */
  at(key: number): readonly Trail[] {
    const [old, young] = [this.#old.get(key), this.#young.get(key)];
    if (old === undefined) return young === undefined ? NONE : [young].flat();
    return [old, young ?? []].flat();
  }

  #turn(now: Time | null): void {
    this.#since ??= now;
    const age = nanosBetween(this.#since, now);
    if (this.#young.size < this.#most / 2 && (age === null || age <= this.#keptNanos)) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#since = now;
  }
}

/** Alike in all headers: a flood of one packet must not become one endless list. */
const MOST_ALIKE = 1_000;

/** Mixes a field into a key; start with 0. */
export function mixed(key: number, field: string | number | null | undefined): number {
  if (typeof field === "number") return Math.imul(key ^ field, 0x9e3779b1) | 0;
  if (field == null) return Math.imul(key ^ 0x5bd1, 0x9e3779b1) | 0;
  let hash = key;
  for (let at = 0; at < field.length; at++) hash = (Math.imul(hash, 31) + field.charCodeAt(at)) | 0;
  return hash;
}
