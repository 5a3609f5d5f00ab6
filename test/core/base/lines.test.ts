import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineSplitter } from "../../../src/core/base/lines.ts";

type Line = readonly [text: string, line: number, cut: number];

function split(chunks: readonly string[], limit?: number): Line[] {
  const lines: Line[] = [];
  const splitter = new LineSplitter((text, line, cut) => void lines.push([text, line, cut]), limit);
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

function texts(...chunks: string[]): string[] {
  return split(chunks).map(([text]) => text);
}

describe("lines", () => {
  test("are numbered from 1 and come without their ends", () => {
    expect(split(["a\nb\n"])).toEqual([
      ["a", 1, 0],
      ["b", 2, 0],
    ]);
  });

  test("a last line needs no end, and an end makes no further line", () => {
    expect(texts("a\nb")).toEqual(["a", "b"]);
    expect(texts("a\n")).toEqual(["a"]);
    expect(texts("")).toEqual([]);
    expect(texts("\n")).toEqual([""]);
  });

  test("CR LF is one end, also when a serial console doubles the CR, also across chunks", () => {
    expect(texts("a\r\nb\r\r\nc")).toEqual(["a", "b", "c"]);
    expect(texts("a\r", "\nb")).toEqual(["a", "b"]);
    expect(texts("a\r", "\r", "\n")).toEqual(["a"]);
  });

  test("a lone CR is an end", () => {
    expect(texts("a\rb\r")).toEqual(["a", "b"]);
    expect(texts("a\r", "b")).toEqual(["a", "b"]);
    expect(texts("a\r\rb")).toEqual(["a", "", "b"]);
  });

  test("a line over the limit comes cut, with the number of characters that were thrown away", () => {
    expect(split(["abcdef\nxy\n"], 4)).toEqual([
      ["abcd", 1, 2],
      ["xy", 2, 0],
    ]);
    expect(split(["ab", "cd", "ef", "gh"], 4)).toEqual([["abcd", 1, 4]]);
    expect(split(["abcd\n"], 4)).toEqual([["abcd", 1, 0]]);
  });

  test("any chunking gives the same lines", () => {
    const pieces = fc.array(fc.constantFrom("a", "bc", "\n", "\r", "\r\n", "é", "\u{1f600}", "TRACE: "), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(
        pieces,
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 9 }),
        (parts, size, limit) => {
          const text = parts.join("");
          const chunks: string[] = [];
          for (let at = 0; at < text.length; at += size) chunks.push(text.slice(at, at + size));
          expect(split(chunks, limit)).toEqual(split([text], limit));
        },
      ),
    );
  });
});
