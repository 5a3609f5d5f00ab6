/**
 * Its TTL or hop limit ran out here: what comes in with 1 is not forwarded (`ip_forward`, `ip6_forward`), and the sender is told with
 * "time exceeded". That is how traceroute works.
 */
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { receptionOf } from "../routing.ts";

export const ttlExpired: FindDeath = (journey, circumstances) => {
  if (circumstances.outcome.verdict !== "vanished") return null;
  const packet = journey.last?.packet;
  const ttl = packet?.ttl ?? null;
  if (ttl === null || ttl > 1) return null;
  const drop = toldDrop(circumstances, ["IP_INHDR", "NOT_SPECIFIED"], ["ip_forward", "ip6_forward"]);
  const reception = receptionOf(circumstances.routing);
  if (drop === null && reception?.kind !== "forward") return null;
  const name = journey.family === "ip6" ? "hop limit" : "TTL";
  return {
    verdict: "rejected",
    known: drop === null ? "computed" : "told",
    what: `it came with a ${name} of ${ttl}, which ran out here; the sender was told (time exceeded)`,
    why: [
      ...(drop === null ? [] : [wordsOfDrop(drop)]),
      `a packet with a ${name} of 1 is delivered here or not at all, and this one was for ${packet?.dst ?? "another host"}`,
    ].join("; "),
    try: `traceroute -n ${packet?.dst ?? "DESTINATION"}  # from its source: too many hops, or a loop?`,
    wouldBeWrongIf: "a rule raised its TTL behind the last step shown",
  };
};
