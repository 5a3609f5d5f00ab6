/** Who has to answer for a packet on its next link: the router, or the destination itself. */
import type { HostSnapshot } from "../hosts/host.ts";
import type { RoutingNote } from "./routing.ts";

export interface NextHopAddress {
  readonly dev: string;
  readonly address: string;
}

/** Null where nobody knows, where several ways are open, and for what is not sent to one station. */
export function nextHopOf(routing: readonly RoutingNote[]): NextHopAddress | null {
  const note = routing.at(-1);
  if (note === undefined) return null;
  const { decision, question } = note;
  const answer =
    decision.at === "departure"
      ? decision.answer
      : decision.reception.kind === "forward"
        ? decision.reception.route
        : null;
  if (answer?.kind !== "routed" || answer.type !== "unicast") return null;
  const [way, ...more] = answer.ways;
  if (way === undefined || way.dev === null || more.length > 0) return null;
  return { dev: way.dev, address: way.via ?? question.dst };
}

/** Nobody has answered for it yet, as far as the snapshot knows. False where no answer is needed, or nobody knows. */
export function isUnanswered(hop: NextHopAddress | null, host: HostSnapshot | null): boolean {
  if (hop === null || host === null || host.neighbours === null) return false;
  const link = host.links?.find(({ name }) => name === hop.dev);
  if (link === undefined || link.isLoopback || link.mac === null) return false;
  const entry = host.neighbours.find(({ address, dev }) => address === hop.address && dev === hop.dev);
  return entry === undefined || entry.mac === null;
}
