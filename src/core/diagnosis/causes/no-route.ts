/**
 * No table has a route to the destination. IPv4 frees it in `ip_error` and answers "network unreachable"; IPv6 in
 * `ip6_pkt_discard` with "no route to destination". Its sender is told, unless ICMP is limited or dropped on its way.
 */
import { routeGet } from "../commands.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { receptionOf } from "../routing.ts";

export const noRoute: FindDeath = (journey, circumstances) => {
  if (circumstances.outcome.verdict !== "vanished") return null;
  const drop = toldDrop(circumstances, ["IP_INNOROUTES"]);
  const reception = receptionOf(circumstances.routing);
  if (drop === null && reception?.kind !== "no-route") return null;
  const dst = journey.last?.packet.dst ?? "its destination";
  const assumptions = reception?.kind === "no-route" ? reception.assumptions : [];
  return {
    verdict: "rejected",
    known: drop === null ? "computed" : "told",
    what: `this host has no route to ${dst}; the sender was told that it is unreachable`,
    why: drop === null ? ["none of its routes leads there", ...assumptions].join("; ") : wordsOfDrop(drop),
    try: routeGet(journey),
    wouldBeWrongIf: "a route was added between the packet and the snapshot",
  };
};
