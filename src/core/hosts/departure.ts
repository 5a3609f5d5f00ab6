/**
 * The route of a packet that this host makes (`ip_route_output_key_hash_rcu`, `ip6_route_output_flags`): the look-up, and
 * what the kernel does where a socket is bound to an interface.
 */

import { contains } from "../packets/prefix.ts";
import type { HostSnapshot } from "./host.ts";
import { lookUpRoute, type RouteAnswer, type Routed, type RouteQuestion } from "./route-lookup.ts";
import { mustBeOnInterface } from "./route-table.ts";
import { flowOf, isVrf } from "./vrf.ts";

/** @param question with `in` null */
export function depart(host: HostSnapshot, question: RouteQuestion): RouteAnswer {
  const { family, out, dst } = question;
  if (family === "ip" && dst === "0.0.0.0") return TO_ITSELF;
  if (out !== null) {
    const link = host.links?.find(({ name }) => name === out);
    if (link?.isUp === false) return { kind: "no-route", assumptions: [] };
    // A VRF is no link (`vrf_link_scope_lookup`).
    if (family === "ip6" && mustBeOnInterface(dst) && isVrf(host, out))
      return { kind: "no-route", assumptions: [] };
    if (family === "ip" && isLinkWide(dst)) return onTheLinkOf(out, typeOf(dst));
  }
  if (out === null && family === "ip" && question.src !== null && typeOf(dst) !== "unicast") {
    // Without a route: by the interface that has the source (one that nobody has is for the kernel to refuse).
    const dev = host.addresses?.find(({ address }) => address === question.src)?.dev;
    if (dev !== undefined) return onTheLinkOf(dev, typeOf(dst));
  }
  const answer = lookUpRoute(host, question);
  if (family !== "ip") return answer;
  if (answer.kind === "no-route" || answer.kind === "refused") {
    const flow = flowOf(host, question);
    if (flow.vrf === "not-known")
      return { kind: "not-known", why: `whether ${out} belongs to a VRF was not told` };
    // "Apparently, routing tables are wrong. Assume, that the destination is on link" (net/ipv4/route.c). In a VRF they are right.
    if (flow.out !== null && (flow.vrf === null || typeOf(dst) === "multicast"))
      return onTheLinkOf(flow.out, typeOf(dst));
    return answer;
  }
  if (answer.kind !== "routed" || answer.type !== "unicast") return answer;
  return { ...answer, type: typeOf(dst) };
}

/** "Any" as a destination is this host. */
const TO_ITSELF: Routed = {
  kind: "routed",
  type: "local",
  ways: [],
  route: null,
  rule: null,
  assumptions: [],
};

/** 255.255.255.255 and 224.0.0.0/24 stay on the link whatever the routes say. */
function isLinkWide(dst: string): boolean {
  return dst === "255.255.255.255" || contains("ip", "224.0.0.0/24", dst);
}

function typeOf(dst: string): "broadcast" | "multicast" | "unicast" {
  if (dst === "255.255.255.255") return "broadcast";
  return contains("ip", "224.0.0.0/4", dst) ? "multicast" : "unicast";
}

function onTheLinkOf(dev: string, type: Routed["type"]): Routed {
  const way = { dev, via: null, weight: 1, isDead: false, isLinkDown: false };
  return { kind: "routed", type, ways: [way], route: null, rule: null, assumptions: [] };
}
