/**
 * The frame was for another station: its MAC address is not that of the interface. A capture shows it (PACKET_OTHERHOST), and the
 * stack leaves it alone before any hook. Seen with a stale ARP entry of the sender, a moved address, a switch that floods.
 */
import { word } from "../commands.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";

export const wrongMac: FindDeath = (journey, circumstances) => {
  const { besides } = circumstances;
  const frame = besides.wire.find(({ direction }) => direction === "other-station") ?? null;
  const drop = toldDrop(circumstances, ["OTHERHOST"]);
  // A port of a bridge takes frames for others, and passes them on.
  const isOwn = besides.wire.some(({ direction }) => direction !== "other-station");
  if (journey.steps.length > 0 || isOwn || (frame === null && drop === null)) return null;
  const dev = frame?.interface ?? drop?.device ?? null;
  const packet = journey.first?.packet;
  const sender = frame?.sighting.packet.link?.source ?? null;
  return {
    verdict: "dropped",
    known: "told",
    what: `the frame${sender === null ? "" : ` from ${sender}`} on ${dev ?? "the link"} was for another station's MAC address; no hook ever saw it, and nobody was told`,
    why: drop === null ? "the capture has it as meant for another station" : wordsOfDrop(drop),
    try: `tcpdump -eni ${dev === null ? "any" : word(dev)} host ${packet?.dst ?? "DESTINATION"}; ip link show${dev === null ? "" : ` dev ${word(dev)}`}  # compare the addresses; on the sender: ip neigh`,
    wouldBeWrongIf: "the interface is meant to see others' frames (a bridge, promiscuous mode)",
  };
};
