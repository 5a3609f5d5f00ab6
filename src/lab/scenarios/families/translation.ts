/** Address translation: what a rule did to a packet, what conntrack did in silence, and what went wrong. */
import type { Network } from "../network.ts";
import type { Act, Scenario } from "../scenario.ts";
import {
  CLIENT,
  FORWARDING,
  iptables,
  legacy,
  MANGLE,
  nft,
  ROUTER,
  routed,
  SERVER,
  table,
} from "../topologies.ts";

const SYN = "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn";
const SYN_ACK = "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn|tcp-ack";

const NAT_CHAINS = ["PREROUTING ACCEPT", "INPUT ACCEPT", "OUTPUT ACCEPT", "POSTROUTING ACCEPT"];
const FILTER_CHAINS = ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"];

function udpTo(address: string, port: number, from: number, ends: string, bytes = 16): Act {
  return { kind: "udp", host: "client", to: address, port, from, bytes, ends };
}

/** A router whose bridge `br0` joins the client and the server, as access points do; it has 198.51.100.1 as well. */
const ONE_LAN: Network = {
  cables: [
    {
      ends: [
        { host: "router", link: "p1", bridge: "br0" },
        { host: "client", link: "eth0", addresses: ["192.0.2.2/24"] },
      ],
    },
    {
      ends: [
        { host: "router", link: "p2", bridge: "br0" },
        { host: "server", link: "eth0", addresses: ["192.0.2.3/24"] },
      ],
    },
    {
      ends: [
        { host: "router", link: "wan", addresses: ["198.51.100.1/24"] },
        { host: "isp", link: "eth0", addresses: ["198.51.100.254/24"] },
      ],
    },
  ],
  hosts: {
    router: {
      bridges: { br0: ["192.0.2.1/24"] },
      // What the bridge passes on by itself is then none of the router's business.
      settings: { ...FORWARDING, "net.bridge.bridge-nf-call-iptables": "0" },
    },
    client: { routes: ["default via 192.0.2.1"] },
    server: { routes: ["default via 192.0.2.1"] },
    isp: {},
  },
};

