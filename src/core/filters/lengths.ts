/** Reads `less 100`, `greater 100`, `len <= 100`. */
import { ok, type Result } from "../base/result.ts";
import { type Cursor, problem } from "./cursor.ts";
import type { Comparison, Filter, FilterProblem } from "./filter.ts";
import { takeNumber } from "./numbers.ts";

const MAX_LENGTH = 0xffffffff;

const COMPARISONS: ReadonlyMap<string, Comparison> = new Map([
  ["<", "<"],
  ["<=", "<="],
  ["=", "="],
  ["==", "="],
  ["!=", "!="],
  [">=", ">="],
  [">", ">"],
]);

/** Takes a condition on the length. Despite their names, `less` and `greater` include the number itself. */
export function takeLength(cursor: Cursor): Result<Filter, FilterProblem> {
  const word = cursor.text() ?? "";
  cursor.skip();
  let operator: Comparison | undefined = word === "less" ? "<=" : ">=";
  if (word === "len") {
    operator = COMPARISONS.get(cursor.text() ?? "");
    if (operator === undefined) {
      return problem(cursor.at, "`len` is not compared with anything", "as in `len <= 1280`");
    }
    cursor.skip();
  }
  const bytes = takeNumber(cursor, `\`${word}\``, MAX_LENGTH);
  return bytes.ok ? ok({ kind: "length", operator, bytes: bytes.value }) : bytes;
}
