/**
 * libnftables' JSON expressions, put back into nft's own words.
 */
import type { Json, Writer } from "./json-value.ts";
import { isObject, plain, quoted, scalar, text } from "./json-value.ts";
import { STATEFUL } from "./nft-json-stateful.ts";

/** An expression's words; null for one without a known form. */
export function expressionText(value: Json | undefined): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return /[\s"]/.test(value) ? quoted(value) : value;
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return value ? "exists" : "missing";
  if (Array.isArray(value)) return partsText(value, ",");
  if (!isObject(value)) return null;
  const entry = Object.entries(value)[0];
  if (entry === undefined) return null;
  const [name, inner] = entry;
  return EXPRESSIONS[name]?.(inner, name) ?? null;
}

/** `jump NAME` */
export const verdictWithTarget: Writer = (value, name) =>
  isObject(value) && typeof value.target === "string" ? `${name} ${value.target}` : null;

const binary: Writer = (value, name) => {
  if (!Array.isArray(value)) return null;
  const parts = value.map((part) => {
    const text = expressionText(part);
    return text !== null && isObject(part) && ["&", "|", "^"].some((op) => op in part) ? `(${text})` : text;
  });
  return parts.some((part) => part === null) ? null : parts.join(` ${name} `);
};

const EXPRESSIONS: Readonly<Record<string, Writer>> = {
  payload: (value) => {
    if (!isObject(value)) return null;
    const tunnel = typeof value.tunnel === "string" ? `${value.tunnel} ` : "";
    if (typeof value.protocol === "string") return `${tunnel}${value.protocol} ${scalar(value.field)}`;
    return `@${scalar(value.base)},${scalar(value.offset)},${scalar(value.len)}`;
  },
  meta: (value) => {
    if (!isObject(value) || typeof value.key !== "string") return null;
    return /^[io]if(name|type|group)?$/.test(value.key) ? value.key : `meta ${value.key}`;
  },
  ct: (value) => {
    if (!isObject(value)) return null;
    return together("ct", [text(value.dir), text(value.family), text(value.key)]);
  },
  fib: (value) => {
    if (!isObject(value)) return null;
    const flags = typeof value.flags === "string" ? value.flags : partsText(value.flags, " . ");
    return together("fib", [flags, text(value.result)]);
  },
  rt: (value) => (isObject(value) ? together("rt", [text(value.family), text(value.key)]) : null),
  socket: (value) => (isObject(value) ? together("socket", [text(value.key)]) : null),
  osf: (value) => (isObject(value) ? together("osf", [text(value.key)]) : null),
  exthdr: (value) => {
    if (!isObject(value)) return null;
    const header = text(value.name) ?? "";
    return value.field === undefined ? `exthdr ${header}` : `${header} ${scalar(value.field)}`;
  },
  "tcp option": (value) =>
    isObject(value) ? together("tcp option", [text(value.name), text(value.field)]) : null,
  "ip option": (value) =>
    isObject(value) ? together("ip option", [text(value.name), text(value.field)]) : null,
  "sctp chunk": (value) =>
    isObject(value) ? together("sctp chunk", [text(value.name), text(value.field)]) : null,
  numgen: (value) => {
    if (!isObject(value)) return null;
    const offset = value.offset === undefined || value.offset === 0 ? "" : ` offset ${scalar(value.offset)}`;
    return `numgen ${scalar(value.mode)} mod ${scalar(value.mod)}${offset}`;
  },
  jhash: (value) => {
    const hashed = isObject(value) ? expressionText(value.expr) : null;
    if (!isObject(value) || hashed === null) return null;
    const seed = value.seed === undefined ? "" : ` seed ${scalar(value.seed)}`;
    const offset = value.offset === undefined || value.offset === 0 ? "" : ` offset ${scalar(value.offset)}`;
    return `jhash ${hashed} mod ${scalar(value.mod)}${seed}${offset}`;
  },
  symhash: (value) => (isObject(value) ? `symhash mod ${scalar(value.mod)}` : null),
  prefix: (value) => {
    const address = isObject(value) ? expressionText(value.addr) : null;
    return isObject(value) && address !== null ? `${address}/${scalar(value.len)}` : null;
  },
  range: (value) => (Array.isArray(value) ? partsText(value, "-") : null),
  concat: (value) => (Array.isArray(value) ? partsText(value, " . ") : null),
  set: (value) => setText(value),
  map: (value) => {
    if (!isObject(value)) return null;
    return infix(value.key, "map", value.data);
  },
  elem: (value) => elementText(value),
  ipsec: (value) => {
    if (!isObject(value)) return null;
    const policy = value.spnum === undefined || value.spnum === 0 ? null : `spnum ${scalar(value.spnum)}`;
    return together("ipsec", [text(value.dir), policy, text(value.family), text(value.key)]);
  },
  "|": binary,
  "&": binary,
  "^": binary,
  "<<": binary,
  ">>": binary,
  accept: plain,
  drop: plain,
  return: plain,
  continue: plain,
  jump: verdictWithTarget,
  goto: verdictWithTarget,
};

/** `{ 22, 80 }`, and of a map `{ 22 : accept }`. */
function setText(value: Json): string | null {
  const elements = Array.isArray(value) ? value : [value];
  const parts = elements.map((element) =>
    Array.isArray(element) && element.length === 2
      ? infix(element[0], ":", element[1])
      : expressionText(element),
  );
  return parts.some((part) => part === null) ? null : `{ ${parts.join(", ")} }`;
}

/** Expressions with a separator between; null when one has no known form. */
export function partsText(value: Json | undefined, separator: string): string | null {
  if (!Array.isArray(value)) return expressionText(value);
  const parts = value.map((part) => expressionText(part));
  return parts.some((part) => part === null) ? null : parts.join(separator);
}

/** The parts that are there, behind a first word; null when none is. */
function together(first: string, parts: readonly (string | null)[]): string | null {
  const words = parts.filter((part): part is string => part !== null);
  return words.length === 0 ? null : `${first} ${words.join(" ")}`;
}

/** Two expressions around a word; null when either has no known form. */
export function infix(left: Json | undefined, word: string, right: Json | undefined): string | null {
  const [before, behind] = [expressionText(left), expressionText(right)];
  return before === null || behind === null ? null : `${before} ${word} ${behind}`;
}

/** A set's element with what it carries: `192.0.2.1 timeout 60s counter packets 0 bytes 0`. */
function elementText(value: Json): string | null {
  if (!isObject(value)) return null;
  const { val, timeout, expires, comment, ...rest } = value;
  const parts = [expressionText(val)];
  if (timeout !== undefined) parts.push(`timeout ${scalar(timeout)}s`);
  if (expires !== undefined) parts.push(`expires ${scalar(expires)}s`);
  if (typeof comment === "string") parts.push(`comment ${quoted(comment)}`);
  for (const [name, inner] of Object.entries(rest)) parts.push(STATEFUL[name]?.(inner, name) ?? null);
  return parts.some((part) => part === null) ? null : parts.join(" ");
}
