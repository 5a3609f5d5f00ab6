/**
 * One routing table, looked up as the kernel does: the longest prefix first, and of equal ones the best metric that has a
 * usable way; where none has, the next shorter prefix.
 */

import { addressBits, BITS, contains, firstBits, parsePrefix } from "../packets/prefix.ts";
import { REFUSING } from "./decode/routes.ts";
import type { IpFamily, NextHop, Route } from "./host.ts";
import { DSCP, type RouteQuestion } from "./rule-match.ts";

/** `ways` are those that the kernel chooses from by a hash, or one. */
export type TableAnswer =
  | { readonly kind: "found"; readonly route: Route; readonly ways: readonly NextHop[] }
  /** A route of type blackhole, unreachable, prohibit or throw. */
  | { readonly kind: "refusing"; readonly route: Route }
  | { readonly kind: "nothing" }
  | { readonly kind: "not-known"; readonly why: string };

/** What makes a way unusable beyond its own flags. */
export interface Usability {
  /** `ignore_routes_with_linkdown` is on for the interface. */
  readonly ignoresLinkDown: (dev: string) => boolean;
}

const NOTHING: TableAnswer = { kind: "nothing" };

export class RouteTable {
  readonly #family: IpFamily;
  /** Longest prefixes first; of one prefix, in the kernel's order. */
  readonly #byLength: readonly (readonly [length: number, ReadonlyMap<bigint, readonly Route[]>])[];

  constructor(family: IpFamily, routes: readonly Route[]) {
    this.#family = family;
    const lengths = new Map<number, Map<bigint, Route[]>>();
    for (const route of routes) {
      const prefix = parsePrefix(family, route.dst);
      if (prefix === null) continue;
      const ofLength = lengths.get(prefix.length) ?? new Map<bigint, Route[]>();
      lengths.set(prefix.length, ofLength);
      ofLength.set(prefix.bits, [...(ofLength.get(prefix.bits) ?? []), route]);
    }
    const compare = family === "ip" ? compareIpv4 : compareIpv6;
    for (const ofLength of lengths.values()) for (const same of ofLength.values()) same.sort(compare);
    this.#byLength = [...lengths].sort(([a], [b]) => b - a);
  }

