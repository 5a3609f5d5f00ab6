/**
 * libnftables' JSON, one statement at a time, put back into nft's own words (libnftables-json(5), nftables 1.0.6 … 1.1).
 *
 * The words are what people read and search for, and what `nft-rule.ts` understands. A part without a known form gives null, and its
 * JSON stands in the rule as it is.
 */
import type { Json, JsonObject, Writer } from "./json-value.ts";
import { isObject, plain, quoted, scalar, text } from "./json-value.ts";
import { expressionText, infix, partsText, verdictWithTarget } from "./nft-json-expressions.ts";
import { STATEFUL } from "./nft-json-stateful.ts";

/** The words of a statement (an element of a rule's `expr`); null for one without a known form. */
export function statementText(statement: Json): string | null {
  if (!isObject(statement)) return null;
  const entry = Object.entries(statement)[0];
  if (entry === undefined) return null;
  const [name, value] = entry;
  const write = STATEMENTS[name];
  return write === undefined ? null : write(value, name);
}

const STATEMENTS: Readonly<Record<string, Writer>> = {
  accept: plain,
  drop: plain,
  return: plain,
  continue: plain,
  notrack: plain,
  jump: verdictWithTarget,
  goto: verdictWithTarget,
  match: (value) => matchText(value),
  counter: (value, name) => named("counter name", value) ?? statefulText(name, value),
  limit: (value, name) => named("limit name", value) ?? statefulText(name, value),
  quota: (value, name) => named("quota name", value) ?? statefulText(name, value),
  log: (value) => logText(value),
  reject: (value) => rejectText(value),
  queue: (value) => queueText(value),
  dnat: (value, name) => translationText(name, value),
  snat: (value, name) => translationText(name, value),
  masquerade: (value, name) => translationText(name, value),
  redirect: (value, name) => translationText(name, value),
  mangle: (value) => {
    if (!isObject(value)) return null;
    return infix(value.key, "set", value.value);
  },
  vmap: (value) => {
    if (!isObject(value)) return null;
    return infix(value.key, "vmap", value.data);
  },
  xt: (value) => {
    if (!isObject(value) || typeof value.type !== "string" || typeof value.name !== "string") return null;
    return `xt ${value.type} ${quoted(value.name)}`;
  },
  flow: (value) =>
    isObject(value) && typeof value.flowtable === "string" ? `flow add ${value.flowtable}` : null,
  "ct helper": (value) => named("ct helper set", value),
  "ct timeout": (value) => named("ct timeout set", value),
  "ct expectation": (value) => named("ct expectation set", value),
  "ct count": (value, name) => statefulText(name, value),
  set: (value) => dynamicSetText(value),
  map: (value) => dynamicSetText(value),
  dup: (value, name) => forwardText(name, value),
  fwd: (value, name) => forwardText(name, value),
  tproxy: (value) => {
    if (!isObject(value)) return null;
    const family = typeof value.family === "string" ? `${value.family} ` : "";
    return `tproxy ${family}to ${endpointText(value) ?? ""}`.trimEnd();
  },
  last: plain,
};

/** An object's name, or the map that chooses one. */
function named(words: string, value: Json): string | null {
  const name = typeof value === "string" ? quoted(value) : expressionText(value);
  return name === null ? null : `${words} ${name}`;
}

function matchText(value: Json): string | null {
  if (!isObject(value)) return null;
  const left = expressionText(value.left);
  const isBitwise =
    isObject(value.left) && ["&", "|", "^", "<<", ">>"].some((op) => op in (value.left as object));
  let right = isName(value.left) ? nameText(value.right) : expressionText(value.right);
  // A list that was no set in the rule's text: `ct state established,related`.
  if (Array.isArray(value.right)) right = partsText(value.right, ",");
  const operator = typeof value.op === "string" ? value.op : "in";
  if (left === null || right === null) return null;
  if (operator === "in" || (operator === "==" && !isBitwise)) return `${left} ${right}`;
  return `${left} ${operator} ${right}`;
}

