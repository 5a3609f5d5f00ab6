/**
 * A checksum is wrong. The IP header's is checked before PREROUTING, TCP's and UDP's when a socket is to have the packet; conntrack calls
 * a packet INVALID for it. A host in between does not look.
 */
import { word } from "../commands.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";

const REASONS = ["UDP_CSUM", "TCP_CSUM", "ICMP_CSUM", "IP_CSUM", "SKB_CSUM"] as const;

export const badChecksum: FindDeath = (journey, circumstances) => {
  const { besides, outcome } = circumstances;
  const drop = toldDrop(circumstances, REASONS);
  const frame =
    besides.wire.find(({ direction, checksum }) => direction === "in" && checksum === "wrong") ?? null;
  const isForUs = outcome.verdict === "delivered" || journey.steps.length === 0;
  if (drop === null && (frame === null || !isForUs)) return null;
  const dev = frame?.interface ?? drop?.device ?? journey.first?.in ?? null;
  const protocol = journey.first?.packet.protocol ?? "its";
  return {
    verdict: "dropped",
    known: "told",
    what: `its ${journey.steps.length === 0 ? "IP" : protocol} checksum is wrong; it was thrown away and nobody was told`,
    why: [
      ...(drop === null ? [] : [wordsOfDrop(drop)]),
      ...(frame === null ? [] : [`as it came in by ${frame.interface} its checksum was wrong already`]),
    ].join("; "),
    try: `nstat -az UdpInCsumErrors TcpInCsumErrors IcmpInCsumErrors IpExtInCsumErrors; ethtool -k ${dev === null ? "IFACE" : word(dev)} | grep checksum  # of the sender, and of what lies between`,
    wouldBeWrongIf:
      "the sender's card was still to finish the checksum, and the capture was made on the sender",
  };
};
