/**
 * Reads a snapshot's file. It may have been cut, edited or made by a newer nfpath, so its shape is looked at before anything
 * relies on it; fields that are missing are not known.
 */
import { ok, type Result, refused } from "../base/result.ts";
import { isObject, type JsonObject } from "./decode/fields.ts";
import { type HostSnapshot, SNAPSHOT_SCHEMA, type Snapshot, unknownHost } from "./host.ts";

export interface SnapshotProblem {
  readonly message: string;
  readonly hint: string;
}

/** Whether a text begins as a snapshot does, of whatever version. */
export function looksLikeSnapshot(text: string): boolean {
  return /^\s*\{\s*"schema"\s*:\s*"nfpath\/snapshot@/.test(text);
}

export function readSnapshot(text: string): Result<Snapshot, SnapshotProblem> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return refused({
      message: "a snapshot that is cut or damaged",
      hint: "copy it again, or take another: nfpath snapshot",
    });
  }
  if (!isObject(document) || document.schema !== SNAPSHOT_SCHEMA) {
    const schema = isObject(document) ? String(document.schema) : "none";
    return refused({
      message: `a snapshot of the form ${schema.slice(0, 60)}, and this nfpath reads ${SNAPSHOT_SCHEMA}`,
      hint: "use the nfpath that made it, or a newer one",
    });
  }
  const hosts = Array.isArray(document.hosts) ? document.hosts : [];
  const wrong = hosts.map(whatIsWrong).find((what) => what !== null);
  if (hosts.length === 0 || wrong !== undefined) {
    return refused({
      message: `a snapshot with ${wrong === undefined ? "no host in it" : `something that is none in it: ${wrong}`}`,
      hint: "take another: nfpath snapshot",
    });
  }
  return ok({
    schema: SNAPSHOT_SCHEMA,
    kernel: typeof document.kernel === "string" ? document.kernel : null,
    hosts: hosts.map((host) => ({ ...unknownHost(null), ...host })),
  });
}

/** Texts that every element of a section has, for those that computations rely on. */
const LISTS: Readonly<Partial<Record<keyof HostSnapshot, readonly string[]>>> = {
  links: ["name"],
  addresses: ["family", "dev", "address"],
  neighbours: ["family", "address", "dev"],
  sockets: ["protocol", "state"],
  forwardingDatabase: ["mac", "dev"],
  multicastGroups: ["family", "dev", "address"],
  rulesets: ["command", "text"],
  absences: ["section", "reason"],
  unread: ["section", "text"],
};

const RECORDS = ["settings", "counters", "linkCounters", "conntrack"] as const;

function isQueueList(value: unknown): boolean {
  return value == null || (Array.isArray(value) && value.every((number) => typeof number === "number"));
}

/** The part that has not the shape of a host's; null when all have. */
function whatIsWrong(host: unknown): string | null {
  if (!isObject(host)) return "a host";
  for (const [section, texts] of Object.entries(LISTS)) if (!isListOf(host[section], texts)) return section;
  for (const section of RECORDS) if (host[section] != null && !isObject(host[section])) return section;
  if (!isQueueList(host.packetQueues)) return "packetQueues";
  const { settings } = host;
  if (isObject(settings) && !Object.values(settings).every((value) => typeof value === "string"))
    return "settings";
  return isObject(host.routing) && isRouting(host.routing.ip) && isRouting(host.routing.ip6)
    ? null
    : "routing";
}

function isListOf(value: unknown, texts: readonly string[]): boolean {
  if (value == null) return true;
  return Array.isArray(value) && value.every((item) => isObject(item) && hasTexts(item, texts));
}

function hasTexts(object: JsonObject, texts: readonly string[]): boolean {
  return texts.every((key) => typeof object[key] === "string");
}

function isRouting(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { routes, tables, rules } = value;
  if (tables !== "all" && !Array.isArray(tables)) return false;
  if (!isListOf(routes, ["family", "table", "type", "dst"]) || !isListOf(rules, ["family"])) return false;
  const hasWays = (route: JsonObject) => isListOf(route.nexthops, []) && Array.isArray(route.opaque);
  const acts = (rule: JsonObject) =>
    typeof rule.priority === "number" && isObject(rule.action) && Array.isArray(rule.opaque);
  return everyObject(routes, hasWays) && everyObject(rules, acts);
}

function everyObject(value: unknown, test: (object: JsonObject) => boolean): boolean {
  return !Array.isArray(value) || value.every((item) => isObject(item) && test(item));
}
