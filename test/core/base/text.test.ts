import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isProbablyBinary, printable } from "../../../src/core/base/text.ts";

describe("printable", () => {
  test.each([
    ["an escape sequence", "\x1b[2J", "\\x1b[2J"],
    ["C0 controls", "a\x00\x07b", "a\\x00\\x07b"],
    ["tab, newline, return", "a\tb\nc\rd", "a\\tb\\nc\\rd"],
    ["DEL and C1", "\x7f\x9b31m", "\\x7f\\x9b31m"],
    ["a bidi override", "drop\u202etpecca", "drop\\u202etpecca"],
    ["bidi isolates and marks", "\u2066a\u2069\u200f\u061c", "\\u2066a\\u2069\\u200f\\u061c"],
    ["zero-width characters", "eth\u200b0\ufeff", "eth\\u200b0\\ufeff"],
    ["line and paragraph separators", "a\u2028b\u2029c", "a\\u2028b\\u2029c"],
    ["a high surrogate alone", "a\ud83d", "a\\ud83d"],
    ["a low surrogate alone", "\ude00b", "\\ude00b"],
    ["invisible tags", "x\u{e0041}y", "x\\u{e0041}y"],
  ])("writes out %s", (_what, text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  test.each([
    ["plain ASCII ~"],
    ["Grüße, фев, 防火墙, עברית"],
    ["\u{1f600} and 𝄞"],
    ["\u00a0 no-break space"],
    [""],
  ])("leaves %j as it is", (text) => {
    expect(printable(text)).toBe(text);
  });

  test("ordinary characters survive beside escaped ones", () => {
    expect(printable("防\x1b\u{1f600}\u200b火")).toBe("防\\x1b\u{1f600}\\u200b火");
  });

  test("whatever comes in, nothing that commands a terminal comes out, and a second pass changes nothing", () => {
    const commands = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/u;
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (wild, tame) => {
        const shown = printable(`${wild}${tame}\x1b`);
        expect(shown).not.toMatch(commands);
        expect(printable(shown)).toBe(shown);
      }),
    );
  });
});

describe("isProbablyBinary", () => {
  test("text is not: logs in any language, with colours, tabs and a stray control", () => {
    expect(isProbablyBinary("Aug 24 11:14:47 host kernel: IN=eth0 OUT=\n".repeat(5))).toBe(false);
    expect(isProbablyBinary("\x1b[31mred\x1b[0m\tфев 02 防火墙\r\n\x07")).toBe(false);
    expect(isProbablyBinary(new TextEncoder().encode("фев 02 防火墙\n"))).toBe(false);
    expect(isProbablyBinary("")).toBe(false);
  });

  test("a capture, an archive and random bytes are", () => {
    expect(isProbablyBinary(Uint8Array.of(0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0))).toBe(true);
    expect(isProbablyBinary("text with a \0 in it")).toBe(true);
    const bytes = Uint8Array.from({ length: 512 }, (_, at) => (((at * 2654435761) >>> 11) % 255) | 1);
    expect(isProbablyBinary(bytes)).toBe(true);
    expect(isProbablyBinary("\ufffd\ufffdab\ufffd")).toBe(true);
  });
});
