/**
 * A host's side of the story: what one network namespace was like at one moment, as far as it decides about packets.
 *
 * Plain data, because it is a file too (`nfpath/snapshot@1`). A section that could not be read is null and named in
 * `absences`: an empty list means that the host has none, never that nobody looked.
 */

import type { IpFamily } from "../packets/prefix.ts";

export type { IpFamily } from "../packets/prefix.ts";

export const SNAPSHOT_SCHEMA = "nfpath/snapshot@1";

/** The file: every namespace that was asked for. */
export interface Snapshot {
  readonly schema: typeof SNAPSHOT_SCHEMA;
  /** `6.18.44`; null where nobody wrote it down. */
  readonly kernel: string | null;
  readonly hosts: readonly HostSnapshot[];
}

export interface HostSnapshot {
  /** As the user named it; null for the namespace nfpath ran in, or where the source does not tell. */
  readonly netns: string | null;
  /** ISO 8601, UTC; null for outputs of commands, which do not tell. */
  readonly takenAt: string | null;
  readonly links: readonly Link[] | null;
  readonly addresses: readonly Address[] | null;
  readonly routing: Readonly<Record<IpFamily, Routing>>;
  readonly neighbours: readonly Neighbour[] | null;
  /** Name to value, `net.ipv4.ip_forward` to `1`; null: not read. A setting that is not in it is not known. */
  readonly settings: Readonly<Record<string, string>> | null;
  readonly sockets: readonly Socket[] | null;
  readonly conntrack: ConntrackTable | null;
  /** Numbers of the queues on which a program waits for packets (NFQUEUE). */
  readonly packetQueues: readonly number[] | null;
  /** Of the whole namespace, by the kernel's names: `IpInAddrErrors`, `TcpExtListenDrops`. */
  readonly counters: Readonly<Record<string, number>> | null;
  /** For each interface the kernel's counters: `rx_dropped`. */
  readonly linkCounters: Readonly<Record<string, Readonly<Record<string, number>>>> | null;
  readonly forwardingDatabase: readonly ForwardingEntry[] | null;
  /** The multicast groups whose packets it takes, on each interface. Older snapshots have none. */
  readonly multicastGroups: readonly MulticastGroup[] | null;
  /** The rules of both backends as the tools print them, sets included. */
  readonly rulesets: readonly RulesetText[] | null;
  readonly absences: readonly Absence[];
  /** What a decoder did not understand, the first of each section; `unreadCount` has the number. */
  readonly unread: readonly UnreadText[];
  readonly unreadCount: number;
}

export type HostSection =
  | "links"
  | "addresses"
  | "routes"
  | "policy rules"
  | "neighbours"
  | "settings"
  | "sockets"
  | "conntrack"
  | "packet queues"
  | "counters"
  | "link counters"
  | "forwarding database"
  | "multicast groups"
  | "rulesets"
  | "ipsets";

/** Something that was asked for and not got, in part or as a whole. */
export interface Absence {
  readonly section: HostSection;
  /** Null: of no family or of both. */
  readonly family: IpFamily | null;
  readonly reason: string;
  /** What to do about it; null where nothing can be done. */
  readonly hint: string | null;
}

export interface UnreadText {
  readonly section: HostSection;
  readonly text: string;
  readonly reason: string;
}

export interface Link {
  readonly index: number | null;
  readonly name: string;
  /** `veth`, `bridge`, `vrf` …; null for hardware, or not told. */
  readonly kind: string | null;
  /** The administrator has set it up (IFF_UP). */
  readonly isUp: boolean;
  /** A cable or a peer is there (IFF_LOWER_UP); null where not told. */
  readonly hasCarrier: boolean | null;
  readonly isLoopback: boolean;
  /** `UP`, `DOWN`, `LOWERLAYERDOWN`, `UNKNOWN` … */
  readonly operState: string | null;
  readonly mtu: number | null;
  readonly mac: string | null;
  /** The bridge, bond or VRF that it belongs to. */
  readonly master: string | null;
  /** Name of the other end, or of the interface below; null where it is in another namespace or there is none. */
  readonly peer: string | null;
  /** For a VRF, the table it routes by. */
  readonly vrfTable: string | null;
}

export interface Address {
  readonly family: IpFamily;
  readonly dev: string;
  /** The host's own, canonical text. */
  readonly address: string;
  readonly prefixLength: number;
  /** The other end of a point-to-point address, which the prefix then belongs to. */
  readonly peer: string | null;
  readonly broadcast: string | null;
  readonly scope: string | null;
  /** IPv6 has not made sure yet that nobody else has it, or somebody has: nothing is delivered to it. */
  readonly isTentative: boolean;
}

export interface Routing {
  readonly routes: readonly Route[] | null;
  /** Tables that `routes` is whole for; `all` from `ip route show table all`. Plain `ip route` shows `main` alone. */
  readonly tables: "all" | readonly string[];
  /** In the order of their priorities; null: not read. */
  readonly rules: readonly PolicyRule[] | null;
}

export type RouteType =
  | "unicast"
  | "local"
  | "broadcast"
  | "anycast"
  | "multicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  | "throw";

