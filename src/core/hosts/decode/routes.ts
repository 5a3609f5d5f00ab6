/**
 * Routes as `ip route show` tells them: JSON, or lines that are first brought into the same form.
 *
 * iproute2 leaves out what is usual: the type `unicast`, the table `main`, an IPv4 metric of 0. Which words are in a line
 * depends on the route (`iproute2 ip/iproute.c`, print_route).
 */

import { canonicalAddress, canonicalPrefix, familyOf } from "../../packets/prefix.ts";
import type { IpFamily, NextHop, Route, RouteType } from "../host.ts";
import { Fields, type JsonObject, objectsOf } from "./fields.ts";

const TYPES: ReadonlySet<string> = new Set<RouteType>([
  "unicast",
  "local",
  "broadcast",
  "anycast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
]);

/** Those that name no way, whatever interface `ip` prints with them (IPv6: `dev lo`). */
export const REFUSING: ReadonlySet<RouteType> = new Set<RouteType>([
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
]);

/** One object of `ip -j route show`. Null when it is no route of a kind that is known. */
export function decodeRoute(object: JsonObject, family: IpFamily): Route | null {
  const fields = new Fields(object);
  const type = fields.text("type") ?? "unicast";
  const dst = canonicalPrefix(family, fields.text("dst") ?? "");
  if (!isRouteType(type) || dst === null) return null;
  const from = fields.text("from");
  const metrics = new Fields(Object.assign({}, ...fields.objects("metrics")));
  const nexthops = fields.objects("nexthops");
  const own = decodeNextHop(fields);
  const isRefusing = REFUSING.has(type);
  fields.ignore("cache", "pref", "expires", "error", "nhid", "src", "uid", "users", "age");
  const route = {
    family,
    table: tableName(fields.text("table") ?? "main"),
    type,
    dst,
    src: from === null || from === "default" ? null : canonicalPrefix(family, from),
    nexthops: isRefusing
      ? []
      : nexthops.length > 0
        ? nexthops.map((hop) => decodeNextHop(new Fields(hop)))
        : own,
    prefsrc: fields.text("prefsrc"),
    metric: fields.number("metric") ?? 0,
    tos: fields.number("tos"),
    scope: fields.text("scope"),
    protocol: fields.text("protocol"),
    mtu: metrics.number("mtu"),
  };
  metrics.ignore("lock");
  return { ...route, nexthops: [route.nexthops].flat(), opaque: [...fields.rest(), ...metrics.rest()] };
}

function isRouteType(word: string): word is RouteType {
  return TYPES.has(word);
}

function decodeNextHop(fields: Fields): NextHop {
  const flags = fields.texts("flags");
  const gateway = fields.text("gateway") ?? hostOf(fields.object("via"));
  return {
    dev: fields.text("dev"),
    via: gateway === null ? null : canonicalAddress(gateway),
    weight: fields.number("weight") ?? 1,
    isDead: flags.includes("dead"),
    isLinkDown: flags.includes("linkdown"),
  };
}

function hostOf(via: JsonObject | null): string | null {
  return typeof via?.host === "string" ? via.host : null;
}

/** Numbers of the three tables that every kernel has, as `ip -N` prints them. */
export function tableName(word: string): string {
  return NUMBERED.get(word) ?? word;
}

const NUMBERED: ReadonlyMap<string, string> = new Map([
  ["253", "default"],
  ["254", "main"],
  ["255", "local"],
]);

const VALUED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    dev: "dev",
    table: "table",
    proto: "protocol",
    scope: "scope",
    src: "prefsrc",
    metric: "metric",
    tos: "tos",
    dsfield: "tos",
    from: "from",
    nhid: "nhid",
    pref: "pref",
    expires: "expires",
    error: "error",
    weight: "weight",
  }),
);

