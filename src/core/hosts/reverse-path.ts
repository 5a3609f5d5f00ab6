/**
 * The kernel's check of a packet's source (`net/ipv4/fib_frontend.c`, fib_validate_source): where would an answer leave?
 *
 * With `rp_filter` 1 it must leave by the interface that the packet came in by; with 2 any way will do. `all` and the
 * interface's own setting count, the larger of the two. IPv6 has no such check outside of the rules. The mark is asked only
 * with `src_valid_mark`.
 */
import type { Address, HostSnapshot, PolicyRule } from "./host.ts";
import { lookUpRoute, type RouteAnswer, type RouteQuestion, usualRules } from "./route-lookup.ts";
import { eitherOf, largerOfBoth, ofInterface } from "./settings.ts";
import { isVrf, vrfOf } from "./vrf.ts";

export type SourceCheck =
  | { readonly kind: "passes"; readonly mode: number; readonly back: RouteAnswer | null }
  /** `rp_filter` (with its value in `mode`) drops it. `back`: where an answer would go. */
  | { readonly kind: "reverse-path"; readonly mode: number; readonly back: RouteAnswer }
  /** The source is an address of this host's own. */
  | { readonly kind: "own-source"; readonly back: RouteAnswer | null }
  /** The source is a broadcast or multicast address by the routes. */
  | { readonly kind: "odd-source"; readonly back: RouteAnswer }
  | { readonly kind: "not-known"; readonly why: string };

/** @param out the interface that the packet is to leave by; null for one that is for this host */
export function checkSource(host: HostSnapshot, question: RouteQuestion, out: string | null): SourceCheck {
  const { src, in: dev } = question;
  if (src === null || dev === null) return notKnown("its source or its interface is not told");
  const mode = largerOfBoth(host, dev, "rp_filter");
  if (mode === null) return notKnown(`rp_filter of ${dev} was not read`);
  const acceptsOwn = eitherOf(host, dev, "accept_local");
  if (mode === 0 && dev !== out) {
    const short = withoutLookup(host, src, acceptsOwn);
    if (short !== null) return short;
  }
  const usesMark = eitherOf(host, dev, "src_valid_mark");
  if (usesMark === null) return notKnown(`src_valid_mark of ${dev} was not read`);
  const way = wayBack(host, question, out, usesMark);
  const back = lookUpRoute(host, way);
  if (back.kind === "not-known") return back;
  const lastResort = (): SourceCheck =>
    mode === 0 ? { kind: "passes", mode, back } : { kind: "reverse-path", mode, back };
  if (back.kind !== "routed") return lastResort();
  if (back.type === "local") {
    if (acceptsOwn === null) return notKnown(`accept_local of ${dev} was not read`);
    if (!acceptsOwn) return { kind: "own-source", back };
    if (dev === "lo") return { kind: "passes", mode, back };
  } else if (back.type !== "unicast") {
    return { kind: "odd-source", back };
  }
  const ways = back.type === "local" ? (back.route?.nexthops ?? []) : back.ways;
  // Every way of the route counts, also one that the kernel would not choose now.
  const leavesBy = [...ways, ...(back.route?.nexthops ?? [])];
  if (leavesBy.some((hop) => hop.dev === dev || (isVrf(host, dev) && isPartOf(host, hop.dev, dev))))
    return { kind: "passes", mode, back };
  const hasAddress = host.addresses?.some((address) => address.family === "ip" && address.dev === dev);
  if (hasAddress === undefined) return notKnown("the addresses were not listed");
  if (!hasAddress) return lastResort();
  return mode === 1 ? { kind: "reverse-path", mode, back } : { kind: "passes", mode, back };
}

function notKnown(why: string): SourceCheck {
  return { kind: "not-known", why };
}

/**
 * Without rp_filter the kernel looks only whether the source is its own, unless somebody has made local routes or policy
 * rules of his own. Null: the full check follows.
 */
function withoutLookup(host: HostSnapshot, src: string, acceptsOwn: boolean | null): SourceCheck | null {
  if (acceptsOwn === null) return notKnown("accept_local was not read");
  if (acceptsOwn) return { kind: "passes", mode: 0, back: null };
  if (hasCustomRouting(host)) return null;
  const { addresses } = host;
  if (addresses === null) return notKnown("the addresses were not listed");
  return addresses.some((address) => isAddress(address, src))
    ? { kind: "own-source", back: null }
    : { kind: "passes", mode: 0, back: null };
}

function isAddress({ family, address }: Address, src: string): boolean {
  return family === "ip" && address === src;
}

function hasCustomRouting({ routing }: HostSnapshot): boolean {
  const { routes, rules } = routing.ip;
  if (routes?.some((route) => route.type === "local" && route.protocol !== "kernel")) return true;
  if (rules === null) return false;
  const usual = usualRules("ip");
  return rules.length !== usual.length || !rules.every((rule, at) => isSame(rule, usual[at]));
}

function isSame(rule: PolicyRule, other: PolicyRule | undefined): boolean {
  return JSON.stringify(rule) === JSON.stringify(other);
}

/** The packet turned round, as if it came in where the other one leaves. */
function wayBack(
  host: HostSnapshot,
  question: RouteQuestion,
  out: string | null,
  usesMark: boolean,
): RouteQuestion {
  return {
    ...question,
    dst: question.src ?? "",
    src: question.dst,
    in: out,
    out: null,
    mark: usesMark ? question.mark : 0,
    sport: question.dport,
    dport: question.sport,
    uid: 0,
    vrf: vrfName(host, question.in),
  };
}

function vrfName(host: HostSnapshot, dev: string | null): string | null {
  const vrf = vrfOf(host, dev);
  return vrf === null || vrf === "not-known" ? null : vrf.name;
}

function isPartOf(host: HostSnapshot, dev: string | null, vrf: string): boolean {
  return vrfName(host, dev) === vrf;
}

/** Where a person looks: `net.ipv4.conf.all.rp_filter = 1`, whichever of the two is the larger. */
export function settingOfReversePath(host: HostSnapshot, dev: string): string {
  const all = ofInterface(host, "ipv4", "all", "rp_filter") ?? 0;
  const own = ofInterface(host, "ipv4", dev, "rp_filter") ?? 0;
  return all >= own ? "net.ipv4.conf.all.rp_filter" : `net.ipv4.conf.${dev}.rp_filter`;
}