export interface Route {
  readonly family: IpFamily;
  /** `main`, `local`, `default`, a name of rt_tables, or a number as text. */
  readonly table: string;
  readonly type: RouteType;
  /** Canonical, without host bits: `10.1.0.0/16`, `0.0.0.0/0` for the default. */
  readonly dst: string;
  /** IPv6 can route by source as well; null: any. */
  readonly src: string | null;
  /** Several share the packets by their weights. None for a route that refuses. */
  readonly nexthops: readonly NextHop[];
  readonly prefsrc: string | null;
  /** 0 where none is told: for IPv4 that is the best; IPv6 always tells. */
  readonly metric: number;
  readonly tos: number | null;
  readonly scope: string | null;
  readonly protocol: string | null;
  readonly mtu: number | null;
  /** What was told and is not understood. */
  readonly opaque: readonly string[];
}

export interface NextHop {
  /** Null where not told. */
  readonly dev: string | null;
  /** The router; null where the destination is on the link. May be of the other family. */
  readonly via: string | null;
  readonly weight: number;
  /** The kernel does not use it: `dead`; or only if it is told to ignore that: `linkdown`. */
  readonly isDead: boolean;
  readonly isLinkDown: boolean;
}

/** One of `ip rule`'s. A packet that meets every condition (or, with `not`, fails one) does as it says. */
export interface PolicyRule {
  readonly family: IpFamily;
  readonly priority: number;
  readonly isInverted: boolean;
  /** Prefixes; null: any. */
  readonly from: string | null;
  readonly to: string | null;
  readonly mark: { readonly value: number; readonly mask: number } | null;
  /** `lo` stands for packets that this host makes. */
  readonly iif: string | null;
  readonly oif: string | null;
  /** It names an interface that is not there, and so meets no packet. */
  readonly isDetached: boolean;
  readonly tos: number | null;
  /** Number or name as told. */
  readonly protocol: string | null;
  readonly sport: PortRange | null;
  readonly dport: PortRange | null;
  readonly uid: PortRange | null;
  readonly action: PolicyAction;
  /** Conditions that are not understood: whether it meets a packet cannot be told. */
  readonly opaque: readonly string[];
}

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export type PolicyAction =
  | {
      readonly kind: "table";
      readonly table: string;
      /** Answers with so short a prefix or shorter do not count; null: all count. */
      readonly suppressPrefixLength: number | null;
    }
  /** The table of the VRF that the packet's interface belongs to. */
  | { readonly kind: "l3mdev" }
  | { readonly kind: "goto"; readonly priority: number }
  | { readonly kind: "nop" }
  | { readonly kind: "blackhole" | "unreachable" | "prohibit" };

export interface Neighbour {
  readonly family: IpFamily;
  readonly address: string;
  readonly dev: string;
  readonly mac: string | null;
  /** `REACHABLE`, `STALE`, `FAILED`, `INCOMPLETE`, `PERMANENT` … */
  readonly state: string | null;
}

export interface Socket {
  /** `tcp`, `udp`, `raw` … */
  readonly protocol: string;
  readonly family: IpFamily | null;
  /** `LISTEN`, `ESTAB`, `UNCONN` … */
  readonly state: string;
  readonly local: SocketEnd;
  readonly remote: SocketEnd;
  /** Bytes that wait to be read; for a listening TCP socket, connections. */
  readonly receiveQueue: number | null;
  readonly sendQueue: number | null;
  /** Datagrams that did not fit; null where not told. */
  readonly drops: number | null;
  /** Name and number of the process, as far as it was told. */
  readonly process: string | null;
}

export interface SocketEnd {
  /** Null: any. */
  readonly address: string | null;
  /** Null: any or none. */
  readonly port: number | null;
  /** Bound to this interface. */
  readonly dev: string | null;
}

export interface ConntrackTable {
  readonly count: number | null;
  readonly max: number | null;
  readonly buckets: number | null;
  /** `insert_failed`, `drop`, `early_drop`, `search_restart` …, of all processors together. */
  readonly stats: Readonly<Record<string, number>> | null;
}

export interface ForwardingEntry {
  readonly mac: string;
  readonly dev: string;
  readonly bridge: string | null;
  readonly vlan: number | null;
  readonly state: string | null;
}

/** One that is joined on an interface. */
export interface MulticastGroup {
  readonly family: IpFamily;
  readonly dev: string;
  /** Canonical text. */
  readonly address: string;
  /** Sockets that joined it, the kernel itself for one; null where not told. */
  readonly users: number | null;
  /**
   * Sources that sockets asked for (`included`, by how many) or shut out (`excluded`); empty: all are wanted. Null where not
   * told, as for IPv6.
   */
  readonly sources:
    | readonly { readonly address: string; readonly included: number; readonly excluded: number }[]
    | null;
}

export interface RulesetText {
  /** What was run, as a person would type it. */
  readonly command: string;
  readonly text: string;
}

/** A host of which nothing is known yet: decoders spread it and fill in what they read. */
export function unknownHost(netns: string | null): HostSnapshot {
  const unread: Routing = { routes: null, tables: [], rules: null };
  return {
    netns,
    takenAt: null,
    links: null,
    addresses: null,
    routing: { ip: unread, ip6: unread },
    neighbours: null,
    settings: null,
    sockets: null,
    conntrack: null,
    packetQueues: null,
    counters: null,
    linkCounters: null,
    forwardingDatabase: null,
    multicastGroups: null,
    rulesets: null,
    absences: [],
    unread: [],
    unreadCount: 0,
  };
}
