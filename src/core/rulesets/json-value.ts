/**
 * What `JSON.parse` returns, and small readings of it.
 */

/** Anything `JSON.parse` returns. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export type JsonObject = { readonly [key: string]: Json };

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Puts a value into words, given the key it stood under; null where it has no known form. */
export type Writer = (value: Json, name: string) => string | null;

/** The key itself is the word. */
export const plain: Writer = (_, name) => name;

export function text(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}

export function scalar(value: Json | undefined): string {
  return value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
}

export function isExact(value: Json | undefined): boolean {
  return typeof value === "number" && Number.isSafeInteger(value);
}

export function quoted(value: string): string {
  return `"${value}"`;
}
