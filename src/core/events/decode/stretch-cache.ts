/**
 * Values made from short stretches of text, kept so that the same stretch is read once.
 *
 * A trace of a million lines names the same forty chains, interfaces and addresses over and over. Looking a stretch up
 * costs neither a substring nor a hash object, and hands out one shared string, so that events do not each own a copy.
 *
 * Direct-mapped: a new stretch takes the place of an old one with the same hash. So the cache is bounded, needs no
 * upkeep, and an input made to collide is merely slower.
 */
export class StretchCache<Value> {
  readonly #make: (text: string) => Value;
  readonly #mask: number;
  readonly #keys: string[];
  readonly #values: Value[];

  /** `make` must give the same value for the same text. `slots` is a power of two. */
  constructor(make: (text: string) => Value, slots = 512) {
    this.#make = make;
    this.#mask = slots - 1;
    this.#keys = new Array<string>(slots).fill("");
    this.#values = new Array<Value>(slots).fill(make(""));
  }

  /** The value of `text.slice(from, to)`. */
  get(text: string, from: number, to: number): Value {
    const length = to - from;
    if (length > LONGEST) return this.#make(text.slice(from, to));
    // Its length and last characters tell names and addresses apart; reading all of them would cost more than it saves.
    let hash = length;
    for (let at = Math.max(from, to - HASHED); at < to; at++)
      hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
    const slot = (hash ^ (hash >>> 15)) & this.#mask;
    const key = this.#keys[slot] as string;
    if (key.length === length && text.startsWith(key, from)) return this.#values[slot] as Value;
    const copy = copyOf(text, from, to);
    const value = this.#make(copy);
    this.#keys[slot] = copy;
    this.#values[slot] = value;
    return value;
  }
}

/** What is longer is read every time: it is no name or address, and would fill memory. */
const LONGEST = 256;

const HASHED = 9;

/**
 * A string of its own. Engines make a substring by pointing into its parent, so a cached `slice` would keep the whole
 * chunk that a line came from.
 */
function copyOf(text: string, from: number, to: number): string {
  const codes: number[] = [];
  for (let at = from; at < to; at++) codes.push(text.charCodeAt(at));
  return String.fromCharCode(...codes);
}
