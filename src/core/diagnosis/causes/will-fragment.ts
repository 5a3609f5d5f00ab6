/** Larger than its next link carries, and it may be cut: it goes on in fragments (`ip_fragment`, behind every chain). */
import type { Journey } from "../../journeys/journey.ts";
import type { Diagnose } from "../cause.ts";
import { word } from "../commands.ts";
import { mtuAhead } from "../mtu.ts";

export const willFragment: Diagnose = (journey, { outcome, routing, host }) => {
  if (outcome.verdict !== "forwarded" && outcome.verdict !== "sent") return [];
  const packet = journey.last?.packet;
  const ahead = mtuAhead(routing, host);
  const length = packet?.length ?? null;
  if (packet === undefined || ahead === null || length === null || length <= ahead.mtu) return [];
  // Of a TCP stream, what is longer than the link was glued together on receipt and is cut again into segments.
  if (packet.protocol === "tcp" || packet.dontFragment === true || !mayBeCut(journey)) return [];
  const headers = packet.family === "ip6" ? 48 : 20;
  const room = Math.floor((ahead.mtu - headers) / 8) * 8;
  const count = Math.ceil((length - (packet.family === "ip6" ? 40 : 20)) / room);
  return [
    {
      cause: "will-fragment",
      severity: "info",
      what: `its ${length} bytes are more than the ${ahead.mtu} that ${ahead.dev} takes: it leaves in ${count} fragments, and behind the first no port is in them`,
      why: `the MTU is ${ahead.of === "route" ? "its route's" : "the link's"}; firewalls that do not put fragments together let only the first match a rule for ports`,
      try: `ip link show dev ${word(ahead.dev)}; tcpdump -ni ${word(ahead.dev)} 'ip[6:2] & 0x3fff != 0'; nstat -az IpFragCreates IpFragFails`,
      evidence: [journey.steps.length - 1],
      wouldBeWrongIf: "the MTU was changed between the packet and the snapshot",
    },
  ];
};

/** IPv6 is cut by its sender alone; a router that put fragments together sends them on as such again. */
function mayBeCut(journey: Journey): boolean {
  return journey.family === "ip" || journey.steps[0]?.hook === "output";
}
