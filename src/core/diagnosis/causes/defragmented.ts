/**
 * The packet is longer than its link carries: it came in fragments.
 *
 * Conntrack puts fragments together at priority −400, before raw (−300) sees them (`net/ipv4/netfilter/nf_defrag_ipv4.c`).
 * TCP is left out: there, receive offload (GRO) glues segments of one stream, which looks the same.
 */
import type { Diagnose } from "../cause.ts";
import { mtuAhead } from "../mtu.ts";

/** What nearly every link carries, where no snapshot tells. */
const USUAL_MTU = 1500;

export const defragmented: Diagnose = (journey, { host, routing }) => {
  const at = journey.steps.findIndex((step) => step.hook === "prerouting" && step.sighting?.in != null);
  const sighting = journey.steps[at]?.sighting;
  if (sighting == null || sighting.in === null || sighting.in === "lo") return [];
  const { length, protocol, dontFragment, udpLength, family } = sighting.packet;
  const known = host?.links?.find(({ name }) => name === sighting.in)?.mtu ?? null;
  const mtu = known ?? USUAL_MTU;
  if (length === null || length <= mtu || protocol === "tcp" || dontFragment === true) return [];
  const headers = family === "ip6" ? 40 : 20;
  const most = mtu - headers - 8;
  const payload = udpLength === null ? null : udpLength - 8;
  const excess =
    payload === null ? "" : ` (${payload} bytes of payload, ${payload - most} more than one takes)`;
  const out = journey.steps.findLast((step) => step.sighting?.out != null)?.sighting?.out;
  // Where the next link's MTU is known, `will-fragment` tells that, and more.
  const isGuessed = mtuAhead(routing, host) === null && out != null && out !== "lo";
  const again = isGuessed ? `; it leaves ${out} in fragments again` : "";
  return [
    {
      cause: "defragmented",
      severity: "info",
      what: `${length} bytes came over ${sighting.in}, which ${known === null ? "likely " : ""}carries ${mtu}${excess}: as fragments, put together before raw saw them${again}`,
      why: "conntrack defragments at priority -400, raw runs at -300",
      try: `ip link show ${sighting.in}; tcpdump -ni ${sighting.in} 'ip[6:2] & 0x3fff != 0'`,
      evidence: [at],
      wouldBeWrongIf:
        known === null
          ? `the MTU of ${sighting.in} is ${length} or more`
          : `${sighting.in} glued datagrams of one flow together (GRO)`,
    },
  ];
};
