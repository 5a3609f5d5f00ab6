/**
 * Not for this host, and forwarding is off: globally, or on the interface it came in by.
 *
 * IPv4 looks at the interface's own setting (`IN_DEV_FORWARD`), frees in `ip_error` and counts IpInAddrErrors. IPv6 looks at
 * `all` (`ip6_forward`) and tells nobody.
 */
import { word } from "../commands.ts";
import { type FindDeath, toldDrop, wordsOfDrop } from "../death.ts";
import { receptionOf } from "../routing.ts";

export const forwardingOff: FindDeath = (journey, circumstances) => {
  const { routing, outcome } = circumstances;
  if (outcome.verdict !== "vanished") return null;
  const drop = toldDrop(circumstances, ["IP_INADDRERRORS"], ["ip_error"]);
  const reception = receptionOf(routing);
  if (drop === null && reception?.kind !== "forwarding-off") return null;
  const dev = reception?.kind === "forwarding-off" ? reception.dev : (drop?.device ?? null);
  const packet = journey.last?.packet;
  return {
    verdict: "dropped",
    known: drop === null ? "computed" : "told",
    what: `${packet?.dst ?? "its destination"} is no address of this host, and forwarding is off${dev === null ? "" : ` for what comes in by ${dev}`}; nobody was told`,
    why: drop === null ? `${setting(journey.family, dev)} was 0` : wordsOfDrop(drop),
    try: `sysctl ${setting(journey.family, dev)} net.ipv4.ip_forward  # and who sets it: grep -rs forward /etc/sysctl* /etc/systemd/network`,
    wouldBeWrongIf: "forwarding was switched on before the packet came",
  };
};

function setting(family: string, dev: string | null): string {
  if (family === "ip6") return "net.ipv6.conf.all.forwarding";
  return `net.ipv4.conf.${dev === null ? "all" : word(dev)}.forwarding`;
}