export const TRANSLATION: readonly Scenario[] = [
  {
    name: "masquerade",
    title: "source NAT by a rule once, and by conntrack from then on",
    story: "The trace shows the nat rule for the first datagram and for none after it.",
    network: routed({ knowsTheWayBack: false }),
    rules: {
      ...legacy("router", MANGLE + table("nat", NAT_CHAINS, ["-A POSTROUTING -o s0 -j MASQUERADE"])),
      ...nft(
        "router",
        `table ip gateway {
          chain leaving { type nat hook postrouting priority srcnat; policy accept;
            oifname "s0" counter masquerade
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "udp-echo", port: 5001 }],
    // The server knows no way to the client: it can answer the router alone.
    acts: [udpTo(SERVER, 5001, 40_000, "echo", 16), udpTo(SERVER, 5001, 40_000, "echo", 17)],
    trace: { hosts: ["router"], filter: "udp" },
    truths: [
      {
        packet: `src ${CLIENT} and len = 44`,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["snat"],
        out: "s0",
      },
      {
        packet: `src ${CLIENT} and len = 45`,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["nat-from-conntrack"],
        out: "s0",
      },
      {
        packet: `src ${SERVER}`,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["nat-from-conntrack"],
        packets: 2,
        out: "c0",
      },
    ],
    proofs: [
      {
        kind: "rule",
        host: "router",
        at: { legacy: "nat:POSTROUTING:1", nft: "gateway:leaving:1" },
        packets: 1,
      },
      { kind: "received", host: "server", port: 5001, times: 2 },
      { kind: "ip", host: "server", words: `route get ${CLIENT}`, says: "Network is unreachable" },
    ],
  },
  {
    name: "snat-not-reached",
    title: "an earlier rule ended the chain before MASQUERADE",
    story: "Hosts reach the internet through the router, but one network never answers them.",
    network: routed({ knowsTheWayBack: false }),
    rules: {
      ...legacy(
        "router",
        table("nat", NAT_CHAINS, [
          "-A POSTROUTING -d 198.51.100.0/24 -j ACCEPT",
          "-A POSTROUTING -o s0 -j MASQUERADE",
        ]),
      ),
      ...nft(
        "router",
        `table ip gateway {
          chain leaving { type nat hook postrouting priority srcnat; policy accept;
            ip daddr 198.51.100.0/24 counter accept
            oifname "s0" counter masquerade
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "udp-echo", port: 5001 }],
    acts: [udpTo(SERVER, 5001, 40_000, "silence")],
    trace: { hosts: ["router"], filter: "udp port 5001" },
    truths: [
      {
        packet: "udp dst port 5001",
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["snat-not-reached"],
        out: "s0",
      },
    ],
    proofs: [
      {
        kind: "rule",
        host: "router",
        at: { legacy: "nat:POSTROUTING:1", nft: "gateway:leaving:1" },
        packets: 1,
      },
      {
        kind: "rule",
        host: "router",
        at: { legacy: "nat:POSTROUTING:2", nft: "gateway:leaving:2" },
        packets: 0,
      },
      { kind: "received", host: "server", port: 5001, times: 1 },
      { kind: "counter", host: "server", name: "IpOutNoRoutes", is: 1 },
    ],
  },
  {
    name: "nat-failed",
    title: "the one port that it may be translated to is taken",
    story: "Behind the gateway the first host's game works; the second host's does not.",
    network: routed({ knowsTheWayBack: false }),
    rules: {
      ...iptables(
        "router",
        table("nat", NAT_CHAINS, ["-A POSTROUTING -o s0 -p udp -j MASQUERADE --to-ports 5000"]),
      ),
    },
    services: [{ host: "server", kind: "udp-echo", port: 5001 }],
    acts: [udpTo(SERVER, 5001, 40_000, "echo"), udpTo(SERVER, 5001, 40_001, "silence")],
    trace: { hosts: ["router"], filter: "udp dst port 5001" },
    truths: [
      {
        packet: "udp src port 40000",
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["snat"],
        out: "s0",
      },
      {
        packet: "udp src port 40001",
        host: "router",
        outcome: "dropped",
        cause: "nat-failed",
        place: "after postrouting",
        needs: "drops",
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: "nat:POSTROUTING:1", packets: 2 },
      { kind: "counter", host: "router", name: "conntrack.insert_failed", is: 1 },
      { kind: "received", host: "server", port: 5001, times: 1 },
    ],
  },
  {
    name: "port-forward",
    title: "a port of the router leads to the server",
    story: "FORWARD has to allow the port that the server listens on, not the one that was published.",
    network: routed(),
    rules: {
      ...legacy(
        "router",
        MANGLE +
          table("nat", NAT_CHAINS, [
            `-A PREROUTING -d ${ROUTER}/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination ${SERVER}:80`,
          ]) +
          table(
            "filter",
            ["INPUT DROP", "FORWARD DROP", "OUTPUT ACCEPT"],
            [
              "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
              `-A FORWARD -d ${SERVER}/32 -p tcp -m tcp --dport 80 -j ACCEPT`,
            ],
          ),
      ),
      ...nft(
        "router",
        `table ip gateway {
          chain coming { type nat hook prerouting priority dstnat; policy accept;
            ip daddr ${ROUTER} tcp dport 8080 counter dnat to ${SERVER}:80
          }
          chain way { type filter hook forward priority filter; policy drop;
            ct state established,related counter accept
            ip daddr ${SERVER} tcp dport 80 counter accept
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "tcp-echo", port: 80 }],
    acts: [{ kind: "tcp", host: "client", to: ROUTER, port: 8080, from: 40_000, ends: "connected" }],
    trace: { hosts: ["router"], filter: "tcp" },
    truths: [
      {
        packet: SYN,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["dnat"],
        out: "s0",
      },
      {
        packet: SYN_ACK,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["nat-from-conntrack"],
        out: "c0",
      },
    ],
    proofs: [
      {
        kind: "rule",
        host: "router",
        at: { legacy: "nat:PREROUTING:1", nft: "gateway:coming:1" },
        packets: 1,
      },
      { kind: "rule", host: "router", at: { legacy: "filter:FORWARD:2", nft: "gateway:way:2" }, packets: 1 },
      { kind: "received", host: "server", port: 80, times: 1 },
    ],
  },
  {
    name: "redirect",
    title: "a port is redirected to a local proxy",
    story: "Web traffic that should pass the router ends in a proxy on it.",
    network: routed(),
    rules: {
      ...legacy(
        "router",
        table("nat", NAT_CHAINS, [
          "-A PREROUTING -i c0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128",
        ]),
      ),
      ...nft(
        "router",
        `table ip proxy {
          chain coming { type nat hook prerouting priority dstnat; policy accept;
            iifname "c0" tcp dport 80 counter redirect to :3128
          }
        }`,
      ),
    },
    services: [
      { host: "router", kind: "tcp-echo", port: 3128 },
      { host: "server", kind: "tcp-echo", port: 80 },
    ],
    acts: [{ kind: "tcp", host: "client", to: SERVER, port: 80, from: 40_000, ends: "connected" }],
    trace: { hosts: ["router"], filter: "tcp port 80 or 3128" },
    truths: [
      {
        packet: SYN,
        host: "router",
        outcome: "delivered",
        cause: null,
        place: "after input",
        findings: ["dnat"],
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: { legacy: "nat:PREROUTING:1", nft: "proxy:coming:1" }, packets: 1 },
      { kind: "received", host: "router", port: 3128, times: 1 },
      { kind: "received", host: "server", port: 80, times: 0 },
    ],
  },
  {
    name: "hairpin",
    title: "the answer does not come back through the router that translated",
    story: "The web server is reached by its public address from everywhere but from its own network.",
    network: ONE_LAN,
    rules: {
      ...legacy(
        "router",
        table("nat", NAT_CHAINS, [
          "-A PREROUTING -d 198.51.100.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.3",
          "-A POSTROUTING -o wan -j MASQUERADE",
        ]),
      ),
      ...nft(
        "router",
        `table ip gateway {
          chain coming { type nat hook prerouting priority dstnat; policy accept;
            ip daddr 198.51.100.1 tcp dport 80 counter dnat to 192.0.2.3
          }
          chain leaving { type nat hook postrouting priority srcnat; policy accept;
            oifname "wan" counter masquerade
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "tcp-echo", port: 80 }],
    acts: [{ kind: "tcp", host: "client", to: "198.51.100.1", port: 80, from: 40_000, ends: "silence" }],
    trace: { hosts: ["router"], filter: "tcp port 80" },
    truths: [
      {
        packet: SYN,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["dnat", "hairpin-without-snat"],
        out: "br0",
      },
    ],
    proofs: [
      {
        kind: "rule",
        host: "router",
        at: { legacy: "nat:PREROUTING:1", nft: "gateway:coming:1" },
        packets: 1,
      },
      // The client throws out an answer from an address that it has not asked.
      { kind: "counter", host: "client", name: "TcpOutRsts", is: 1, orMore: true },
      { kind: "received", host: "server", port: 80, times: 0 },
    ],
  },
  {
    name: "untracked",
    title: "NOTRACK took it out of the state that a rule asks for",
    story: "Since conntrack was switched off for the name server, its queries are dropped by the policy.",
    network: routed(),
    rules: {
      ...legacy(
        "router",
        table(
          "raw",
          ["PREROUTING ACCEPT", "OUTPUT ACCEPT"],
          ["-A PREROUTING -p udp -m udp --dport 53 -j NOTRACK"],
        ) +
          table(
            "filter",
            ["INPUT ACCEPT", "FORWARD DROP", "OUTPUT ACCEPT"],
            ["-A FORWARD -m conntrack --ctstate NEW,RELATED,ESTABLISHED -j ACCEPT"],
          ),
      ),
      ...nft(
        "router",
        `table inet fw {
          chain early { type filter hook prerouting priority raw; policy accept;
            udp dport 53 counter notrack
          }
          chain way { type filter hook forward priority filter; policy drop;
            ct state new,established,related counter accept
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "udp-echo", port: 53 }],
    acts: [udpTo(SERVER, 53, 40_000, "silence")],
    trace: { hosts: ["router"], filter: "udp port 53" },
    truths: [
      {
        packet: "udp dst port 53",
        host: "router",
        outcome: "dropped",
        cause: "policy-drop",
        place: { legacy: "filter:FORWARD:policy", nft: "fw:way:policy" },
        findings: ["untracked"],
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: { legacy: "raw:PREROUTING:1", nft: "fw:early:1" }, packets: 1 },
      { kind: "rule", host: "router", at: { legacy: "filter:FORWARD:1", nft: "fw:way:1" }, packets: 0 },
      { kind: "received", host: "server", port: 53, times: 0 },
    ],
  },
  {
    name: "untracked-nat",
    title: "NOTRACK keeps a packet from being translated",
    story: "One port is published like all others, and connections to it end at the router itself.",
    network: routed(),
    rules: {
      ...iptables(
        "router",
        table(
          "raw",
          ["PREROUTING ACCEPT", "OUTPUT ACCEPT"],
          ["-A PREROUTING -p udp -m udp --dport 53 -j NOTRACK"],
        ) +
          table("nat", NAT_CHAINS, [
            `-A PREROUTING -p udp -m udp --dport 53 -j DNAT --to-destination ${SERVER}`,
          ]) +
          table("filter", FILTER_CHAINS, ["-A INPUT -i c0 -j DROP"]),
      ),
    },
    services: [{ host: "server", kind: "udp-echo", port: 53 }],
    acts: [udpTo(ROUTER, 53, 40_000, "silence")],
    trace: { hosts: ["router"], filter: "udp port 53" },
    truths: [
      {
        packet: "udp dst port 53",
        host: "router",
        outcome: "dropped",
        cause: "rule-drop",
        place: "filter:INPUT:1",
        findings: ["untracked"],
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: "raw:PREROUTING:1", packets: 1 },
      { kind: "rule", host: "router", at: "nat:PREROUTING:1", packets: 0 },
      { kind: "rule", host: "router", at: "filter:INPUT:1", packets: 1 },
      { kind: "received", host: "server", port: 53, times: 0 },
    ],
  },
  {
    name: "answer-untranslated",
    title: "the answer is in another conntrack zone than the question, and NAT is not undone",
    story: "A forwarded port went dead when zones were introduced, though the server gets every request.",
    network: routed(),
    rules: nft(
      "router",
      `table ip gateway {
        chain zones { type filter hook prerouting priority raw; policy accept;
          iifname "c0" counter ct zone set 1
        }
        chain ports { type nat hook prerouting priority dstnat; policy accept;
          ip daddr ${ROUTER} udp dport 5001 counter dnat to ${SERVER}
          ip daddr ${ROUTER} tcp dport 80 counter dnat to ${SERVER}
        }
      }`,
    ),
    services: [
      { host: "server", kind: "udp-echo", port: 5001 },
      { host: "server", kind: "tcp-echo", port: 80 },
    ],
    acts: [
      udpTo(ROUTER, 5001, 40_000, "silence"),
      { kind: "tcp", host: "client", to: ROUTER, port: 80, from: 40_001, ends: "silence" },
    ],
    trace: { hosts: ["router"], filter: "udp port 5001 or tcp port 80" },
    truths: [
      {
        packet: `udp and dst ${ROUTER}`,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["dnat"],
        out: "s0",
      },
      {
        packet: `udp and src ${SERVER}`,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["asymmetric-reply"],
        out: "c0",
      },
      {
        packet: `src ${SERVER} and ${SYN_ACK}`,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["asymmetric-reply"],
        out: "c0",
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: "gateway:ports:1", packets: 1 },
      { kind: "received", host: "server", port: 5001, times: 1 },
      // The client has no socket for what comes from an address that it did not ask.
      { kind: "counter", host: "client", name: "UdpNoPorts", is: 1 },
      { kind: "counter", host: "client", name: "UdpInDatagrams", is: 0 },
      { kind: "counter", host: "client", name: "TcpOutRsts", is: 1, orMore: true },
    ],
  },
];