/** Interfaces are the one kind of plain string that nft quotes. */
function isName(left: Json | undefined): boolean {
  if (!isObject(left) || !isObject(left.meta)) return false;
  return /^([io]if(name)?|[io]brname|sdif(name)?)$/.test(String(left.meta.key));
}

function nameText(right: Json | undefined): string | null {
  if (typeof right === "string") return right.startsWith("@") ? right : quoted(right);
  if (isObject(right) && Array.isArray(right.set)) {
    const names = right.set.map((name) => nameText(name));
    return names.some((name) => name === null) ? null : `{ ${names.join(", ")} }`;
  }
  return expressionText(right);
}

function statefulText(name: string, value: Json): string | null {
  return STATEFUL[name]?.(value, name) ?? null;
}

function logText(value: Json): string | null {
  if (value === null) return "log";
  if (!isObject(value)) return null;
  const parts = ["log"];
  if (typeof value.prefix === "string") parts.push("prefix", quoted(value.prefix));
  for (const key of ["group", "snaplen", "queue-threshold", "level"]) {
    if (value[key] !== undefined) parts.push(key, scalar(value[key]));
  }
  if (value.flags !== undefined) parts.push("flags", expressionText(value.flags) ?? "");
  return parts.join(" ");
}

function rejectText(value: Json): string | null {
  if (value === null) return "reject";
  if (!isObject(value)) return null;
  const type = text(value.type);
  if (type === null) return "reject";
  return type === "tcp reset"
    ? "reject with tcp reset"
    : `reject with ${type} ${expressionText(value.expr) ?? ""}`.trimEnd();
}

function queueText(value: Json): string | null {
  if (value === null) return "queue";
  if (!isObject(value)) return null;
  const flags = value.flags === undefined ? "" : `flags ${expressionText(value.flags) ?? ""} `;
  const number = expressionText(value.num);
  return `queue ${flags}${number === null ? "" : `to ${number}`}`.trimEnd();
}

function translationText(name: string, value: Json): string | null {
  if (value === null) return name;
  if (!isObject(value)) return null;
  const family = typeof value.family === "string" ? ` ${value.family}` : "";
  const prefix = value.type_flags === "prefix" ? " prefix" : "";
  const to = endpointText(value);
  if (to === null && (value.addr !== undefined || value.port !== undefined)) return null;
  const flags = value.flags === undefined ? "" : ` ${expressionText(value.flags) ?? ""}`;
  return `${name}${family}${prefix}${to === null ? "" : ` to ${to}`}${flags}`;
}

/** `192.0.2.1:80`, `[2001:db8::1]:80`, `:80` */
function endpointText(value: JsonObject): string | null {
  const address = expressionText(value.addr);
  const port = expressionText(value.port);
  if (port === null) return address;
  if (address === null) return `:${port}`;
  return address.includes(":") && !address.includes(" ") ? `[${address}]:${port}` : `${address}:${port}`;
}

function dynamicSetText(value: Json): string | null {
  if (!isObject(value)) return null;
  const element = expressionText(value.elem);
  const set = text(value.set ?? value.map);
  if (element === null || set === null) return null;
  const inner = Array.isArray(value.stmt)
    ? value.stmt.map((part) => statementText(part) ?? JSON.stringify(part))
    : [];
  const data = value.data === undefined ? "" : ` : ${expressionText(value.data)}`;
  return `${text(value.op) ?? "add"} ${set} { ${[element, ...inner].join(" ")}${data} }`;
}

function forwardText(name: string, value: Json): string | null {
  if (!isObject(value)) return null;
  const address = expressionText(value.addr);
  const device = expressionText(value.dev);
  if (address === null) return device === null ? null : `${name} to ${device}`;
  return `${name} to ${address}${device === null ? "" : ` device ${device}`}`;
}
