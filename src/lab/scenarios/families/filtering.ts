/** A rule, or a policy, decided: the drops and refusals that firewalls are for. */
import { packet, ping, tcp } from "../packets.ts";
import type { Scenario } from "../scenario.ts";
import {
  CLIENT,
  CLIENT6,
  iptables,
  legacy,
  MANGLE,
  nft,
  RAW,
  ROUTER,
  ROUTER6,
  routed,
  SERVER,
  SERVER6,
  table,
} from "../topologies.ts";

const FILTER_CHAINS = ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"];

export const FILTERING: readonly Scenario[] = [
  {
    name: "input-drop",
    title: "a rule of INPUT drops UDP",
    story: "The resolver on the router answers nobody; the daemon is running and listens on every address.",
    network: routed(),
    rules: {
      ...legacy(
        "router",
        table(
          "filter",
          ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"],
          [
            "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
            '-A INPUT -i c0 -p udp -m udp --dport 53 -m comment --comment "no DNS from outside" -j DROP',
          ],
        ),
      ),
      ...nft(
        "router",
        `table inet fw {
          chain services { type filter hook input priority filter; policy accept;
            tcp dport 22 counter accept
            iifname "c0" udp dport 53 counter drop comment "no DNS from outside"
          }
        }`,
      ),
    },
    services: [{ host: "router", kind: "udp-echo", port: 53 }],
    acts: [{ kind: "udp", host: "client", to: ROUTER, port: 53, from: 40_000, ends: "silence" }],
    trace: { hosts: ["router"], filter: "udp port 53" },
    truths: [
      {
        packet: "udp dst port 53",
        host: "router",
        outcome: "dropped",
        cause: "rule-drop",
        place: { legacy: "filter:INPUT:2", nft: "fw:services:2" },
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: { legacy: "filter:INPUT:2", nft: "fw:services:2" }, packets: 1 },
      { kind: "received", host: "router", port: 53, times: 0 },
    ],
  },
  {
    name: "forward-drop-ip6",
    title: "a chain of the user's own drops IPv6",
    story: "A web server is reached over IPv4 and not over IPv6; nobody remembers having written IPv6 rules.",
    network: routed(),
    rules: {
      ...legacy(
        "router",
        table(
          "filter",
          ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT", "to-servers"],
          [
            "-A FORWARD -o s0 -j to-servers",
            "-A to-servers -p ipv6-icmp -j RETURN",
            "-A to-servers -p tcp -m tcp --dport 443 -j RETURN",
            "-A to-servers -j DROP",
          ],
        ),
        6,
      ),
      ...nft(
        "router",
        `table ip6 fw {
          chain to-servers { icmpv6 type echo-request counter return
            tcp dport 443 counter return
            counter drop
          }
          chain way { type filter hook forward priority filter; policy accept;
            oifname "s0" counter jump to-servers
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "tcp-echo", port: 80 }],
    acts: [
      { kind: "tcp", host: "client", to: SERVER, port: 80, from: 40_000, ends: "connected" },
      { kind: "tcp", host: "client", to: SERVER6, port: 80, from: 40_001, ends: "silence" },
    ],
    trace: { hosts: ["router"], filter: "ip6 and tcp port 80" },
    truths: [
      {
        packet: "ip6 and tcp dst port 80",
        host: "router",
        outcome: "dropped",
        cause: "rule-drop",
        place: { legacy: "filter:to-servers:3", nft: "fw:to-servers:3" },
      },
    ],
    proofs: [
      {
        kind: "rule",
        host: "router",
        at: { legacy: "filter:to-servers:3", nft: "fw:to-servers:3" },
        packets: 1,
      },
      { kind: "received", host: "server", port: 80, times: 1 },
    ],
  },
  {
    name: "forward-reject",
    title: "a rule refuses TCP with a reset",
    story: "Mail cannot be delivered to port 25, connection refused, although the mail server runs.",
    network: routed(),
    rules: {
      ...legacy(
        "router",
        MANGLE +
          table(
            "filter",
            ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"],
            ["-A FORWARD -p tcp -m tcp --dport 25 -j REJECT --reject-with tcp-reset"],
          ),
      ),
      ...nft(
        "router",
        `table inet fw {
          chain way { type filter hook forward priority filter; policy accept;
            tcp dport 25 counter reject with tcp reset
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "tcp-echo", port: 25 }],
    acts: [{ kind: "tcp", host: "client", to: SERVER, port: 25, from: 40_000, ends: "ECONNREFUSED" }],
    trace: { hosts: ["router"], filter: "tcp port 25" },
    truths: [
      {
        packet: "tcp dst port 25",
        host: "router",
        outcome: "rejected",
        cause: "rule-reject",
        place: { legacy: "filter:FORWARD:1", nft: "fw:way:1" },
      },
      {
        packet: "tcp src port 25",
        host: "router",
        outcome: "sent",
        cause: null,
        place: "after postrouting",
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: { legacy: "filter:FORWARD:1", nft: "fw:way:1" }, packets: 1 },
      { kind: "received", host: "server", port: 25, times: 0 },
      { kind: "counter", host: "client", name: "TcpAttemptFails", is: 1 },
    ],
  },
  {
    name: "forward-policy",
    title: "nobody allowed it, so the policy of FORWARD drops it",
    story: "A server behind the router does not answer pings; TCP to it works.",
    network: routed(),
    rules: {
      ...legacy(
        "router",
        table(
          "filter",
          ["INPUT ACCEPT", "FORWARD DROP", "OUTPUT ACCEPT"],
          [
            "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A FORWARD -p tcp -m tcp --dport 22 -j ACCEPT",
          ],
        ),
      ),
      ...nft(
        "router",
        `table inet fw {
          chain way { type filter hook forward priority filter; policy drop;
            ct state established,related counter accept
            tcp dport 22 counter accept
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "tcp-echo", port: 22 }],
    acts: [
      { kind: "tcp", host: "client", to: SERVER, port: 22, from: 40_000, ends: "connected" },
      {
        kind: "frames",
        host: "client",
        link: "eth0",
        to: ["router", "c0"],
        packets: [packet({ src: CLIENT, dst: SERVER }, ping({ id: 7 }))],
      },
    ],
    trace: { hosts: ["router"], filter: "icmp" },
    truths: [
      {
        packet: "icmp[icmptype] = icmp-echo",
        host: "router",
        outcome: "dropped",
        cause: "policy-drop",
        place: { legacy: "filter:FORWARD:policy", nft: "fw:way:policy" },
      },
    ],
    proofs: [
      { kind: "counter", host: "router", name: "IpForwDatagrams", is: 5, orMore: true },
      { kind: "counter", host: "server", name: "IcmpInEchos", is: 0 },
      { kind: "counter", host: "router", name: "dev.c0.rx_packets", is: 5, orMore: true },
    ],
  },
  {
    name: "output-drop",
    title: "a rule of OUTPUT drops what the host itself sends",
    story: "The clock of a host is wrong; its time client says: operation not permitted.",
    network: routed(),
    rules: {
      ...legacy("client", table("filter", FILTER_CHAINS, ["-A OUTPUT -p udp -m udp --dport 123 -j DROP"])),
      ...nft(
        "client",
        `table inet fw {
          chain leaving { type filter hook output priority filter; policy accept;
            udp dport 123 counter drop
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "udp-echo", port: 123 }],
    acts: [{ kind: "udp", host: "client", to: SERVER, port: 123, from: 40_000, ends: "EPERM" }],
    trace: { hosts: ["client"], filter: "udp port 123" },
    truths: [
      {
        packet: "udp dst port 123",
        host: "client",
        outcome: "dropped",
        cause: "rule-drop",
        place: { legacy: "filter:OUTPUT:1", nft: "fw:leaving:1" },
      },
    ],
    proofs: [
      { kind: "rule", host: "client", at: { legacy: "filter:OUTPUT:1", nft: "fw:leaving:1" }, packets: 1 },
      { kind: "received", host: "server", port: 123, times: 0 },
    ],
  },
  {
    name: "log-and-drop-chain",
    title: "a chain that logs and drops is reached by a jump",
    story: "The rules of INPUT hold no DROP at all, and telnet is dropped all the same.",
    network: routed(),
    rules: {
      ...iptables(
        "router",
        table(
          "filter",
          [...FILTER_CHAINS, "LOGDROP"],
          [
            "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
            "-A INPUT -i c0 -p tcp -m tcp --dport 23 -j LOGDROP",
            '-A LOGDROP -m limit --limit 5/min -j LOG --log-prefix "dropped: "',
            "-A LOGDROP -j DROP",
          ],
        ),
      ),
    },
    services: [{ host: "router", kind: "tcp-echo", port: 23 }],
    acts: [{ kind: "tcp", host: "client", to: ROUTER, port: 23, from: 40_000, ends: "silence" }],
    trace: { hosts: ["router"], filter: "tcp port 23" },
    truths: [
      {
        packet: "tcp dst port 23",
        host: "router",
        outcome: "dropped",
        cause: "rule-drop",
        place: "filter:LOGDROP:2",
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: "filter:LOGDROP:2", packets: 1 },
      { kind: "received", host: "router", port: 23, times: 0 },
    ],
  },
  {
    name: "reject-prohibited-ip6",
    title: "a rule refuses IPv6 and says that it is prohibited",
    story: "A query over IPv6 ends at once with: permission denied.",
    network: routed(),
    rules: {
      ...legacy(
        "router",
        table("filter", FILTER_CHAINS, [
          "-A FORWARD -p ipv6-icmp -j ACCEPT",
          "-A FORWARD -p udp -m udp --dport 53 -j REJECT --reject-with icmp6-adm-prohibited",
        ]),
        6,
      ),
      ...nft(
        "router",
        `table inet fw {
          chain way { type filter hook forward priority filter; policy accept;
            meta l4proto ipv6-icmp counter accept
            meta nfproto ipv6 udp dport 53 counter reject with icmpv6 type admin-prohibited
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "udp-echo", port: 53 }],
    acts: [
      { kind: "udp", host: "client", to: SERVER, port: 53, from: 40_000, ends: "echo" },
      { kind: "udp", host: "client", to: SERVER6, port: 53, from: 40_001, ends: "EACCES" },
    ],
    trace: { hosts: ["router"], filter: "ip6 and udp port 53" },
    truths: [
      {
        packet: "ip6 and udp dst port 53",
        host: "router",
        outcome: "rejected",
        cause: "rule-reject",
        place: { legacy: "filter:FORWARD:2", nft: "fw:way:2" },
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: { legacy: "filter:FORWARD:2", nft: "fw:way:2" }, packets: 1 },
      { kind: "counter", host: "client", name: "Icmp6InDestUnreachs", is: 1 },
      { kind: "received", host: "server", port: 53, times: 1 },
    ],
  },
  {
    name: "policy-drop-input-ip6",
    title: "the policy of INPUT drops IPv6 pings",
    story: "The router answers pings over IPv4, and none over IPv6.",
    network: routed(),
    rules: {
      ...legacy(
        "router",
        // Without neighbour discovery nothing would arrive at all.
        table(
          "filter",
          ["INPUT DROP", "FORWARD ACCEPT", "OUTPUT ACCEPT"],
          [
            "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT",
            "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j ACCEPT",
          ],
        ),
        6,
      ),
      ...nft(
        "router",
        `table ip6 fw {
          chain local { type filter hook input priority filter; policy drop;
            icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } counter accept
          }
        }`,
      ),
    },
    acts: [
      {
        kind: "frames",
        host: "client",
        link: "eth0",
        to: ["router", "c0"],
        packets: [
          packet({ src: CLIENT, dst: ROUTER }, ping({ id: 7 })),
          packet({ src: CLIENT6, dst: ROUTER6 }, ping({ id: 8, isIpv6: true })),
        ],
      },
    ],
    trace: { hosts: ["router"], filter: "icmp6[icmp6type] = 128" },
    truths: [
      {
        packet: "icmp6[icmp6type] = 128",
        host: "router",
        outcome: "dropped",
        cause: "policy-drop",
        place: { legacy: "filter:INPUT:policy", nft: "fw:local:policy" },
      },
    ],
    proofs: [
      { kind: "counter", host: "router", name: "IcmpInEchos", is: 1 },
      { kind: "counter", host: "router", name: "Icmp6InEchos", is: 0 },
      { kind: "counter", host: "router", name: "Ip6InReceives", is: 1, orMore: true },
    ],
  },
  {
    name: "conntrack-invalid",
    title: "conntrack calls it INVALID, and a rule drops what is",
    story: "Connections that were open when the firewall was restarted hang.",
    network: routed({ router: { settings: { "net.netfilter.nf_conntrack_tcp_loose": "0" } } }),
    rules: {
      ...legacy(
        "router",
        table("filter", FILTER_CHAINS, [
          "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
          "-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT",
        ]),
      ),
      ...nft(
        "router",
        `table inet fw {
          chain way { type filter hook forward priority filter; policy accept;
            ct state invalid counter drop
            tcp dport 80 counter accept
          }
        }`,
      ),
    },
    acts: [
      {
        kind: "frames",
        host: "client",
        link: "eth0",
        to: ["router", "c0"],
        packets: [
          packet(
            { src: CLIENT, dst: SERVER },
            tcp({ sport: 40_000, dport: 80, flags: ["psh", "ack"], ack: 5000, bytes: 40 }),
          ),
        ],
      },
    ],
    trace: { hosts: ["router"], filter: "tcp port 80" },
    truths: [
      {
        packet: "tcp dst port 80",
        host: "router",
        outcome: "dropped",
        cause: "conntrack-invalid",
        place: { legacy: "filter:FORWARD:1", nft: "fw:way:1" },
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: { legacy: "filter:FORWARD:1", nft: "fw:way:1" }, packets: 1 },
      { kind: "counter", host: "router", name: "conntrack.invalid", is: 1 },
      { kind: "counter", host: "server", name: "TcpInSegs", is: 0 },
    ],
  },
  {
    name: "conntrack-full",
    title: "the connection table is full",
    story: "Under attack the router loses packets at random, and no rule counts them.",
    network: routed({ router: { hasFullConntrack: true } }),
    rules: {
      ...legacy(
        "router",
        RAW + table("filter", FILTER_CHAINS, ["-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT"]),
      ),
      ...nft(
        "router",
        `table inet fw {
          chain way { type filter hook forward priority filter; policy accept;
            ct state new,established counter accept
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "udp-echo", port: 5001 }],
    acts: [{ kind: "udp", host: "client", to: SERVER, port: 5001, from: 40_000, ends: "silence" }],
    trace: { hosts: ["router"], filter: "udp port 5001" },
    truths: [
      {
        packet: "udp dst port 5001",
        host: "router",
        outcome: "dropped",
        cause: "conntrack-full",
        place: "after prerouting",
      },
    ],
    proofs: [
      { kind: "counter", host: "router", name: "conntrack.drop", is: 1, orMore: true },
      { kind: "rule", host: "router", at: { legacy: "filter:FORWARD:1", nft: "fw:way:1" }, packets: 0 },
      { kind: "counter", host: "router", name: "IpForwDatagrams", is: 0 },
      { kind: "received", host: "server", port: 5001, times: 0 },
    ],
  },
  {
    name: "queue-without-listener",
    title: "handed to a program that does not run",
    story: "Since the intrusion detection has crashed, nothing gets through the router.",
    network: routed(),
    rules: {
      ...iptables("router", table("filter", FILTER_CHAINS, ["-A FORWARD -p udp -j NFQUEUE --queue-num 0"])),
    },
    services: [{ host: "server", kind: "udp-echo", port: 5001 }],
    acts: [{ kind: "udp", host: "client", to: SERVER, port: 5001, from: 40_000, ends: "silence" }],
    trace: { hosts: ["router"], filter: "udp port 5001" },
    truths: [
      {
        packet: "udp dst port 5001",
        host: "router",
        outcome: "dropped",
        cause: "queue-no-listener",
        place: "filter:FORWARD:1",
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: "filter:FORWARD:1", packets: 1 },
      { kind: "received", host: "server", port: 5001, times: 0 },
    ],
  },
  {
    name: "both-backends",
    title: "legacy iptables accepts it, and nft drops it all the same",
    story: "The rule that allows the port counts every packet, and the server gets none.",
    network: routed(),
    rules: {
      mixed: [
        ...(legacy(
          "router",
          table(
            "filter",
            ["INPUT ACCEPT", "FORWARD DROP", "OUTPUT ACCEPT"],
            [
              "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
              "-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT",
            ],
          ),
        ).legacy ?? []),
        ...(nft(
          "router",
          `table inet fw {
            chain way { type filter hook forward priority filter + 10; policy drop;
              ct state established,related counter accept
              tcp dport 22 counter accept
              counter comment "the rest"
            }
          }`,
        ).nft ?? []),
      ],
    },
    services: [{ host: "server", kind: "tcp-echo", port: 80 }],
    acts: [{ kind: "tcp", host: "client", to: SERVER, port: 80, from: 40_000, ends: "silence" }],
    trace: { hosts: ["router"], filter: "tcp port 80" },
    truths: [
      {
        packet: "tcp dst port 80",
        host: "router",
        outcome: "dropped",
        cause: "policy-drop",
        place: "fw:way:policy",
        findings: ["both-backends"],
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: "filter:FORWARD:2", packets: 1 },
      { kind: "rule", host: "router", at: "fw:way:3", packets: 1 },
      { kind: "received", host: "server", port: 80, times: 0 },
    ],
  },
];
