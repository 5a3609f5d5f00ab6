/**
 * Netlink's way of putting values into a message: type, length, value, padded to four bytes.
 *
 * Lengths and types are in the host's byte order, values of netfilter in network order. An index of one message is
 * filled in place and used again for the next, because hundreds of thousands of messages a second pass here.
 */
import { type Slice, u16, u32 } from "../../../packets/decode/bytes.ts";
import { internedBytes } from "../../../packets/decode/intern.ts";

/** No attribute of netfilter's trace or log messages has a number above this. */
const MAX_TYPE = 31;
const TYPE_MASK = 0x3fff;
const HEADER = 4;

export interface AttributeIndex {
  bytes: Uint8Array;
  /** Offset of the value by type; -1 for an absent attribute. */
  readonly offset: Int32Array;
  readonly length: Int32Array;
}

export function emptyIndex(): AttributeIndex {
  return {
    bytes: new Uint8Array(0),
    offset: new Int32Array(MAX_TYPE + 1).fill(-1),
    length: new Int32Array(MAX_TYPE + 1),
  };
}

/**
 * Points `index` at the attributes in `[start, end)`. Types above 31 are skipped, of a repeated type the last counts.
 * False when an attribute does not fit: nothing behind a wrong length can be trusted.
 */
export function indexAttributes(
  index: AttributeIndex,
  bytes: Uint8Array,
  start: number,
  end: number,
  littleEndian: boolean,
): boolean {
  index.bytes = bytes;
  index.offset.fill(-1);
  let at = start;
  while (at + HEADER <= end) {
    const length = hostU16(bytes, at, littleEndian);
    const type = hostU16(bytes, at + 2, littleEndian) & TYPE_MASK;
    if (length < HEADER || at + length > end) return false;
    if (type <= MAX_TYPE) {
      index.offset[type] = at + HEADER;
      index.length[type] = length - HEADER;
    }
    at += (length + 3) & ~3;
  }
  return at >= end;
}

export function has(index: AttributeIndex, type: number): boolean {
  return (index.offset[type] as number) >= 0;
}

/** The value's bytes; null when the attribute is absent. */
export function sliceAttribute(index: AttributeIndex, type: number): Slice | null {
  const start = index.offset[type] as number;
  if (start < 0) return null;
  return { bytes: index.bytes, start, end: start + (index.length[type] as number) };
}

/** Network-order values; null when the attribute is absent or shorter. */
export function u8Attribute(index: AttributeIndex, type: number): number | null {
  const slice = sliceAttribute(index, type);
  return slice === null || slice.end === slice.start ? null : (slice.bytes[slice.start] as number);
}

export function u16Attribute(index: AttributeIndex, type: number): number | null {
  const slice = sliceAttribute(index, type);
  return slice === null ? null : u16(slice, 0);
}

export function u32Attribute(index: AttributeIndex, type: number): number | null {
  const slice = sliceAttribute(index, type);
  return slice === null ? null : u32(slice, 0);
}

export function u64Attribute(index: AttributeIndex, type: number): bigint | null {
  const slice = sliceAttribute(index, type);
  if (slice === null) return null;
  const high = u32(slice, 0);
  const low = u32(slice, 4);
  if (high === null || low === null) return null;
  return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
}

/** Text up to its NUL or the attribute's end; null when the attribute is absent. */
export function textAttribute(index: AttributeIndex, type: number): string | null {
  const slice = sliceAttribute(index, type);
  return slice === null ? null : textOf(slice);
}

/**
 * UTF-8 text up to a NUL or the end. Bytes that are no UTF-8 become U+FFFD one by one: names and prefixes are any
 * bytes that somebody gave to the kernel.
 */
export function textOf(slice: Slice): string {
  return internedBytes(slice.bytes, slice.start, slice.end, () => decodeText(slice));
}

function decodeText(slice: Slice): string {
  const { bytes, end } = slice;
  let text = "";
  let at = slice.start;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte === 0) break;
    if (byte < 0x80) {
      text += String.fromCharCode(byte);
      at += 1;
      continue;
    }
    const length = sequenceLength(byte);
    const point = length === 0 || at + length > end ? -1 : codePoint(bytes, at, length);
    text += point < 0 ? "\uFFFD" : String.fromCodePoint(point);
    at += point < 0 ? 1 : length;
  }
  return text;
}

function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/** The shortest code point that needs a sequence of 2, 3, 4 bytes: anything below was spelled too long. */
const SHORTEST: readonly number[] = [0, 0, 0x80, 0x800, 0x1_0000];

function codePoint(bytes: Uint8Array, at: number, length: number): number {
  let point = (bytes[at] as number) & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    const byte = bytes[at + i] as number;
    if ((byte & 0xc0) !== 0x80) return -1;
    point = (point << 6) | (byte & 0x3f);
  }
  const isSurrogate = point >= 0xd800 && point <= 0xdfff;
  return isSurrogate || point > 0x10_ffff || point < (SHORTEST[length] as number) ? -1 : point;
}

export function hostU16(bytes: Uint8Array, at: number, littleEndian: boolean): number {
  const first = bytes[at] as number;
  const second = bytes[at + 1] as number;
  return littleEndian ? first | (second << 8) : (first << 8) | second;
}

export function hostU32(bytes: Uint8Array, at: number, littleEndian: boolean): number {
  const one = hostU16(bytes, at, littleEndian);
  const two = hostU16(bytes, at + 2, littleEndian);
  return littleEndian ? two * 0x1_0000 + one : one * 0x1_0000 + two;
}
