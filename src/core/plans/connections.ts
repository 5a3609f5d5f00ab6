/**
 * How our tables tell connections apart: what `--follow` and `--first` remember of a packet, in sets of nft.
 *
 * A packet is one of five kinds, each with a key of its own. Where a set is asked before conntrack (-200), the key is what
 * the packet itself says; the packets of one direction of a connection have the same. nft gives each field of a set one
 * type, so the number by which pings are told apart needs sets of its own.
 */

/** Families of tables in which connections can be told apart. */
export type Version = 4 | 6;

export interface PacketKind {
  /** `4`, `echo4` …: the end of the names of its sets. */
  readonly name: string;
  readonly version: Version;
  /** Matches that make sure of it; those of two kinds exclude one another. */
  readonly condition: string;
  readonly key: string;
  /** The key of the packets that go the other way, by this packet's headers: without NAT. */
  readonly mirrored: string;
  /** The same by conntrack's tuple of a direction: through NAT. */
  readonly translated: (direction: "original" | "reply") => string;
  readonly type: string;
}

/** TCP, UDP, SCTP, DCCP, UDP-Lite: their ports are at the same place. */
const WITH_PORTS = "{ 6, 17, 33, 132, 136 }";

/** Kinds of packets that belong to connections. An ICMP error belongs to somebody else's, which conntrack alone knows. */
export function packetKinds(version: Version): readonly PacketKind[] {
  const ip = version === 4 ? "ip" : "ip6";
  const protocol = version === 4 ? "ip protocol" : "ip6 nexthdr";
  const icmp = version === 4 ? "icmp" : "icmpv6";
  const address = version === 4 ? "ipv4_addr" : "ipv6_addr";
  const notLater = version === 4 ? "ip frag-off & 0x1fff == 0 " : "";
  const fivefold = `${address} . ${address} . inet_proto . inet_service . inet_service`;
  return [
    {
      name: `${version}`,
      version,
      // The data of a later fragment would be read as ports.
      condition: `${notLater}${protocol} ${WITH_PORTS}`,
      key: `${ip} saddr . ${ip} daddr . ${protocol} . th sport . th dport`,
      mirrored: `${ip} daddr . ${ip} saddr . ${protocol} . th dport . th sport`,
      translated: (way) =>
        `ct ${way} ${ip} saddr . ct ${way} ${ip} daddr . ${protocol} . ct ${way} proto-src . ct ${way} proto-dst`,
      type: `type ${fivefold}`,
    },
    {
      name: `echo${version}`,
      version,
      condition: `${notLater}${icmp} type { echo-request, echo-reply }`,
      key: `${ip} saddr . ${ip} daddr . ${icmp} id`,
      mirrored: `${ip} daddr . ${ip} saddr . ${icmp} id`,
      // Behind all NAT the packet itself has the number that the other way has.
      translated: (way) => `ct ${way} ${ip} saddr . ct ${way} ${ip} daddr . ${icmp} id`,
      type: `typeof ${ip} saddr . ${ip} daddr . ${icmp} id`,
    },
    {
      name: `other${version}`,
      version,
      condition: `${protocol} != { 6, 17, 33, 132, 136, ${version === 4 ? 1 : 58} }`,
      key: `${ip} saddr . ${ip} daddr . ${protocol}`,
      mirrored: `${ip} daddr . ${ip} saddr . ${protocol}`,
      translated: (way) => `ct ${way} ${ip} saddr . ct ${way} ${ip} daddr . ${protocol}`,
      type: `type ${address} . ${address} . inet_proto`,
    },
  ];
}

/** What belongs to no connection that it names itself: ICMP that is no ping, and later fragments. Told apart by addresses. */
export function leftoverKinds(
  version: Version,
): readonly Pick<PacketKind, "name" | "condition" | "key" | "type">[] {
  const ip = version === 4 ? "ip" : "ip6";
  const common = { key: `${ip} saddr . ${ip} daddr`, type: `typeof ${ip} saddr . ${ip} daddr` };
  if (version === 6) {
    const condition = "ip6 nexthdr 58 icmpv6 type != { echo-request, echo-reply }";
    return [{ ...common, name: "icmp6", condition }];
  }
  const condition = "ip frag-off & 0x1fff == 0 ip protocol 1 icmp type != { echo-request, echo-reply }";
  return [
    { ...common, name: "icmp4", condition },
    {
      ...common,
      name: "later4",
      condition: "ip frag-off & 0x1fff != 0 ip protocol { 1, 6, 17, 33, 132, 136 }",
    },
  ];
}

/** The most connections that a set remembers; it grows as it is filled. */
export const MOST_CONNECTIONS = 65_535;

export function setOptions(type: string): string {
  return `{ ${type}; size ${MOST_CONNECTIONS}; flags dynamic; }`;
}
