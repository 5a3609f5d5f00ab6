/**
 * What the kernel decides about a packet that came in, behind PREROUTING: `ip_route_input_slow` and the checks around it, in
 * its order. Addresses that cannot be right first, then the route, then whether it may be forwarded, then its source.
 */

import { addressBits, contains } from "../packets/prefix.ts";
import type { HostSnapshot } from "./host.ts";
import { isJoined } from "./multicast.ts";
import { checkSource, type SourceCheck } from "./reverse-path.ts";
import {
  lookUpRoute,
  type NoRoute,
  type RouteAnswer,
  type Routed,
  type RouteQuestion,
  type RouteRefused,
} from "./route-lookup.ts";
import { eitherOf, isForwarding, ofInterface } from "./settings.ts";
import { isVrf, partsOfVrf } from "./vrf.ts";

export type Reception =
  /** For this host. */
  | { readonly kind: "local"; readonly route: Routed | null; readonly source: SourceCheck | null }
  | { readonly kind: "forward"; readonly route: Routed; readonly source: SourceCheck | null }
  | { readonly kind: "forwarding-off"; readonly route: RouteAnswer; readonly dev: string }
  | NoRoute
  | RouteRefused
  /** To a multicast group that the host has not joined on that interface, and no multicast router runs. */
  | { readonly kind: "not-joined"; readonly group: string; readonly dev: string }
  | { readonly kind: "reverse-path"; readonly route: RouteAnswer | null; readonly source: SourceCheck }
  | {
      readonly kind: "martian";
      /** Which of its addresses cannot be right. */
      readonly which: "source" | "destination";
      readonly why: string;
      readonly source: SourceCheck | null;
    }
  | { readonly kind: "not-known"; readonly why: string };

/** @param question with `in`, the interface that it came in by */
export function receive(host: HostSnapshot, question: RouteQuestion): Reception {
  const { family, in: dev, src } = question;
  if (dev === null || src === null)
    return { kind: "not-known", why: "its source or its interface is not told" };
  return family === "ip" ? receiveIpv4(host, question, dev, src) : receiveIpv6(host, question, dev, src);
}

const isIn = (prefix: string, address: string) => contains("ip", prefix, address);

function receiveIpv4(host: HostSnapshot, question: RouteQuestion, dev: string, src: string): Reception {
  const { dst } = question;
  if (isIn("224.0.0.0/4", src) || src === "255.255.255.255")
    return martian("source", "no host sends from a multicast or broadcast address");
  if (isIn("224.0.0.0/4", dst)) return receiveMulticast(host, question, dev, src);
  const isToAll = dst === "255.255.255.255" || (src === "0.0.0.0" && dst === "0.0.0.0");
  if (!isToAll) {
    if (isIn("0.0.0.0/8", src)) return martian("source", "0.0.0.0/8 is no host's");
    if (isIn("0.0.0.0/8", dst)) return martian("destination", "0.0.0.0/8 is no host's");
    const loopback = loopbackOnTheWire(host, dev, src, dst);
    if (loopback !== null) return loopback;
  } else {
    return ofBroadcast(host, question, null);
  }
  const route = lookUpRoute(host, { ...question, out: null, uid: 0 });
  if (route.kind === "not-known") return route;
  const forwards = isForwarding(host, "ip", dev);
  if (route.kind === "routed" && route.type === "broadcast") return ofBroadcast(host, question, route);
  if (route.kind === "routed" && route.type === "local")
    return ofSource(host, question, null, "local", route);
  // The kernel asks in this order, so a host that forwards nothing says "no route" for whatever route it has.
  if (forwards === null) return { kind: "not-known", why: `forwarding of ${dev} was not read` };
  if (!forwards) return { kind: "forwarding-off", route, dev };
  if (route.kind !== "routed") return route;
  if (route.type !== "unicast") return martian("destination", `its route is of type ${route.type}`);
  return forward(host, question, route);
}

/** Where several ways are open the check of the source is made for the one that was chosen, which nobody here knows. */
function forward(host: HostSnapshot, question: RouteQuestion, route: Routed): Reception {
  const receptions = route.ways.map((way) => ofSource(host, question, way.dev, "forward", route));
  const [first, ...more] = receptions;
  if (first === undefined) return { kind: "not-known", why: "its route names no interface" };
  return more.every((other) => other.kind === first.kind)
    ? first
    : { kind: "not-known", why: "it depends on which of several ways the kernel chooses" };
}

function loopbackOnTheWire(host: HostSnapshot, dev: string, src: string, dst: string): Reception | null {
  const which = isIn("127.0.0.0/8", dst) ? "destination" : isIn("127.0.0.0/8", src) ? "source" : null;
  if (which === null || dev === "lo") return null;
  const allows = eitherOf(host, dev, "route_localnet");
  if (allows === null) return { kind: "not-known", why: `route_localnet of ${dev} was not read` };
  return allows ? null : martian(which, "127.0.0.0/8 never comes over a wire (route_localnet is off)");
}

/** To all hosts of a network. One without a source of its own asks for one, by DHCP say. */
function ofBroadcast(host: HostSnapshot, question: RouteQuestion, route: Routed | null): Reception {
  if (isIn("0.0.0.0/8", question.src ?? "")) return { kind: "local", route, source: null };
  return ofSource(host, { ...question, dst: "0.0.0.0" }, null, "local", route);
}