/** Metrics, which `ip -j` has in an object of their own. Each can be locked. */
const METRICS: ReadonlySet<string> = new Set([
  "mtu",
  "advmss",
  "window",
  "rtt",
  "rttvar",
  "ssthresh",
  "cwnd",
  "initcwnd",
  "initrwnd",
  "hoplimit",
  "reordering",
  "rto_min",
  "features",
  "quickack",
  "congctl",
]);

const FLAGS: ReadonlySet<string> = new Set([
  "onlink",
  "dead",
  "linkdown",
  "pervasive",
  "offload",
  "trap",
  "notify",
  "unresolved",
  "rt_offload",
  "rt_trap",
  "rt_offload_failed",
]);

/** A line of `ip route show` in the form of its JSON; null when it is no route. An address alone may be one. */
export function routeLine(line: string): JsonObject | null {
  const words = line.trim().split(/\s+/);
  const type = isRouteType(words[0] ?? "") ? words.shift() : undefined;
  const dst = words.shift();
  if (dst === undefined) return null;
  const read = keyedWords(words);
  if (read === null) return null;
  const { object } = read;
  // A route of several ways has a line for each below, and may have nothing else in its own but an address.
  const whole = { ...object, dst, ...(type === undefined ? {} : { type }) };
  return familyOfRoute(whole) === null ? null : whole;
}

/** A line of a route with several ways: `nexthop via 10.1.1.2 dev d0 weight 3`. */
export function nextHopLine(line: string): JsonObject | null {
  const words = line.trim().split(/\s+/);
  return words.shift() === "nexthop" ? (keyedWords(words)?.object ?? null) : null;
}

/** The family of a route in the form of its JSON; null when its destination is no address. */
export function familyOfRoute(object: JsonObject): IpFamily | null {
  const { dst } = object;
  if (typeof dst !== "string") return null;
  return dst === "default" ? familyOfDefault(object) : familyOf(dst.split("/")[0] ?? "");
}

/** `default via fe80::1 dev eth0`: the router tells the family; without one, IPv6 alone prints `pref`. */
function familyOfDefault(object: JsonObject): IpFamily {
  const { gateway, nexthops } = object;
  if (typeof gateway === "string") return familyOf(gateway) ?? "ip";
  if ("pref" in object) return "ip6";
  const ways = objectsOf(nexthops);
  return ways.some((hop) => typeof hop.gateway === "string" && familyOf(hop.gateway) === "ip6")
    ? "ip6"
    : "ip";
}

/** Null when a word is not one that a route can have, or lacks its value: then the line is no route. */
function keyedWords(words: readonly string[]): { readonly object: JsonObject } | null {
  const object: Record<string, unknown> = {};
  const flags: string[] = [];
  const metrics: Record<string, string> = {};
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const key = VALUED.get(word);
    if (FLAGS.has(word)) {
      flags.push(word);
    } else if (word === "via") {
      const family = words[at + 1];
      const isOther = family === "inet" || family === "inet6";
      const host = words[at + (isOther ? 2 : 1)];
      if (host === undefined || familyOf(host) === null) return null;
      if (isOther) object.via = { family, host };
      else object.gateway = host;
      at += isOther ? 2 : 1;
    } else if (METRICS.has(word)) {
      if (words[at + 1] === "lock") at++;
      metrics[word] = words[++at] ?? "";
    } else if (word === "encap") {
      // Its own words follow, until one that is a route's again.
      const start = at;
      while (at + 1 < words.length && !isRouteWord(words[at + 1] ?? "")) at++;
      object.encap = words.slice(start + 1, at + 1).join(" ");
    } else if (key !== undefined && words[at + 1] !== undefined) {
      object[key] = words[++at];
    } else {
      return null;
    }
  }
  object.flags = flags;
  if (Object.keys(metrics).length > 0) object.metrics = [metrics];
  return { object };
}

function isRouteWord(word: string): boolean {
  return VALUED.has(word) || FLAGS.has(word) || METRICS.has(word) || word === "via";
}
