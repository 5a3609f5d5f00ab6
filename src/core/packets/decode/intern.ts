/**
 * One string for the same bytes, made once.
 *
 * On a busy host the same few names, prefixes and addresses come hundreds of thousands of times a second, and making their
 * text each time is most of the work of decoding. The tables are only a memory: with or without them the text is the same.
 */
import { ipv4FromBytes, macFromBytes } from "../address.ts";

/** When a table is full it is emptied: a flood of different values costs time, never memory. */
const MOST_ENTRIES = 8192;

/** A memory of texts by number. */
export class TextsByNumber {
  readonly #texts = new Map<number, string>();

  get(key: number, make: () => string): string {
    const known = this.#texts.get(key);
    if (known !== undefined) return known;
    if (this.#texts.size >= MOST_ENTRIES) this.#texts.clear();
    const text = make();
    this.#texts.set(key, text);
    return text;
  }
}

const ipv4Texts = new TextsByNumber();

/** Dotted quad of the 4 bytes at `offset`. */
export function internedIpv4(bytes: Uint8Array, offset: number): string {
  return ipv4Texts.get(word(bytes, offset), () => ipv4FromBytes(bytes, offset));
}

const macTexts = new TextsByNumber();

/** Colon-separated text of the 6 bytes at `offset`. */
export function internedMac(bytes: Uint8Array, offset: number): string {
  const low = ((bytes[offset + 4] as number) << 8) | (bytes[offset + 5] as number);
  return macTexts.get(word(bytes, offset) * 0x1_0000 + low, () => macFromBytes(bytes, offset));
}

function word(bytes: Uint8Array, offset: number): number {
  const high = ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
  return high * 0x1_0000 + (((bytes[offset + 2] as number) << 8) | (bytes[offset + 3] as number));
}

interface KnownBytes {
  readonly bytes: Uint8Array;
  readonly text: string;
}

const known = new Map<number, KnownBytes>();

/** The text that `make` gives for the bytes in `[start, end)`; it must depend on nothing else. */
export function internedBytes(bytes: Uint8Array, start: number, end: number, make: () => string): string {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  const entry = known.get(hash);
  if (entry !== undefined && isSame(entry.bytes, bytes, start, end)) return entry.text;
  if (known.size >= MOST_ENTRIES) known.clear();
  const text = make();
  known.set(hash, { bytes: bytes.slice(start, end), text });
  return text;
}

function isSame(one: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (one.length !== end - start) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== bytes[start + i]) return false;
  return true;
}
