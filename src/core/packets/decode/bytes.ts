/**
 * Reading integers out of headers that may end anywhere.
 *
 * A capture stops after some number of bytes, and where it stops is nobody's fault: a field that is not wholly there is
 * null, and the fields before it stand.
 */

/** A stretch of a larger buffer: nothing is copied. `end` is the first offset that does not belong to it. */
export interface Slice {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

export function sliceOf(bytes: Uint8Array): Slice {
  return { bytes, start: 0, end: bytes.length };
}

/** The rest of a slice from `offset` (relative to its start) on; empty when it ends before. */
export function from(slice: Slice, offset: number): Slice {
  return { bytes: slice.bytes, start: Math.min(slice.start + offset, slice.end), end: slice.end };
}

/** At most `length` bytes from the start. */
export function first(slice: Slice, length: number): Slice {
  return { bytes: slice.bytes, start: slice.start, end: Math.min(slice.start + length, slice.end) };
}

export function lengthOf(slice: Slice): number {
  return slice.end - slice.start;
}

/** Octet at `offset`; null behind the end. */
export function u8(slice: Slice, offset: number): number | null {
  const at = slice.start + offset;
  return at < slice.end ? (slice.bytes[at] as number) : null;
}

/** 16 bits in network order at `offset`; null when they are not both there. */
export function u16(slice: Slice, offset: number): number | null {
  const at = slice.start + offset;
  if (at + 2 > slice.end) return null;
  return ((slice.bytes[at] as number) << 8) | (slice.bytes[at + 1] as number);
}

/** 32 bits in network order at `offset`, unsigned; null when they are not all there. */
export function u32(slice: Slice, offset: number): number | null {
  const at = slice.start + offset;
  if (at + 4 > slice.end) return null;
  const { bytes } = slice;
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  const low = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  return high * 0x1_0000 + low;
}
