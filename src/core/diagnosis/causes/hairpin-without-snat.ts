/**
 * Sent back into the network that it came from, to another address there, with its source as it was: the answer goes straight to the
 * client, past the host that translated, from an address that the client never asked. The client throws it away.
 */
import type { HostSnapshot } from "../../hosts/host.ts";
import { contains, familyOf } from "../../packets/prefix.ts";
import type { Diagnose } from "../cause.ts";
import { word } from "../commands.ts";

export const hairpinWithoutSnat: Diagnose = (journey, { outcome, host }) => {
  const { first, last } = journey;
  const dev = first?.in ?? null;
  if (outcome.verdict !== "forwarded" || dev === null || outcome.out !== dev) return [];
  const [was, is] = [first?.packet, last?.packet];
  if (was == null || is == null || was.dst === is.dst || was.src !== is.src) return [];
  if (!areNeighbours(is.src, is.dst, dev, host)) return [];
  const at = journey.steps.findIndex(({ changes }) => changes.some(({ field }) => field === "dst"));
  const command = journey.family === "ip6" ? "ip6tables" : "iptables";
  return [
    {
      cause: "hairpin-without-snat",
      severity: "warning",
      what: `it goes back out by ${dev}, where it came from, to ${is.dst}: that answers ${is.src} directly and not through here, from an address that ${is.src} never asked (it asked ${was.dst})`,
      why: "its destination was translated and its source was not, and both are neighbours on that link",
      try: `${command} -t nat -S POSTROUTING  # a rule that would help: -s ${word(is.src ?? "SOURCE")} -d ${word(is.dst ?? "DESTINATION")} -o ${word(dev)} -j MASQUERADE`,
      evidence: [Math.max(0, at)],
      wouldBeWrongIf: `${is.dst} sends its answers through this host all the same`,
    },
  ];
};

/** Both addresses are on the link. Without a snapshot the one interface is all that tells. */
function areNeighbours(
  src: string | null,
  dst: string | null,
  dev: string,
  host: HostSnapshot | null,
): boolean {
  if (src === null || dst === null) return false;
  if (host === null || host.addresses === null) return true;
  const family = familyOf(src);
  if (family === null) return false;
  const onLink = host.addresses.filter((one) => one.dev === dev && one.family === family);
  return onLink.some(({ address, prefixLength }) => {
    const prefix = `${address}/${prefixLength}`;
    return contains(family, prefix, src) && contains(family, prefix, dst);
  });
}
