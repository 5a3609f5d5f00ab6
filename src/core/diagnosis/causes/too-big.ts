/**
 * Larger than the next link's MTU, and it must not be fragmented: IPv4 with DF ("fragmentation needed"), IPv6 always ("packet too
 * big"). The answer names the MTU; where a firewall on the way back drops it, the sender tries the same size for ever.
 */
import { word } from "../commands.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { mtuAhead } from "../mtu.ts";

export const tooBig: FindDeath = (journey, circumstances) => {
  if (circumstances.outcome.verdict !== "vanished") return null;
  const packet = journey.last?.packet;
  if (packet === undefined) return null;
  const drop = toldDrop(circumstances, ["PKT_TOO_BIG"]);
  const ahead = mtuAhead(circumstances.routing, circumstances.host);
  const { length } = packet;
  // What receive offload has glued together is cut again, and fits.
  const isSurelyOne = packet.protocol !== "tcp";
  const mayNotBeCut = journey.family === "ip6" || packet.dontFragment === true;
  const isComputed = ahead !== null && length !== null && length > ahead.mtu && mayNotBeCut && isSurelyOne;
  if (drop === null && !isComputed) return null;
  const over = ahead === null ? "the next link's MTU" : `the ${ahead.mtu} bytes that ${ahead.dev} takes`;
  return {
    verdict: "rejected",
    known: drop === null ? "computed" : "told",
    what: `its ${length ?? "?"} bytes are more than ${over}, and it must not be fragmented; the sender was told (${journey.family === "ip6" ? "packet too big" : "fragmentation needed"})`,
    why:
      drop === null
        ? `the MTU is ${ahead?.of === "route" ? "its route's" : "the link's"}`
        : wordsOfDrop(drop),
    try: `ip link show${ahead === null ? "" : ` dev ${word(ahead.dev)}`}; ping -c 1 -M do -s ${Math.max(0, (ahead?.mtu ?? 1280) - 28)} ${packet.dst ?? "DESTINATION"}  # from its source; see that rules let its ICMP answers through`,
    wouldBeWrongIf: "the MTU was changed between the packet and the snapshot",
  };
};
