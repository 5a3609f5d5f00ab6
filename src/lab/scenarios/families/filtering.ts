/** A rule, or a policy, decided: the drops and refusals that firewalls are for. */
import { packet, ping, tcp } from "../packets.ts";
import type { Scenario } from "../scenario.ts";
import {
  CLIENT,
  CLIENT6,
  iptables,
  legacy,
  nft,
  ROUTER,
  routed,
  SERVER,
  SERVER6,
  table,
} from "../topologies.ts";

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
];
void [CLIENT6, tcp, iptables];
