/**
 * A fragment never came, so the packet was never whole. Where conntrack runs it waits in `nf_ct_frag` before every rule; without, for a packet
 * that is for this host, behind PREROUTING. After `ipfrag_time` it is freed, and the sender told where the first fragment is there.
 */

import { isFragment } from "../../packets/packet.ts";
import type { Circumstances } from "../cause.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { receptionOf } from "../routing.ts";

export const fragmentMissing: FindDeath = (journey, circumstances) => {
  const packet = journey.last?.packet;
  if (packet === undefined || !isFragment(packet)) return null;
  const drop = toldDrop(circumstances, ["FRAG_REASM_TIMEOUT", "FRAG_TOO_FAR", "DUP_FRAG"]);
  const where = whereItWaited(journey.steps.length === 0, circumstances);
  if (drop === null && where === null) return null;
  const came = circumstances.besides.wire
    .filter(({ direction }) => direction === "in")
    .map(({ sighting }) => `${sighting.packet.fragmentOffset ?? "?"}+${sighting.packet.length ?? "?"}`);
  const isFirst = packet.fragmentOffset === 0;
  const isTold = where === "here" && isFirst;
  return {
    verdict: isTold ? "rejected" : "dropped",
    known: "told",
    what: `a fragment of it never came, so it was never whole; ${isTold ? "the sender was told (reassembly time exceeded)" : "nobody was told"}`,
    why:
      drop !== null
        ? wordsOfDrop(drop)
        : where === "conntrack"
          ? `conntrack puts fragments together before any rule, and only ${came.length === 1 ? "this one" : `these`} came (offset+bytes: ${came.join(", ")})`
          : "it is for this host, which puts it together behind PREROUTING, and no whole packet followed",
    try: "nstat -az IpReasmTimeout IpReasmFails IpReasmReqds; sysctl net.ipv4.ipfrag_time  # and see who drops what has no ports: fragments behind the first match no rule for ports",
    wouldBeWrongIf: "the rest came after the trace had ended",
  };
};

function whereItWaited(
  isUnseen: boolean,
  { routing, outcome, besides }: Circumstances,
): "conntrack" | "here" | null {
  if (isUnseen) return besides.wire.some(({ direction }) => direction === "in") ? "conntrack" : null;
  return outcome.verdict === "vanished" && receptionOf(routing)?.kind === "local" ? "here" : null;
}
