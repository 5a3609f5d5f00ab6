/** Policy rules as `ip rule` tells them: JSON, or lines that are first brought into the same form. */

import { canonicalPrefix } from "../../packets/prefix.ts";
import type { IpFamily, PolicyAction, PolicyRule, PortRange } from "../host.ts";
import { Fields, type JsonObject } from "./fields.ts";
import { tableName } from "./routes.ts";

/** One object of `ip -j rule show`; null when it has no priority or nothing that it does. */
export function decodePolicyRule(object: JsonObject, family: IpFamily): PolicyRule | null {
  const fields = new Fields(object);
  const priority = fields.number("priority");
  const action = decodeAction(fields);
  if (priority === null || action === null) return null;
  const mark = fields.number("fwmark");
  const mask = fields.number("fwmask");
  fields.ignore("protocol", "realms", "unresolved");
  return {
    family,
    priority,
    isInverted: fields.has("not"),
    from: prefixOf(family, fields.text("src"), fields.number("srclen")),
    to: prefixOf(family, fields.text("dst"), fields.number("dstlen")),
    mark: mark === null && mask === null ? null : { value: mark ?? 0, mask: mask ?? 0xffff_ffff },
    iif: fields.text("iif"),
    oif: fields.text("oif"),
    isDetached: [fields.has("iif_detached"), fields.has("oif_detached")].includes(true),
    tos: fields.number("tos"),
    protocol: fields.text("ipproto"),
    sport: rangeOf(fields, "sport", "sport_start", "sport_end"),
    dport: rangeOf(fields, "dport", "dport_start", "dport_end"),
    uid: rangeOf(fields, "uid", "uid_start", "uid_end"),
    action,
    opaque: fields.rest(),
  };
}

function decodeAction(fields: Fields): PolicyAction | null {
  if (fields.has("l3mdev")) return { kind: "l3mdev" };
  const priority = fields.number("goto");
  if (priority !== null) return { kind: "goto", priority };
  if (fields.has("nop")) return { kind: "nop" };
  const action = fields.text("action");
  if (action === "blackhole" || action === "unreachable" || action === "prohibit") return { kind: action };
  const table = fields.text("table");
  if (table === null) return null;
  return {
    kind: "table",
    table: tableName(table),
    suppressPrefixLength: fields.number("suppress_prefixlen"),
  };
}

/** `ip -j` gives an address and, where it is shorter, a length; a line gives both in one. */
function prefixOf(family: IpFamily, address: string | null, length: number | null): string | null {
  if (address === null || address === "all") return null;
  return canonicalPrefix(family, length === null ? address : `${address}/${length}`);
}

function rangeOf(fields: Fields, one: string, first: string, last: string): PortRange | null {
  const single = fields.number(one);
  const from = fields.number(first);
  const to = fields.number(last);
  if (single !== null) return { from: single, to: single };
  return from === null || to === null ? null : { from, to };
}

const VALUED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    from: "src",
    to: "dst",
    iif: "iif",
    oif: "oif",
    tos: "tos",
    dsfield: "tos",
    dscp: "dscp",
    ipproto: "ipproto",
    goto: "goto",
    suppress_prefixlength: "suppress_prefixlen",
    suppress_ifgroup: "suppress_ifgroup",
    tun_id: "tun_id",
    realms: "realms",
    proto: "protocol",
    table: "table",
  }),
);

/** A line of `ip rule show` in the form of its JSON; null when it is no rule. */
export function policyRuleLine(line: string): JsonObject | null {
  const [, priority, rest] = /^\s*(\d+):\s+(.*)$/.exec(line) ?? [];
  if (rest === undefined || !/^(not )?from \S/.test(rest)) return null;
  const object: Record<string, unknown> = { priority: Number(priority) };
  const words = rest.trim().split(/\s+/);
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const key = VALUED.get(word);
    const value = words[at + 1];
    if (word === "not" || word === "nop") object[word] = null;
    else if (word === "[detached]") object.iif_detached = null;
    else if (word === "[unresolved]") object.unresolved = null;
    else if (word === "blackhole" || word === "unreachable" || word === "prohibit") object.action = word;
    else if (value === undefined) object[word] = null;
    else if (word === "lookup" && value === "[l3mdev-table]") object.l3mdev = words[++at] === "" ? "" : null;
    else if (word === "lookup") object.table = words[++at];
    else if (word === "fwmark") [object.fwmark, object.fwmask] = (words[++at] ?? "").split("/");
    else if (word === "uidrange" || word === "sport" || word === "dport") {
      const [from, to = from] = (words[++at] ?? "").split("-");
      const name = word === "uidrange" ? "uid" : word;
      object[`${name}_start`] = from;
      object[`${name}_end`] = to;
    } else if (key !== undefined) object[key] = words[++at];
    else object[word] = words[++at];
  }
  if (object.fwmask === undefined) delete object.fwmask;
  return object;
}
