/** Trails that are taken off again when what they wait for has come. */
import type { Trail } from "./trail.ts";

const MOST_KEPT = 50_000;
/** Alike in all headers. */
const MOST_ALIKE = 1_000;

/** Trails by key, the oldest first; the oldest keys are forgotten first. */
export class Shelf {
  readonly #byKey = new Map<string, Trail[]>();

  get isEmpty(): boolean {
    return this.#byKey.size === 0;
  }

  at(key: string): readonly Trail[] {
    return this.#byKey.get(key) ?? [];
  }

  put(key: string, trail: Trail): void {
    const there = this.#byKey.get(key) ?? [];
    this.#byKey.delete(key);
    this.#byKey.set(key, there);
    there.push(trail);
    if (there.length > MOST_ALIKE) there.shift();
    if (this.#byKey.size <= MOST_KEPT) return;
    const oldest = this.#byKey.keys().next();
    if (!oldest.done) this.#byKey.delete(oldest.value);
  }

  take(key: string, id: string): void {
    const left = this.at(key).filter((trail) => trail.id !== id);
    if (left.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, left);
  }
}