/** `ip_route_input_rcu` and `ip_mc_validate_source`. Every host that is up is a member of 224.0.0.1. */
function receiveMulticast(host: HostSnapshot, question: RouteQuestion, dev: string, src: string): Reception {
  const { dst, protocol } = question;
  const isLinkWide = isIn("224.0.0.0/24", dst);
  const joined = isJoined(host, dev, { family: "ip", group: dst, src, protocol });
  const isMember = joined ?? (dst === "224.0.0.1" ? true : null);
  if (isMember === null) return { kind: "not-known", why: `whether the host has joined ${dst} is not told` };
  if (!isMember) {
    const routes = isLinkWide ? 0 : ofInterface(host, "ipv4", dev, "mc_forwarding");
    if (routes === 0) return { kind: "not-joined", group: dst, dev };
    return { kind: "not-known", why: "whether a multicast router forwards it is not told: ip mroute show" };
  }
  if (isIn("127.0.0.0/8", src)) {
    const allows = eitherOf(host, dev, "route_localnet");
    if (allows === null) return { kind: "not-known", why: `route_localnet of ${dev} was not read` };
    if (!allows) return martian("source", "127.0.0.0/8 never comes over a wire (route_localnet is off)");
  }
  if (isIn("0.0.0.0/8", src)) {
    return isLinkWide || protocol === "igmp"
      ? { kind: "local", route: null, source: null }
      : martian("source", "0.0.0.0/8 is no host's");
  }
  return ofSource(host, { ...question, dst: "0.0.0.0" }, null, "local", null);
}

function ofSource(
  host: HostSnapshot,
  question: RouteQuestion,
  out: string | null,
  kind: "local",
  route: Routed | null,
): Reception;
function ofSource(
  host: HostSnapshot,
  question: RouteQuestion,
  out: string | null,
  kind: "forward",
  route: Routed,
): Reception;
function ofSource(
  host: HostSnapshot,
  question: RouteQuestion,
  out: string | null,
  kind: "local" | "forward",
  route: Routed | null,
): Reception {
  const source = checkSource(host, question, out);
  switch (source.kind) {
    case "not-known":
      return source;
    case "reverse-path":
      return { kind: "reverse-path", route, source };
    case "own-source":
      return martian("source", "it is an address of this host's own", source);
    case "odd-source":
      return martian("source", "by the routes it is no single host's address", source);
    case "passes":
      return kind === "forward" && route !== null
        ? { kind: "forward", route, source }
        : { kind: "local", route, source };
  }
}

/** `ip6_rcv_core` and `ip6_forward`. A host that forwards nothing drops without a word. */
function receiveIpv6(host: HostSnapshot, question: RouteQuestion, dev: string, src: string): Reception {
  const { dst } = question;
  const source = addressBits("ip6", src);
  const destination = addressBits("ip6", dst);
  if (source === null || destination === null)
    return { kind: "not-known", why: "its addresses are not told" };
  if (source >> 120n === 0xffn) return martian("source", "no host sends from a multicast address");
  if (dev !== "lo" && (source === 1n || destination === 1n))
    return martian(source === 1n ? "source" : "destination", "::1 never comes over a wire");
  const route = lookUpRoute(host, { ...question, out: null, uid: 0 });
  if (route.kind !== "routed") return route;
  if (destination >> 120n === 0xffn) return toGroupIpv6(host, question, dev, src, route);
  if (route.type !== "unicast") return { kind: "local", route, source: null };
  const forwards = isForwarding(host, "ip6", dev);
  if (forwards === null) return { kind: "not-known", why: "net.ipv6.conf.all.forwarding was not read" };
  if (!forwards) return { kind: "forwarding-off", route, dev };
  if (source === 0n || source >> 118n === 0xfe80n >> 6n)
    return martian("source", "what comes from a link-local address stays on its link");
  return { kind: "forward", route, source: null };
}

/** `ip6_mc_input`: what is not joined is not even shown to INPUT. */
function toGroupIpv6(
  host: HostSnapshot,
  { dst, in: own, protocol }: RouteQuestion,
  dev: string,
  src: string,
  route: Routed,
): Reception {
  const on = isVrf(host, dev) ? partsOfVrf(host, dev).map(({ name }) => name) : [own ?? dev];
  const answers = on.map((name) => isJoined(host, name, { family: "ip6", group: dst, src, protocol }));
  const [joined = null, ...more] = answers;
  if (joined === null || more.some((other) => other !== joined))
    return { kind: "not-known", why: `whether the host has joined ${dst} is not told` };
  if (joined) return { kind: "local", route, source: null };
  // Node- and link-local groups are nobody's to forward.
  const isLinkWide = /^ff.[12]:/i.test(dst);
  const routes = isLinkWide ? 0 : ofInterface(host, "ipv6", "all", "mc_forwarding");
  if (routes === 0) return { kind: "not-joined", group: dst, dev };
  return { kind: "not-known", why: "whether a multicast router forwards it is not told: ip -6 mroute show" };
}

function martian(which: "source" | "destination", why: string, source: SourceCheck | null = null): Reception {
  return { kind: "martian", which, why, source };
}
