/** What the answer to a packet looks like when it passes here: the other way round, in by the interface this one left by. */
import type { Sighting } from "../events/event.ts";
import type { Journey } from "../journeys/journey.ts";

/** Null where the headers do not tell. */
export function answerExpected(journey: Journey): Sighting | null {
  const { last } = journey;
  if (last === null || last.packet.src === null || last.packet.dst === null) return null;
  const { packet } = last;
  const isMadeHere = !journey.steps.some((step) => step.hook === "forward" || step.hook === "output");
  const goesOut = journey.steps.findLast((step) => step.sighting?.out != null)?.sighting?.out ?? null;
  const cameIn = journey.steps.find((step) => step.sighting?.in != null)?.sighting?.in ?? null;
  return {
    ...last,
    in: isMadeHere ? null : goesOut,
    out: isMadeHere ? cameIn : null,
    physIn: null,
    physOut: null,
    mark: null,
    uid: null,
    gid: null,
    packet: {
      ...packet,
      src: packet.dst,
      dst: packet.src,
      sport: packet.dport,
      dport: packet.sport,
      // Nobody knows these of a packet that has not come.
      length: null,
      ipId: null,
      ttl: null,
      tos: null,
      udpLength: null,
      link: null,
      tcp: packet.tcp === null ? null : { seq: null, ack: null, flags: null, window: null },
      icmp: packet.icmp === null ? null : { ...packet.icmp, type: echoReply(packet.icmp.type) },
    },
  };
}

function echoReply(type: number | null): number | null {
  if (type === 8) return 0;
  return type === 128 ? 129 : null;
}
