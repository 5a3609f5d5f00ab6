/**
 * Nobody answered ARP or neighbour discovery for the next hop. POSTROUTING has let the packet go; it waits, and after some seconds
 * it is freed and the sender told "host unreachable".
 */
import { word } from "../commands.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { nextHopOf } from "../next-hop.ts";

const REASONS = ["NEIGH_FAILED", "NEIGH_QUEUEFULL", "NEIGH_DEAD", "NEIGH_CREATEFAIL"] as const;

export const noNeighbour: FindDeath = (journey, circumstances) => {
  const { outcome, routing, host, hostAtEnd } = circumstances;
  if (outcome.verdict !== "forwarded" && outcome.verdict !== "sent" && outcome.verdict !== "vanished")
    return null;
  const drop = toldDrop(circumstances, REASONS);
  const hop = nextHopOf(routing);
  const states = [host, hostAtEnd].map(
    (snapshot) =>
      snapshot?.neighbours?.find(({ address, dev }) => address === hop?.address && dev === hop.dev)?.state ??
      null,
  );
  const isSilent = hop !== null && states.some((state) => state === "FAILED" || state === "INCOMPLETE");
  if (drop === null && (!isSilent || outcome.verdict === "vanished")) return null;
  const who = hop?.address ?? journey.last?.packet.dst ?? "the next hop";
  const dev = hop?.dev ?? drop?.device ?? null;
  return {
    verdict: "rejected",
    known: drop === null ? "computed" : "told",
    what: `nobody on ${dev ?? "the link"} answered for ${who}; it never left, and the sender was told seconds later (host unreachable)`,
    why:
      drop === null
        ? `the neighbour table has ${who} as ${states.find((state) => state !== null)}`
        : wordsOfDrop(drop),
    try: `ip neigh show to ${word(who)}${dev === null ? "" : `; tcpdump -ni ${word(dev)} ${journey.family === "ip6" ? "icmp6" : "arp"}`}  # is it asked for, and does it answer?`,
    wouldBeWrongIf: "the neighbour answered this packet's request and fell silent afterwards",
  };
};
