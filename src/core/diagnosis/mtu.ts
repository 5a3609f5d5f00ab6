/** How large a packet may be on its next link, as a snapshot has it. */
import type { HostSnapshot } from "../hosts/host.ts";
import type { RouteAnswer } from "../hosts/route-lookup.ts";
import type { RoutingNote } from "./routing.ts";

export interface MtuAhead {
  readonly dev: string;
  /** Bytes from the IP header on. */
  readonly mtu: number;
  readonly of: "link" | "route";
}

/** Null where nobody knows, or where several ways with different MTUs are open. */
export function mtuAhead(routing: readonly RoutingNote[], host: HostSnapshot | null): MtuAhead | null {
  const answer = answerOf(routing);
  if (host === null || answer?.kind !== "routed" || answer.type !== "unicast") return null;
  const ways = answer.ways.map(({ dev }) => ofWay(dev, answer.route?.mtu ?? null, host));
  const [first] = ways;
  if (first === undefined || first === null) return null;
  return ways.every((way) => way?.mtu === first.mtu) ? first : null;
}

function answerOf(routing: readonly RoutingNote[]): RouteAnswer | null {
  const decision = routing.at(-1)?.decision;
  if (decision === undefined) return null;
  if (decision.at === "departure") return decision.answer;
  return decision.reception.kind === "forward" ? decision.reception.route : null;
}

function ofWay(dev: string | null, routeMtu: number | null, host: HostSnapshot): MtuAhead | null {
  const linkMtu = host.links?.find(({ name }) => name === dev)?.mtu ?? null;
  if (dev === null || linkMtu === null) return null;
  return routeMtu !== null && routeMtu < linkMtu
    ? { dev, mtu: routeMtu, of: "route" }
    : { dev, mtu: linkMtu, of: "link" };
}
