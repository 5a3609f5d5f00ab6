/**
 * The ways of packets through a host that publishes containers' ports, masquerades for them, and filters what comes to itself:
 * what the generators of trace text walk along. Each step is written as both tracers say it.
 */

/** What a line of either tracer says about a place, beside the packet. */
export interface WayStep {
  readonly table: string;
  readonly chain: string;
  readonly kind: "rule" | "return" | "policy";
  /** As legacy iptables counts it. */
  readonly number: number;
  /** nft: the rule and its verdict, or the policy. */
  readonly said: string;
  /** Whether the packet has been through routing: it then has both interfaces, a smaller TTL, and its translated address. */
  readonly isRouted: boolean;
  /** `in`: no way out is known yet. `out`: POSTROUTING and OUTPUT, where older kernels name no way in. */
  readonly interfaces: "in" | "both" | "out";
  /** Whether nft prints the headers before it: a base chain's first line. */
  readonly isEntry: boolean;
}

export interface Way {
  readonly name: string;
  /** How often, beside the others. */
  readonly weight: number;
  /** Whose packet it is. */
  readonly from: "client" | "container" | "host";
  readonly to: "container" | "host" | "client";
  /** Whether the destination, which is the host, becomes the container's between two steps. */
  readonly isTranslated: boolean;
  readonly steps: (service: number) => readonly WayStep[];
}

const BASE_CHAINS = new Set(["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]);

/** `at("nat:DOCKER:rule:4", "udp dport 4000 dnat to 172.18.0.4 (verdict accept)")` */
export function at(place: string, nft = ""): WayStep {
  const [table = "", chain = "", kind = "", number = ""] = place.split(":");
  if (kind !== "rule" && kind !== "return" && kind !== "policy") throw new Error(`no place: ${place}`);
  const isAfterwards = ["FORWARD", "POSTROUTING"].includes(chain) || (table === "filter" && !isBase(chain));
  return {
    table,
    chain,
    kind,
    number: Number(number),
    said: kind === "policy" ? `policy ${nft === "" ? "accept" : nft} ` : `rule ${nft}`,
    isRouted: isAfterwards || chain === "INPUT",
    interfaces: chain === "POSTROUTING" || chain === "OUTPUT" ? "out" : isAfterwards ? "both" : "in",
    isEntry: isBase(chain),
  };
}

function isBase(chain: string): boolean {
  return BASE_CHAINS.has(chain);
}

/** How nft prints a counter in a trace. */
export const COUNTED = "counter packets 0 bytes 0";

function before(hasNat: boolean, nat: readonly WayStep[]): readonly WayStep[] {
  return [at("raw:PREROUTING:policy:2"), at("mangle:PREROUTING:policy:1"), ...(hasNat ? nat : [])];
}

function published(service: number, isFirst: boolean): readonly WayStep[] {
  const port = 4000 + service;
  const inside = `172.18.0.${2 + service}`;
  return [
    ...before(isFirst, [
      at("nat:PREROUTING:rule:1", `fib daddr type local ${COUNTED} jump DOCKER (verdict jump DOCKER)`),
      at(
        `nat:DOCKER:rule:${2 + service}`,
        `iifname != "docker0" udp dport ${port} ${COUNTED} dnat to ${inside}:${port} (verdict accept)`,
      ),
    ]),
    at("mangle:FORWARD:policy:1"),
    at("filter:FORWARD:rule:1", `${COUNTED} jump DOCKER-USER (verdict jump DOCKER-USER)`),
    at("filter:DOCKER-USER:return:1", `${COUNTED} return (verdict return)`),
    at("filter:FORWARD:rule:2", `oifname "docker0" ${COUNTED} jump DOCKER (verdict jump DOCKER)`),
    at(
      `filter:DOCKER:rule:${1 + service}`,
      `iifname != "docker0" oifname "docker0" ip daddr ${inside} udp dport ${port} ${COUNTED} accept (verdict accept)`,
    ),
    at("security:FORWARD:policy:1"),
    at("mangle:POSTROUTING:policy:1"),
    ...(isFirst ? [at("nat:POSTROUTING:policy:7")] : []),
  ];
}

function outward(isMasqueraded: boolean): readonly WayStep[] {
  return [
    ...before(isMasqueraded, [at("nat:PREROUTING:policy:2")]),
    at("mangle:FORWARD:policy:1"),
    at("filter:FORWARD:rule:1", `${COUNTED} jump DOCKER-USER (verdict jump DOCKER-USER)`),
    at("filter:DOCKER-USER:return:1", `${COUNTED} return (verdict return)`),
    at("filter:FORWARD:rule:4", `iifname "docker0" oifname != "docker0" ${COUNTED} accept (verdict accept)`),
    at("security:FORWARD:policy:1"),
    at("mangle:POSTROUTING:policy:1"),
    ...(isMasqueraded
      ? [
          at(
            "nat:POSTROUTING:rule:1",
            `oifname != "docker0" ip saddr 172.18.0.0/16 ${COUNTED} masquerade (verdict accept)`,
          ),
        ]
      : []),
  ];
}

function input(isFirst: boolean, last: readonly WayStep[]): readonly WayStep[] {
  return [
    ...before(isFirst, [
      at("nat:PREROUTING:rule:1", `fib daddr type local ${COUNTED} jump DOCKER (verdict jump DOCKER)`),
      at("nat:DOCKER:return:42", `${COUNTED} return (verdict return)`),
      at("nat:PREROUTING:policy:2"),
    ]),
    at("mangle:INPUT:policy:1"),
    ...last,
  ];
}

export const WAYS: readonly Way[] = [
  {
    name: "published, first",
    weight: 2,
    from: "client",
    to: "container",
    isTranslated: true,
    steps: (service) => published(service, true),
  },
  {
    name: "published, later",
    weight: 6,
    from: "client",
    to: "container",
    isTranslated: true,
    steps: (service) => published(service, false),
  },
  {
    name: "answered",
    weight: 6,
    from: "container",
    to: "client",
    isTranslated: false,
    steps: () => outward(false),
  },
  {
    name: "masqueraded",
    weight: 2,
    from: "container",
    to: "client",
    isTranslated: false,
    steps: () => outward(true),
  },
  {
    name: "delivered",
    weight: 3,
    from: "client",
    to: "host",
    isTranslated: false,
    steps: () =>
      input(false, [
        at("filter:INPUT:rule:1", `ct state related,established ${COUNTED} accept (verdict accept)`),
        at("security:INPUT:policy:1"),
      ]),
  },
  {
    name: "dropped by a rule",
    weight: 1,
    from: "client",
    to: "host",
    isTranslated: false,
    steps: () =>
      input(true, [at("filter:INPUT:rule:5", `ip saddr 203.0.113.0/24 ${COUNTED} drop (verdict drop)`)]),
  },
  {
    name: "dropped by the policy",
    weight: 1,
    from: "client",
    to: "host",
    isTranslated: false,
    steps: () => input(true, [at("filter:INPUT:policy:9", "drop")]),
  },
  {
    name: "sent",
    weight: 2,
    from: "host",
    to: "client",
    isTranslated: false,
    steps: () => [
      at("raw:OUTPUT:policy:2"),
      at("mangle:OUTPUT:policy:1"),
      at("nat:OUTPUT:policy:2"),
      at("filter:OUTPUT:policy:1"),
      at("mangle:POSTROUTING:policy:1"),
      at("nat:POSTROUTING:policy:7"),
    ],
  },
];
