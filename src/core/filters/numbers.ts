/** Numbers in a filter: decimal, or hexadecimal behind `0x`. */
import { ok, type Result } from "../base/result.ts";
import { type Cursor, problem, standing } from "./cursor.ts";
import type { FilterProblem } from "./filter.ts";

/**
 * The value of a number as written; null for anything else. Leading zeros are refused, because libpcap reads `065` in
 * C's way, as octal 53, and hardly anybody who writes it means that.
 */
export function numberFrom(text: string): number | null {
  return /^(0|[1-9]\d{0,11}|0[xX][0-9a-fA-F]{1,8})$/.test(text) ? Number(text) : null;
}

/** Takes a number from 0 to `limit`; `subject` completes "… needs a number". */
export function takeNumber(cursor: Cursor, subject: string, limit: number): Result<number, FilterProblem> {
  const text = cursor.text();
  const value = text === undefined ? null : numberFrom(text);
  if (value !== null && value <= limit) {
    cursor.skip();
    return ok(value);
  }
  if (value !== null) {
    return problem(cursor.at, `${text} is too large for ${subject}`, `use a number from 0 to ${limit}`);
  }
  if (text !== undefined && /^0\d+$/.test(text)) return problem(cursor.at, ...leadingZero(text));
  return problem(
    cursor.at,
    `${subject} needs a number, and ${standing(cursor)} is none`,
    `use a number from 0 to ${limit}`,
  );
}

/** Message and hint for `065`. */
export function leadingZero(text: string): [message: string, hint: string] {
  const decimal = text.replace(/^0+(?=\d)/, "");
  return [`${text} starts with a zero, which tcpdump would read as octal`, `write ${decimal}`];
}
