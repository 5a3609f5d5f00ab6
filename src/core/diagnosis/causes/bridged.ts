/**
 * A bridge passed it on, from port to port. With `net.bridge.bridge-nf-call-iptables` 1 (Docker and Kubernetes set it) IP's chains see such
 * packets all the same, FORWARD's too; with 0, or without br_netfilter, they never do, whatever is forbidden there.
 */
import type { HostSnapshot } from "../../hosts/host.ts";
import type { Journey } from "../../journeys/journey.ts";
import type { Circumstances, Diagnose } from "../cause.ts";

export const bridged: Diagnose = (journey, circumstances) =>
  journey.steps.length === 0 ? beneath(journey, circumstances) : seen(journey, circumstances);

const seen: Diagnose = (journey, { host, outcome }) => {
  const at = journey.steps.findIndex(({ sighting }) => sighting?.in != null && sighting.out !== null);
  const sighting = journey.steps[at]?.sighting;
  if (sighting == null || sighting.in !== sighting.out || sighting.in === null) return [];
  const { physIn, physOut } = sighting;
  const isTold = physIn !== null && physOut !== null;
  // Routing counts the TTL down before FORWARD; a bridge leaves it alone.
  const isUncounted =
    isBridge(sighting.in, host) &&
    sighting.packet.ttl !== null &&
    sighting.packet.ttl === journey.first?.packet.ttl;
  if (!isTold && !isUncounted) return [];
  const name = journey.family === "ip6" ? "bridge-nf-call-ip6tables" : "bridge-nf-call-iptables";
  const setting = host?.settings?.[`net.bridge.${name}`];
  const way = isTold ? `from ${physIn} to ${physOut}` : "from one port to another";
  const isLost = outcome.verdict === "dropped" || outcome.verdict === "rejected";
  return [
    {
      cause: "bridged",
      severity: isLost ? "warning" : "info",
      what: `the bridge ${sighting.in} passes it on ${way}, and IP's chains see it all the same: rules for forwarding decide about hosts of one network`,
      why: `br_netfilter hands bridged packets to them${setting === undefined ? "" : `: net.bridge.${name} is ${setting}`}${isTold ? "" : "; its TTL was not counted down, so it was not routed"}`,
      try: `sysctl net.bridge.${name}  # with 0 the bridge is left alone; others that set 1 rely on it (Docker, Kubernetes). A rule that lets it through: -m physdev --physdev-is-bridged -j ACCEPT`,
      evidence: [at],
      wouldBeWrongIf: "it was routed out by the interface that it came in by",
    },
  ];
};

function beneath(journey: Journey, { besides, host, outcome }: Circumstances): ReturnType<Diagnose> {
  if (outcome.verdict !== "forwarded" || outcome.out === null) return [];
  const from = besides.wire.find(
    ({ direction, interface: name }) => direction !== "out" && name !== outcome.out,
  );
  const bridge = host?.links?.find(({ name }) => name === outcome.out)?.master ?? null;
  const name = journey.family === "ip6" ? "bridge-nf-call-ip6tables" : "bridge-nf-call-iptables";
  const setting = host?.settings?.[`net.bridge.${name}`];
  return [
    {
      cause: "bridged",
      severity: "info",
      what: `${bridge === null ? "a bridge" : `the bridge ${bridge}`} passed it on from ${from?.interface ?? "one port"} to ${outcome.out}, and no chain of IP ever saw it: rules for forwarding do not decide about it`,
      why:
        setting === undefined
          ? "without br_netfilter, bridged packets meet the chains of family bridge alone"
          : `net.bridge.${name} is ${setting}: bridged packets meet the chains of family bridge alone`,
      try: `sysctl net.bridge.${name}; nft list ruleset bridge; bridge link show dev ${outcome.out}`,
      evidence: [],
      wouldBeWrongIf: "it was passed on by tc, XDP or a flowtable, and not by a bridge",
    },
  ];
}

/** Listings without details do not tell an interface's kind, but whose ports there are. */
function isBridge(dev: string, host: HostSnapshot | null): boolean {
  const kind = host?.links?.find(({ name }) => name === dev)?.kind ?? null;
  if (kind !== null) return kind === "bridge";
  return host?.links?.some(({ master }) => master === dev) ?? false;
}
