/**
 * Hosts as network namespaces, cables as veth pairs: data, and the lines for `ip -batch` that it becomes.
 *
 * MAC addresses follow from a cable's place in the list, so that two runs can be compared and frames can be written down.
 */

export interface Network {
  readonly cables: readonly Cable[];
  readonly hosts: Readonly<Record<string, Host>>;
}

export interface Cable {
  readonly ends: readonly [End, End];
  readonly mtu?: number;
}

export interface End {
  readonly host: string;
  readonly link: string;
  /** With their prefix lengths; both families. */
  readonly addresses?: readonly string[];
  /** The bridge of this host that it is a port of. */
  readonly bridge?: string;
}

export interface Host {
  readonly bridges?: Readonly<Record<string, readonly string[]>>;
  /** Devices that put packets into others, by name. */
  readonly tunnels?: Readonly<Record<string, Tunnel>>;
  /** Words behind `ip xfrm`: states and policies of IPsec. */
  readonly ipsec?: readonly string[];
  /** Words behind `ip route add`. */
  readonly routes?: readonly string[];
  /** Words behind `ip rule add`. */
  readonly policy?: readonly string[];
  /** Words behind `ip neighbour add`. */
  readonly neighbours?: readonly string[];
  /** Of this namespace, and gone with it. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Its connection table is full; see `fill-conntrack.ts`. */
  readonly hasFullConntrack?: boolean;
  /** Links that lie dead once all is built: their other end is taken down. */
  readonly unplugged?: readonly string[];
}

export interface Tunnel {
  /** Words behind `ip link add NAME type`. */
  readonly type: string;
  /** With their prefix lengths. */
  readonly addresses: readonly string[];
}

/** `02:` marks an address as locally administered. */
export function macOf(network: Network, host: string, link: string): string {
  for (const [at, { ends }] of network.cables.entries()) {
    const side = ends.findIndex((end) => end.host === host && end.link === link);
    if (side !== -1) return `02:00:5e:00:${hex(at + 1)}:0${side + 1}`;
  }
  throw new Error(`${host} has no link ${link}`);
}

export function hostsOf(network: Network): readonly string[] {
  return Object.keys(network.hosts);
}

/** Lines outside of any namespace. `names` are the namespaces' names by host. */
export function cableLines(network: Network, names: Readonly<Record<string, string>>): readonly string[] {
  return network.cables.map(({ ends: [near, far], mtu = 1500 }) => {
    const side = ({ host, link }: End) =>
      `${link} address ${macOf(network, host, link)} mtu ${mtu} netns ${names[host]}`;
    return `link add ${side(near)} type veth peer name ${side(far)}`;
  });
}

/** Lines inside one host. */
export function hostLines(network: Network, host: string): readonly string[] {
  const config = network.hosts[host] ?? {};
  const ends = network.cables.flatMap(({ ends }) => ends).filter((end) => end.host === host);
  const bridges = Object.entries(config.bridges ?? {});
  const tunnels = Object.entries(config.tunnels ?? {});
  return [
    "link set lo up",
    // A port of a bridge that learns for 15 s would lose the first packets.
    ...bridges.map(([name]) => `link add ${name} type bridge forward_delay 0 mcast_snooping 0`),
    ...ends.flatMap(({ link, bridge }) =>
      bridge === undefined ? [] : [`link set ${link} master ${bridge}`],
    ),
    ...ends.flatMap(({ link, addresses = [] }) => addresses.map((address) => addressLine(address, link))),
    ...bridges.flatMap(([name, addresses]) => addresses.map((address) => addressLine(address, name))),
    ...ends.map(({ link }) => `link set ${link} up`),
    ...bridges.map(([name]) => `link set ${name} up`),
    ...tunnels.map(([name, { type }]) => `link add ${name} type ${type}`),
    ...tunnels.flatMap(([name, { addresses }]) => addresses.map((address) => addressLine(address, name))),
    ...tunnels.map(([name]) => `link set ${name} up`),
    ...(config.routes ?? []).map((words) => `route add ${words}`),
    ...(config.policy ?? []).map((words) => `rule add ${words}`),
    ...(config.neighbours ?? []).map((words) => `neighbour add ${words}`),
    ...(config.ipsec ?? []).map((words) => `xfrm ${words}`),
  ];
}

/** Duplicate address detection would keep IPv6 from working for a second. */
function addressLine(address: string, link: string): string {
  return `address add ${address} dev ${link}${address.includes(":") ? " nodad" : ""}`;
}

function hex(number: number): string {
  return number.toString(16).padStart(2, "0");
}
