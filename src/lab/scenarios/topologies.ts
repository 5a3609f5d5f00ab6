/** Networks that several scenarios share. Addresses are from the ranges for documentation. */
import type { Host, Network } from "./network.ts";
import type { RuleText, Variant } from "./scenario.ts";

/** Hosts of `routed`, and their addresses of both families. */
export const CLIENT = "192.0.2.2";
export const CLIENT6 = "2001:db8:1::2";
/** The router's, on the client's side. */
export const ROUTER = "192.0.2.1";
export const ROUTER6 = "2001:db8:1::1";
export const SERVER = "198.51.100.2";
export const SERVER6 = "2001:db8:2::2";

export interface RoutedOptions {
  readonly client?: Host;
  readonly router?: Host;
  readonly server?: Host;
  /** Of the cable between router and server. */
  readonly mtu?: number;
  /** The router's link to the server; default `s0`. */
  readonly serverLink?: string;
  /** Whether the server can answer hosts beyond the router; default true. */
  readonly knowsTheWayBack?: boolean;
  /** A cable more, out of the router: its end is `198.18.0.1`, `2001:db8:3::1`; the other end is the host's of this name. */
  readonly third?: { readonly host: string; readonly link: string };
}

/**
 *     client ── eth0 ═══ c0 ── router ── s0 ═══ eth0 ── server
 *     192.0.2.2    192.0.2.1      198.51.100.1    198.51.100.2
 */
export function routed(options: RoutedOptions = {}): Network {
  const {
    client = {},
    router = {},
    server = {},
    mtu,
    third,
    serverLink = "s0",
    knowsTheWayBack = true,
  } = options;
  const wayBack = knowsTheWayBack ? ["default via 198.51.100.1", "default via 2001:db8:2::1"] : [];
  const thirdCable = third === undefined ? [] : [thirdCableTo(third.host, third.link)];
  const thirdHost = third === undefined ? {} : { [third.host]: { routes: ["default via 198.18.0.1"] } };
  return {
    cables: [
      {
        ends: [
          { host: "client", link: "eth0", addresses: [`${CLIENT}/24`, `${CLIENT6}/64`] },
          { host: "router", link: "c0", addresses: [`${ROUTER}/24`, `${ROUTER6}/64`] },
        ],
      },
      {
        ends: [
          { host: "router", link: serverLink, addresses: ["198.51.100.1/24", "2001:db8:2::1/64"] },
          { host: "server", link: "eth0", addresses: [`${SERVER}/24`, `${SERVER6}/64`] },
        ],
        ...(mtu === undefined ? {} : { mtu }),
      },
      ...thirdCable,
    ],
    hosts: {
      client: {
        ...client,
        routes: [`default via ${ROUTER}`, `default via ${ROUTER6}`, ...(client.routes ?? [])],
      },
      router: { ...router, settings: { ...FORWARDING, ...router.settings } },
      server: {
        ...server,
        routes: [...wayBack, ...(server.routes ?? [])],
      },
      ...thirdHost,
    },
  };
}

function thirdCableTo(host: string, link: string): Network["cables"][number] {
  return {
    ends: [
      { host: "router", link, addresses: ["198.18.0.1/24", "2001:db8:3::1/64"] },
      { host, link: "eth0", addresses: ["198.18.0.2/24", "2001:db8:3::2/64"] },
    ],
  };
}

export const FORWARDING: Readonly<Record<string, string>> = {
  "net.ipv4.ip_forward": "1",
  "net.ipv6.conf.all.forwarding": "1",
};

type Rules = Partial<Record<Variant, readonly RuleText[]>>;

/** The same rules by either backend of iptables, as tools write them that know nothing else. */
export function iptables(host: string, text: string, version: 4 | 6 = 4): Rules {
  const program = version === 4 ? "iptables" : "ip6tables";
  return {
    legacy: [{ host, tool: `${program}-legacy-restore`, text }],
    nft: [{ host, tool: `${program}-nft-restore`, text }],
  };
}

export function legacy(host: string, text: string, version: 4 | 6 = 4): Rules {
  return {
    legacy: [{ host, tool: version === 4 ? "iptables-legacy-restore" : "ip6tables-legacy-restore", text }],
  };
}

export function nft(host: string, text: string): Rules {
  return { nft: [{ host, tool: "nft", text }] };
}

/** No rule is involved: the stack itself decides. */
export const NO_RULES: Rules = { none: [] };

/** A table as `iptables-save` writes it. `chains`: `FORWARD DROP`, or the name of a user's own. */
export function table(name: string, chains: readonly string[], rules: readonly string[]): string {
  const declared = chains.map((chain) => (chain.includes(" ") ? `:${chain} [0:0]` : `:${chain} - [0:0]`));
  return [`*${name}`, ...declared, ...rules, "COMMIT", ""].join("\n");
}

/**
 * A table that is there and empty, as on hosts where somebody has once listed it. Every packet of legacy iptables speaks in it, so
 * that a recording which cannot hear nft's trace beside (the printed script's) knows of packets that meet no other chain.
 */
export const MANGLE = table(
  "mangle",
  ["PREROUTING ACCEPT", "INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT", "POSTROUTING ACCEPT"],
  [],
);

/** As MANGLE, and before conntrack, where a packet can end too. */
export const RAW = table("raw", ["PREROUTING ACCEPT", "OUTPUT ACCEPT"], []);
