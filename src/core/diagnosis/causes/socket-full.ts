/**
 * The socket's buffer was full: the program does not read as fast as packets come. UDP counts UdpRcvbufErrors and the socket's own
 * drops; a listening TCP socket that has no room for another connection counts TcpExtListenOverflows and lets the client try again.
 */
import type { Packet } from "../../packets/packet.ts";
import type { Circumstances, Diagnose } from "../cause.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { endpoint } from "../flows.ts";
import { socketsFor } from "../sockets.ts";

const REASONS = ["SOCKET_RCVBUFF", "SOCKET_BACKLOG", "PROTO_MEM", "TCP_LISTEN_OVERFLOW"] as const;

export const socketFull: FindDeath = (journey, circumstances) => {
  const packet = journey.last?.packet;
  if (packet === undefined || circumstances.outcome.verdict !== "delivered") return null;
  const drop = toldDrop(circumstances, REASONS);
  if (drop === null) return null;
  return {
    verdict: "dropped",
    known: "told",
    what: `it arrived, and the buffer of the socket at ${endpoint(packet.dst, packet.dport)} was full: the program does not read fast enough; nobody was told`,
    why: wordsOfDrop(drop),
    try: whatToTry(packet),
    wouldBeWrongIf: "it was a copy for another socket (multicast, a sniffer) that was dropped",
  };
};

/** Between two snapshots the socket lost some of what came, this one or others: no death, and a doubt. */
export const socketMayBeFull: Diagnose = (journey, circumstances) => {
  const packet = journey.last?.packet;
  if (packet === undefined || circumstances.outcome.verdict !== "delivered") return [];
  const grown = dropsGrown(packet, circumstances);
  if (grown === 0 || circumstances.isAnswered) return [];
  return [
    {
      cause: "socket-full",
      severity: "warning",
      what: `the socket at ${endpoint(packet.dst, packet.dport)} was full for ${grown} ${grown === 1 ? "packet" : "packets"} while the trace ran: perhaps for this one`,
      why: "its drops grew between the two snapshots; which packets they were only --drops tells",
      try: whatToTry(packet),
      evidence: [journey.steps.length - 1],
      wouldBeWrongIf: "the drops were of other packets than those that were traced",
    },
  ];
};

function dropsGrown(packet: Packet, { host, hostAtEnd }: Circumstances): number {
  if (host === hostAtEnd || packet.protocol !== "udp") return 0;
  const drops = (snapshot: typeof host) =>
    (socketsFor(packet, snapshot) ?? []).reduce((sum, socket) => sum + (socket.drops ?? 0), 0);
  return Math.max(0, drops(hostAtEnd) - drops(host));
}

function whatToTry({ protocol, dport }: Packet): string {
  const flag = protocol === "tcp" ? "t" : "u";
  const counters = protocol === "tcp" ? "TcpExtListenOverflows TcpExtListenDrops" : "UdpRcvbufErrors";
  const port = dport === null ? "" : ` 'sport = :${dport}'`;
  return `nstat -az ${counters}; ss -an${flag}pm${port}  # Recv-Q: what waits to be read; d in skmem: dropped`;
}
