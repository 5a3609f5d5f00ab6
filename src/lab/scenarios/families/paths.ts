/** Ways that are not where they are thought to be: bridges that IP rules see or do not, answers that come another way. */
import type { Network } from "../network.ts";
import { packet, ping } from "../packets.ts";
import type { Scenario, Truth } from "../scenario.ts";
import { FORWARDING, iptables, legacy, nft, table } from "../topologies.ts";

/** Two hosts of one network, and a host whose bridge joins them, as those with virtual machines do. */
function bridged(callIptables: "0" | "1"): Network {
  return {
    cables: [
      {
        ends: [
          { host: "bridge", link: "p1", bridge: "br0" },
          { host: "client", link: "eth0", addresses: ["192.0.2.2/24"] },
        ],
      },
      {
        ends: [
          { host: "bridge", link: "p2", bridge: "br0" },
          { host: "server", link: "eth0", addresses: ["192.0.2.3/24"] },
        ],
      },
    ],
    hosts: {
      bridge: {
        bridges: { br0: ["192.0.2.1/24"] },
        settings: { ...FORWARDING, "net.bridge.bridge-nf-call-iptables": callIptables },
      },
      client: {},
      server: {},
    },
  };
}

/** Each of the two hosts has a link to each of two routers; the client uses `a`, the server `b`. */
const TWO_ROUTERS: Network = {
  cables: [
    {
      ends: [
        { host: "client", link: "eth0", addresses: ["192.0.2.2/24"] },
        { host: "a", link: "c0", addresses: ["192.0.2.1/24"] },
      ],
    },
    {
      ends: [
        { host: "a", link: "s0", addresses: ["198.51.100.1/24"] },
        { host: "server", link: "eth0", addresses: ["198.51.100.2/24"] },
      ],
    },
    {
      ends: [
        { host: "client", link: "eth1", addresses: ["198.18.0.2/24"] },
        { host: "b", link: "c0", addresses: ["198.18.0.1/24"] },
      ],
    },
    {
      ends: [
        { host: "b", link: "s0", addresses: ["198.18.1.1/24"] },
        { host: "server", link: "eth1", addresses: ["198.18.1.2/24"] },
      ],
    },
  ],
  hosts: {
    client: { routes: ["default via 192.0.2.1"] },
    a: { settings: FORWARDING },
    b: { settings: FORWARDING, routes: ["192.0.2.0/24 via 198.18.0.2"] },
    server: { routes: ["default via 198.18.1.1"] },
  },
};

const PING = [
  {
    kind: "frames",
    host: "client",
    link: "eth0",
    to: ["server", "eth0"],
    packets: [packet({ src: "192.0.2.2", dst: "192.0.2.3" }, ping({ id: 7 }))],
  },
] as const;

function ofPing(truth: Omit<Truth, "packet" | "host">): readonly Truth[] {
  return [{ packet: "icmp[icmptype] = icmp-echo", host: "bridge", ...truth }];
}

const NO_FORWARDING = iptables(
  "bridge",
  table("filter", ["INPUT ACCEPT", "FORWARD DROP", "OUTPUT ACCEPT"], ["-A FORWARD -p tcp -j ACCEPT"]),
);

export const PATHS: readonly Scenario[] = [
  {
    name: "bridge-seen-by-ip-rules",
    title: "rules for forwarding drop what a bridge passes on",
    story: "Since Docker was installed, two virtual machines on one bridge cannot ping each other.",
    network: bridged("1"),
    rules: NO_FORWARDING,
    acts: PING,
    trace: { hosts: ["bridge"], filter: "icmp" },
    truths: ofPing({
      outcome: "dropped",
      cause: "policy-drop",
      place: "filter:FORWARD:policy",
      findings: ["bridged"],
    }),
    proofs: [
      { kind: "ip", host: "bridge", words: "-stats link show p1", says: "master br0" },
      { kind: "counter", host: "bridge", name: "dev.p1.rx_packets", is: 1, orMore: true },
      { kind: "rule", host: "bridge", at: "filter:FORWARD:1", packets: 0 },
      { kind: "counter", host: "server", name: "IcmpInEchos", is: 0 },
    ],
  },
  {
    name: "bridge-not-seen-by-ip-rules",
    title: "what a bridge passes on is none of the IP rules' business",
    story: "The rules forbid all forwarding, and two virtual machines talk to each other all the same.",
    network: bridged("0"),
    rules: NO_FORWARDING,
    acts: PING,
    trace: { hosts: ["bridge"], filter: "icmp" },
    truths: ofPing({
      outcome: "forwarded",
      cause: null,
      place: "never",
      findings: ["bridged"],
      needs: "wire",
    }),
    proofs: [
      { kind: "counter", host: "server", name: "IcmpInEchos", is: 1 },
      { kind: "counter", host: "client", name: "IcmpInEchoReps", is: 1 },
      { kind: "counter", host: "bridge", name: "IpInReceives", is: 0 },
    ],
  },
  {
    name: "asymmetric-routing",
    title: "the answer comes through another firewall, which has not seen the question",
    story: "A connection is allowed by both firewalls, and it is never established.",
    network: TWO_ROUTERS,
    rules: {
      ...legacy(
        "b",
        table(
          "filter",
          ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"],
          [
            "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
          ],
        ),
      ),
      ...nft(
        "b",
        `table inet fw {
          chain way { type filter hook forward priority filter; policy accept;
            ct state established,related counter accept
            ct state invalid counter drop
          }
        }`,
      ),
    },
    services: [{ host: "server", kind: "tcp-echo", port: 80 }],
    acts: [{ kind: "tcp", host: "client", to: "198.51.100.2", port: 80, from: 40_000, ends: "silence" }],
    trace: { hosts: ["a", "b"], filter: "tcp port 80" },
    truths: [
      {
        packet: "tcp dst port 80",
        host: "a",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["asymmetric-reply"],
        notCollected: "each host's collection is explained by itself, and the answer came through the other",
        out: "s0",
      },
      {
        packet: "tcp src port 80",
        host: "b",
        outcome: "dropped",
        cause: "conntrack-invalid",
        place: { legacy: "filter:FORWARD:2", nft: "fw:way:2" },
      },
    ],
    proofs: [
      // Also its repetitions: all of them end there.
      { kind: "counter", host: "b", name: "conntrack.invalid", is: 1, orMore: true },
      { kind: "counter", host: "b", name: "IpExtInOctets", is: 40, orMore: true },
      { kind: "rule", host: "b", at: { legacy: "filter:FORWARD:1", nft: "fw:way:1" }, packets: 0 },
      { kind: "received", host: "server", port: 80, times: 0 },
      { kind: "counter", host: "client", name: "TcpInSegs", is: 0 },
    ],
  },
];
