/**
 * It arrived, and no socket wants it. UDP: the kernel answers with ICMP "port unreachable" (`__udp4_lib_rcv`, reason NO_SOCKET,
 * UdpNoPorts); TCP: with a reset (`tcp_v4_send_reset`).
 *
 * A snapshot has the sockets of one moment, and a program may have opened its own later: what a snapshot does not have is no
 * proof alone. The kernel's word is, or its reset, or its counters between two snapshots that both lack such a socket.
 */
import type { Journey } from "../../journeys/journey.ts";
import type { Packet } from "../../packets/packet.ts";
import type { Circumstances } from "../cause.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { endpoint } from "../flows.ts";
import { grownBy, socketsFor } from "../sockets.ts";
import { isRequest, isToMany } from "../tuple.ts";

export const noListener: FindDeath = (journey, circumstances) => {
  const { outcome, isRefused } = circumstances;
  const packet = journey.last?.packet;
  if (outcome.verdict !== "delivered" || packet === undefined) return null;
  const drop = toldDrop(circumstances, ["NO_SOCKET"]);
  const listening = socketsFor(packet, circumstances.host);
  // Of a delivered packet its own host tells nothing else: the port, or the protocol, is not there.
  const isToldSo = isRefused && (listening === null || listening.length === 0);
  const counted = isOfOthers(journey, circumstances) ? null : countedBy(packet, circumstances);
  if (drop === null && !isToldSo && counted === null) return null;
  const at = endpoint(packet.dst, packet.dport);
  const flag = packet.protocol === "tcp" ? "t" : "u";
  const isForMany = packet.dst !== null && isToMany(packet.dst);
  const answer = packet.protocol === "tcp" ? "with a reset" : "with ICMP port unreachable";
  return {
    verdict: isForMany ? "dropped" : "rejected",
    known: drop === null && !isToldSo ? "computed" : "told",
    what: `it arrived, and no socket listens at ${packet.protocol ?? ""} ${at}; ${isForMany ? "nobody is told of what is sent to many" : `the kernel refused it ${answer}`}`,
    why: [
      ...(drop === null ? [] : [wordsOfDrop(drop)]),
      ...(isToldSo
        ? [
            `its sender was told by ${packet.protocol === "tcp" ? "a reset" : "an ICMP error"} that no rule made`,
          ]
        : []),
      ...(counted === null ? [] : [counted]),
      ...(listening !== null && listening.length === 0 ? ["the snapshot has no such socket"] : []),
    ].join("; "),
    try: `ss -ln${flag}p${packet.dport === null ? "" : ` 'sport = :${packet.dport}'`}  # does the program run, and on this address and family?`,
    wouldBeWrongIf: "the program had the port open, and closed the connection itself",
  };
};

/** An answer to a program that may have come and gone between the snapshots, with its socket. */
function isOfOthers({ conntrack, first }: Journey, { request, mapping }: Circumstances): boolean {
  if (request !== null || mapping?.direction === "reply" || conntrack?.direction === "reply") return true;
  if (conntrack?.direction === "original") return false;
  const { sport, dport } = first?.packet ?? { sport: null, dport: null };
  return sport !== null && dport !== null && sport < WELL_KNOWN && dport >= EPHEMERAL;
}

/** Ports of services, and those that Linux gives to programs that ask for none. */
const WELL_KNOWN = 1024;
const EPHEMERAL = 32_768;

function countedBy(packet: Packet, { host, hostAtEnd }: Circumstances): string | null {
  const isGone = [host, hostAtEnd].every((snapshot) => socketsFor(packet, snapshot)?.length === 0);
  if (!isGone) return null;
  if (packet.protocol === "udp") {
    const name = packet.family === "ip6" ? "Udp6NoPorts" : "UdpNoPorts";
    const grown = grownBy(name, host, hostAtEnd);
    return grown > 0 ? `${name} grew by ${grown} while the trace ran` : null;
  }
  const grown = isRequest(packet) ? grownBy("TcpOutRsts", host, hostAtEnd) : 0;
  return grown > 0 ? `TcpOutRsts grew by ${grown} while the trace ran` : null;
}
