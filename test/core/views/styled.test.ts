import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pad, span, widthOf, wrap } from "../../../src/core/views/styled.ts";

describe("wrap", () => {
  test("text that fits is one line, and a pipe has no limit", () => {
    expect(wrap("a b c", 5)).toEqual(["a b c"]);
    expect(wrap("a ".repeat(500), Number.POSITIVE_INFINITY)).toHaveLength(1);
  });

  test("breaks at spaces, and never inside a word", () => {
    expect(wrap("-j DNAT --to-destination 172.18.0.2:10370", 23)).toEqual([
      "-j DNAT",
      "--to-destination",
      "172.18.0.2:10370",
    ]);
  });

  test("wide characters count as two", () => {
    expect(widthOf("防火墙")).toBe(6);
    expect(wrap("防火墙 防火墙", 8)).toEqual(["防火墙", "防火墙"]);
    expect(widthOf(pad("防", 5))).toBe(5);
  });

  test("loses nothing, and only words that are too long run over", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1 })),
        fc.integer({ min: 1, max: 60 }),
        (words, columns) => {
          const text = words.join(" ");
          const lines = wrap(text, columns);
          expect(lines.join(" ")).toBe(text);
          for (const line of lines)
            expect(widthOf(line) <= columns || !line.includes(" ") || line.trim() !== line).toBe(true);
        },
      ),
    );
  });
});

test("a span cannot carry an escape sequence or a line's end", () => {
  expect(span("a\u001b[31mb\nc\u202ed").text).toBe("a\\x1b[31mb\\nc\\u202ed");
});
