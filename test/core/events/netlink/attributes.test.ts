import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  emptyIndex,
  indexAttributes,
  textAttribute,
  textOf,
  u16Attribute,
  u32Attribute,
  u64Attribute,
} from "../../../../src/core/events/decode/netlink/attributes.ts";
import { bytes } from "../../../support/hex.ts";

function indexOf(hex: string, littleEndian = true) {
  const index = emptyIndex();
  const data = bytes(hex);
  return { index, isWhole: indexAttributes(index, data, 0, data.length, littleEndian) };
}

describe("attributes", () => {
  it("are found by type, whatever stands between them", () => {
    // type 2 "ab" padded, type 40 unknown, type 3 be32
    const { index, isWhole } = indexOf("0700 0200 616200 00  0500 2800 ff000000  0800 0300 00000102");
    expect(isWhole).toBe(true);
    expect(textAttribute(index, 2)).toBe("ab");
    expect(u32Attribute(index, 3)).toBe(0x102);
    expect(u32Attribute(index, 4)).toBeNull();
  });

  it("have lengths in the byte order of their host", () => {
    expect(u32Attribute(indexOf("0008 0003 00000102", false).index, 3)).toBe(0x102);
  });

  it("may carry the nested and byte-order flags in their type", () => {
    expect(u32Attribute(indexOf("0800 0380 00000007").index, 3)).toBe(7);
    expect(u32Attribute(indexOf("0800 0340 00000007").index, 3)).toBe(7);
  });

  it("that are longer than the message, or than nothing at all, are refused", () => {
    expect(indexOf("0900 0300 00000102").isWhole).toBe(false);
    expect(indexOf("0300 0300").isWhole).toBe(false);
    expect(indexOf("0000 0000 0000 0000").isWhole).toBe(false);
  });

  it("shorter than the value asked for give null", () => {
    const { index } = indexOf("0600 0300 0102 0000");
    expect(u16Attribute(index, 3)).toBe(0x102);
    expect(u32Attribute(index, 3)).toBeNull();
    expect(u64Attribute(index, 3)).toBeNull();
  });

  it("hold 64 bits exactly", () => {
    expect(u64Attribute(indexOf("0c00 0300 ffffffff fffffffe").index, 3)).toBe(0xffff_ffff_ffff_fffen);
  });

  it("of one message do not live on in the next", () => {
    const index = emptyIndex();
    const first = bytes("0800 0300 00000102");
    const second = bytes("0800 0400 00000001");
    indexAttributes(index, first, 0, first.length, true);
    indexAttributes(index, second, 0, second.length, true);
    expect(u32Attribute(index, 3)).toBeNull();
  });
});

describe("text", () => {
  const decoded = (data: Uint8Array) => textOf({ bytes: data, start: 0, end: data.length });

  it("is what the platform's decoder says, up to a NUL", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
        const data = new TextEncoder().encode(text);
        expect(decoded(data)).toBe(
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(data).split("\0", 1)[0],
        );
      }),
    );
  });

  it("of bytes that are no UTF-8 keeps every one of them visible", () => {
    expect(decoded(bytes("61 ff 62"))).toBe("a\uFFFDb");
    expect(decoded(bytes("c3"))).toBe("\uFFFD");
    expect(decoded(bytes("c0 80"))).toBe("\uFFFD\uFFFD");
    expect(decoded(bytes("ed a0 80"))).toBe("\uFFFD\uFFFD\uFFFD");
  });

  it("of different bytes is never mixed up by what is remembered", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 3 }), { maxLength: 200 }), (many) => {
        for (const data of many) {
          const ascii = data.map((byte) => (byte % 26) + 97);
          expect(decoded(ascii)).toBe(String.fromCharCode(...ascii));
        }
      }),
    );
  });
});