  find(question: RouteQuestion, usability: Usability): TableAnswer {
    const address = addressBits(this.#family, question.dst);
    if (address === null) return { kind: "not-known", why: `${question.dst} is no address` };
    for (const [length, ofLength] of this.#byLength) {
      const routes = ofLength.get(firstBits(address, length, BITS[this.#family]));
      if (routes === undefined) continue;
      const answer =
        this.#family === "ip"
          ? amongIpv4(routes, question, usability)
          : amongIpv6(routes, question, usability);
      if (answer.kind !== "nothing") return answer;
    }
    return NOTHING;
  }
}

/** `net/ipv4/fib_trie.c`, fib_insert_alias: by TOS, the larger first, then by metric. */
function compareIpv4(a: Route, b: Route): number {
  return (b.tos ?? 0) - (a.tos ?? 0) || a.metric - b.metric;
}

/** `net/ipv6/ip6_fib.c`: by source prefix, the longer first, then by metric. */
function compareIpv6(a: Route, b: Route): number {
  return sourceLength(b) - sourceLength(a) || a.metric - b.metric;
}

function sourceLength({ family, src }: Route): number {
  return src === null ? 0 : (parsePrefix(family, src)?.length ?? 0);
}

/** `fib_table_lookup`. A route that refuses does so before its interface is looked at. */
function amongIpv4(routes: readonly Route[], question: RouteQuestion, usability: Usability): TableAnswer {
  for (const route of routes) {
    if (route.tos !== null && (route.tos & DSCP) !== 0) {
      if (question.tos === null)
        return {
          kind: "not-known",
          why: `the route to ${route.dst} is for TOS ${route.tos}, and the packet's is not told`,
        };
      if ((question.tos & DSCP) !== (route.tos & DSCP)) continue;
    }
    if (REFUSING.has(route.type)) return { kind: "refusing", route };
    if (route.nexthops.length === 0)
      return { kind: "not-known", why: `the way of the route to ${route.dst} is not told` };
    const ways = route.nexthops.filter((way) => isUsable(way, question, usability));
    if (ways.length === 0) continue;
    return { kind: "found", route, ways: [...ways, ...otherDefaults(route, routes, question, usability)] };
  }
  return NOTHING;
}

/** Default routes of one metric: the kernel takes one whose router answers (`fib_select_default`). */
function otherDefaults(
  chosen: Route,
  routes: readonly Route[],
  question: RouteQuestion,
  usability: Usability,
): readonly NextHop[] {
  if (chosen.dst !== "0.0.0.0/0" || chosen.type !== "unicast") return [];
  return routes
    .filter(
      (route) =>
        route !== chosen &&
        route.type === "unicast" &&
        route.metric === chosen.metric &&
        (route.tos ?? 0) === (chosen.tos ?? 0),
    )
    .flatMap(({ nexthops }) =>
      nexthops.filter((way) => way.via !== null && isUsable(way, question, usability)),
    );
}

function isUsable(way: NextHop, { out }: RouteQuestion, { ignoresLinkDown }: Usability): boolean {
  if (way.isDead) return false;
  if (way.isLinkDown && way.dev !== null && ignoresLinkDown(way.dev)) return false;
  return out === null || way.dev === out;
}

/**
 * `find_rr_leaf`: of the best metric that has a usable way, those on the interface that is asked for, or that the packet came
 * in by, are preferred; link-local destinations have to be on it.
 */
function amongIpv6(routes: readonly Route[], question: RouteQuestion, usability: Usability): TableAnswer {
  const fitting = routes.filter(
    ({ family, src }) => src === null || (question.src !== null && contains(family, src, question.src)),
  );
  const wanted = question.out ?? question.in;
  const isStrict = isBoundToInterface(question);
  const isFree = { ...question, out: null };
  for (let at = 0; at < fitting.length; ) {
    const first = fitting[at] as Route;
    const same = fitting.slice(at).filter((route) => compareIpv6(route, first) === 0);
    at += same.length;
    const candidates = same
      .map((route) => ({ route, ways: waysIpv6(route, isFree, usability, isStrict ? wanted : null) }))
      .filter(({ ways }) => ways.length > 0);
    const preferred = candidates.filter(({ ways }) =>
      ways.some((way) => wanted !== null && way.dev === wanted),
    );
    const [best, ...more] = preferred.length > 0 ? preferred : candidates;
    if (best === undefined) continue;
    if (REFUSING.has(best.route.type)) return { kind: "refusing", route: best.route };
    // Ways over routers share the packets by a hash, whatever interface was preferred; others are used in turn.
    const isShared = best.ways.some((way) => way.via !== null);
    const sharing = isShared
      ? candidates.flatMap(({ ways }) => ways.filter((way) => way.via !== null))
      : [best, ...more].filter(({ route }) => route.type === best.route.type).flatMap(({ ways }) => ways);
    return { kind: "found", route: best.route, ways: sharing };
  }
  return NOTHING;
}

const LOOPBACK_WAY: NextHop = { dev: "lo", via: null, weight: 1, isDead: false, isLinkDown: false };

function waysIpv6(
  route: Route,
  question: RouteQuestion,
  usability: Usability,
  only: string | null,
): readonly NextHop[] {
  // Those that refuse hang on loopback.
  const ways = REFUSING.has(route.type) ? [LOOPBACK_WAY] : route.nexthops;
  return ways.filter((way) => isUsable(way, question, usability) && (only === null || way.dev === only));
}

/** An interface that is asked for without a source counts too. */
function isBoundToInterface({ dst, out, src, in: inside }: RouteQuestion): boolean {
  return mustBeOnInterface(dst) || (inside === null && out !== null && src === null);
}

/** `rt6_need_strict`: multicast, link-local and loopback. */
export function mustBeOnInterface(dst: string): boolean {
  const bits = addressBits("ip6", dst) ?? 0n;
  return bits >> 120n === 0xffn || bits >> 118n === 0xfe80n >> 6n || bits === 1n;
}
