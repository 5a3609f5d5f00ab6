/** The JSON of `ip -j`, `bridge -j` and `nstat --json`, into a draft. What it is, its keys tell. */
import type { HostSection, IpFamily, PolicyRule, Route } from "../host.ts";
import type { HostDraft } from "../host-draft.ts";
import { Fields, isObject, type JsonObject, objectsOf } from "./fields.ts";
import { decodeLink } from "./links.ts";
import { decodeMaddress } from "./multicast.ts";
import { decodeNeighbour } from "./neighbours.ts";
import { decodePolicyRule } from "./policy-rules.ts";
import { decodeRoute, familyOfRoute } from "./routes.ts";

/** What the listing is when its words do not say: the command that gave it. */
export interface Listing {
  readonly family: IpFamily | null;
  /** Of `ip route show table X`, which then leaves the table out of every line. */
  readonly table: string | null;
}

export const UNTOLD: Listing = { family: null, table: null };

/** Takes a document that `JSON.parse` returned; false where it is none of these, or empty and so nobody's. */
export function readToolJson(document: unknown, draft: HostDraft, listing: Listing = UNTOLD): boolean {
  if (isObject(document) && isObject(document.kernel)) {
    draft.counters(
      Object.fromEntries(
        Object.entries(document.kernel).filter(
          (entry): entry is [string, number] => typeof entry[1] === "number",
        ),
      ),
    );
    return true;
  }
  const objects = objectsOf(document);
  const [first] = objects;
  if (first === undefined) return false;
  if ("maddr" in first)
    draft.multicastGroups(decodeAll(objects, decodeMaddress, "multicast groups", draft).flat());
  else if ("mac" in first) readForwardingDatabase(objects, draft);
  else if ("ifname" in first) readLinks(objects, draft);
  else if ("priority" in first) readPolicyRules(objects, draft, listing.family);
  else if ("dst" in first && (Array.isArray(first.state) || "lladdr" in first))
    readNeighbours(objects, draft);
  else if ("dst" in first) readRoutes(objects, draft, listing);
  else return false;
  return true;
}

export function readLinks(objects: readonly JsonObject[], draft: HostDraft): void {
  const links = decodeAll(objects, decodeLink, "links", draft);
  draft.links(links.map(({ link }) => link));
  // `ip link` has no such key.
  if (objects.some((object) => "addr_info" in object))
    draft.addresses(links.flatMap(({ addresses }) => addresses));
}

/** One address, of an interface of which nothing else is told. */
export function readAddress(dev: string, info: JsonObject, draft: HostDraft): void {
  draft.addresses(decodeLink({ ifname: dev, addr_info: [info] })?.addresses ?? []);
}

export function readNeighbours(objects: readonly JsonObject[], draft: HostDraft): void {
  draft.neighbours(decodeAll(objects, decodeNeighbour, "neighbours", draft));
}

export function readPolicyRules(
  objects: readonly JsonObject[],
  draft: HostDraft,
  family: IpFamily | null,
): void {
  const of = family ?? familyOfRules(objects);
  draft.policyRules(
    of,
    decodeAll<PolicyRule>(objects, (object) => decodePolicyRule(object, of), "policy rules", draft),
  );
}

/** Addresses tell. Of rules without any, `lookup default` is IPv4's: IPv6 has no such rule of its own. */
export function familyOfRules(objects: readonly JsonObject[]): IpFamily {
  const words = objects.flatMap(({ src, dst }) => [src, dst]).filter((word) => typeof word === "string");
  if (words.some((word) => word.includes(":"))) return "ip6";
  if (words.some((word) => word.includes("."))) return "ip";
  return objects.some(({ table }) => table === "default") ? "ip" : "ip6";
}

export function readRoutes(objects: readonly JsonObject[], draft: HostDraft, listing: Listing): void {
  const { family, table } = listing;
  const given = table !== null && table !== "all" ? table : null;
  const routes = decodeAll<Route>(
    objects,
    (object) => {
      const of = family ?? familyOfRoute(object);
      if (of === null) return null;
      return decodeRoute(given === null || "table" in object ? object : { ...object, table: given }, of);
    },
    "routes",
    draft,
  );
  for (const of of ["ip", "ip6"] as const) {
    const own = routes.filter((route) => route.family === of);
    if (own.length === 0 && family !== of) continue;
    draft.routes(
      of,
      own,
      table === "all" || own.some((route) => route.table === "local") ? "all" : [given ?? "main"],
    );
  }
}

export function readForwardingDatabase(objects: readonly JsonObject[], draft: HostDraft): void {
  const entries = objects.flatMap((object) => {
    const fields = new Fields(object);
    const mac = fields.text("mac");
    const dev = fields.text("ifname");
    if (mac === null || dev === null) return [];
    return [
      { mac, dev, bridge: fields.text("master"), vlan: fields.number("vlan"), state: fields.text("state") },
    ];
  });
  draft.forwardingDatabase(entries);
}

function decodeAll<Value>(
  objects: readonly JsonObject[],
  decode: (object: JsonObject) => Value | null,
  section: HostSection,
  draft: HostDraft,
): readonly Value[] {
  return objects.flatMap((object) => {
    const value = decode(object);
    if (value !== null) return [value];
    draft.unread(section, JSON.stringify(object), "not of a form that nfpath knows");
    return [];
  });
}
