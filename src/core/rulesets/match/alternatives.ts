/**
 * The right side of a condition as its alternatives: `22,80:90`, `{ 22, 80-90 }`, `@set`.
 *
 * A named set is read from the table's listing. What rules add to it, or let time out of it, is as it was then.
 */
import { type Answer, type Circumstances, notKnown } from "./answer.ts";

export interface Alternatives {
  readonly kind: "values";
  readonly values: readonly string[];
  /** The set's name, where they are one's elements. */
  readonly set: string | null;
}

/** @param separator what stands between values outside of braces; null: nothing does */
export function alternativesOf(
  value: string,
  { table }: Pick<Circumstances, "table">,
  separator: string | null = ",",
): Alternatives | { readonly kind: "not-known"; readonly answer: Answer } {
  const text = value.trim();
  if (text.startsWith("@")) {
    const name = text.slice(1);
    const values = elementsOf(name, table?.opaque ?? []);
    if (values === null)
      return {
        kind: "not-known",
        answer: notKnown(`the elements of set ${name} are not in the listing: nft list set`),
      };
    return { kind: "values", values, set: name };
  }
  const braced = /^\{(.*)\}$/s.exec(text)?.[1];
  if (braced !== undefined) return { kind: "values", values: splitOutside(braced), set: null };
  const values = separator === null ? [text] : text.split(separator).map((part) => part.trim());
  return { kind: "values", values, set: null };
}

/** Null where the listing does not have the set, or lists it without elements, as `nft -t` does. */
function elementsOf(name: string, objects: readonly string[]): readonly string[] | null {
  for (const text of objects) {
    if (text.startsWith("{")) {
      const found = jsonElements(name, text);
      if (found !== undefined) return found;
      continue;
    }
    if (!text.startsWith(`set ${name} {`)) continue;
    const elements = /elements = \{(.*)\}[;\s]*\}\s*$/s.exec(text)?.[1];
    return elements === undefined ? null : splitOutside(elements).map(withoutExtras);
  }
  return null;
}

/** Undefined: this is another object. */
function jsonElements(name: string, text: string): readonly string[] | null | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const set = (parsed as { set?: { name?: unknown; elem?: unknown } }).set;
  if (set?.name !== name) return undefined;
  if (!Array.isArray(set.elem)) return null;
  const words = set.elem.map(jsonElement);
  return words.some((word) => word === null) ? null : words.filter((word) => word !== null);
}

function jsonElement(element: unknown): string | null {
  if (typeof element === "string" || typeof element === "number") return String(element);
  if (typeof element !== "object" || element === null) return null;
  const { elem, prefix, range, concat } = element as {
    elem?: { val?: unknown };
    prefix?: { addr?: unknown; len?: unknown };
    range?: unknown;
    concat?: unknown;
  };
  if (elem !== undefined) return jsonElement(elem.val);
  if (prefix !== undefined) return `${prefix.addr}/${prefix.len}`;
  const parts = (list: unknown, separator: string) => {
    const words = Array.isArray(list) ? list.map(jsonElement) : [null];
    return words.some((word) => word === null) ? null : words.join(separator);
  };
  if (range !== undefined) return parts(range, "-");
  return concat === undefined ? null : parts(concat, " . ");
}

/** `192.0.2.1 timeout 1h expires 12m comment "x"`: the value alone. */
function withoutExtras(element: string): string {
  return element.replace(/\s+(timeout|expires|comment|counter|limit|quota|ct count|last)\b.*$/s, "").trim();
}

/** Splits at commas that do not stand in quotes. */
function splitOutside(text: string): readonly string[] {
  return [...text.matchAll(/(?:"[^"]*"|[^,"])+/g)]
    .map((part) => part[0].trim())
    .filter((part) => part !== "");
}
