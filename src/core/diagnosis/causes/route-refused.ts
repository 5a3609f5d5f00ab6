/**
 * A route or a policy rule refuses the destination: `blackhole` says nothing, `unreachable` and `prohibit` tell the sender. The
 * kernel frees it in `ip_error` or `dst_discard` and names no reason, so only the routes can tell it from other deaths there.
 */
import { routeGet } from "../commands.ts";
import type { FindDeath } from "../death.ts";
import { receptionOf } from "../routing.ts";
import { routeName } from "../routing-words.ts";

export const routeRefused: FindDeath = (journey, { outcome, routing }) => {
  if (outcome.verdict !== "vanished") return null;
  const reception = receptionOf(routing);
  if (reception?.kind !== "refused") return null;
  const { how, route, rule } = reception;
  const who =
    route === null ? `policy rule ${rule.priority} (${how})` : `the ${how} route ${routeName(route)}`;
  const isTold = how !== "blackhole";
  const ip = journey.family === "ip6" ? "ip -6" : "ip";
  const dst = journey.last?.packet.dst ?? "its destination";
  return {
    verdict: isTold ? "rejected" : "dropped",
    known: "computed",
    what: `${who} refuses what is for ${dst}; ${isTold ? "the sender was told" : "nobody was told"}`,
    why: `routing comes behind PREROUTING, and ${route === null ? "a policy rule" : "a route"} of this host says ${how}`,
    try: route === null ? `${ip} rule show` : `${ip} route show table all type ${how}; ${routeGet(journey)}`,
    wouldBeWrongIf: "that route or rule was added after the packet came",
  };
};
