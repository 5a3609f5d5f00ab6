/**
 * An address that cannot be right on that interface: the host's own as a source, loopback's on a wire, a multicast source. The kernel drops it
 * in `ip_route_input_slow`, and logs it where log_martians is on.
 */
import { word } from "../commands.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { receptionOf } from "../routing.ts";

const REASONS = ["IP_INVALID_SOURCE", "IP_LOCAL_SOURCE", "IP_LOCALNET", "IP_INVALID_DEST"] as const;

export const martian: FindDeath = (journey, circumstances) => {
  if (circumstances.outcome.verdict !== "vanished") return null;
  const drop = toldDrop(circumstances, REASONS);
  const reception = receptionOf(circumstances.routing);
  if (drop === null && reception?.kind !== "martian") return null;
  const packet = journey.last?.packet;
  const which =
    reception?.kind === "martian"
      ? reception.which
      : drop?.reason === "IP_INVALID_DEST"
        ? "destination"
        : "source";
  const address = (which === "source" ? packet?.src : packet?.dst) ?? "its address";
  const dev = journey.first?.in ?? null;
  const setting = dev === null ? "all" : word(dev);
  return {
    verdict: "dropped",
    known: drop === null ? "computed" : "told",
    what: `a martian: ${address} cannot be the ${which} of a packet${dev === null ? "" : ` that comes in by ${dev}`}; nobody was told`,
    why: [
      ...(drop === null ? [] : [wordsOfDrop(drop)]),
      ...(reception?.kind === "martian" ? [reception.why] : []),
    ].join("; "),
    try: `ip addr | grep -F ${word(address)}; sysctl -w net.ipv4.conf.${setting}.log_martians=1  # the kernel log then names them; undo: =0`,
    wouldBeWrongIf: "the host's addresses were changed between the packet and the snapshot",
  };
};
