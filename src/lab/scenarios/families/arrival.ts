/** The end of the way, or its very beginning: a socket, a checksum, a fragment, an address of the link. */
import { fragments, packet, udp } from "../packets.ts";
import type { Act, Beside, FramePacket, Scenario, Truth } from "../scenario.ts";
import { CLIENT, iptables, MANGLE, NO_RULES, ROUTER, ROUTER6, routed, SERVER, table } from "../topologies.ts";

const DATAGRAM = udp({ sport: 40_000, dport: 5001 });
const LARGE = udp({ sport: 40_000, dport: 5001, bytes: 2000 });
const OF_IT = { hosts: ["router"], filter: "udp port 5001" };

function sent(...packets: readonly FramePacket[]): readonly Act[] {
  return [{ kind: "frames", host: "client", link: "eth0", to: ["router", "c0"], packets }];
}

function lost(cause: string, outcome: Truth["outcome"], place: string, needs?: Beside): readonly Truth[] {
  const truth: Truth = { packet: "udp dst port 5001", host: "router", outcome, cause, place };
  return [needs === undefined ? truth : { ...truth, needs }];
}

export const ARRIVAL: readonly Scenario[] = [
  {
    name: "no-listener-udp",
    title: "it arrived, and no socket wants it",
    story: "The router refuses syslog messages, and no rule is there that could.",
    network: routed(),
    rules: NO_RULES,
    acts: [{ kind: "udp", host: "client", to: ROUTER, port: 5001, from: 40_000, ends: "ECONNREFUSED" }],
    trace: OF_IT,
    truths: lost("no-listener", "rejected", "after input", "drops"),
    proofs: [
      { kind: "counter", host: "router", name: "UdpNoPorts", is: 1 },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 1 },
    ],
  },
  {
    name: "no-listener-tcp-ip6",
    title: "a connection that no socket wants is reset",
    story: "The daemon listens on IPv4 alone, and clients come by IPv6.",
    network: routed(),
    rules: NO_RULES,
    services: [{ host: "router", kind: "tcp-echo", port: 8080, address: "0.0.0.0" }],
    acts: [
      { kind: "tcp", host: "client", to: ROUTER, port: 8080, from: 40_000, ends: "connected" },
      { kind: "tcp", host: "client", to: ROUTER6, port: 8080, from: 40_001, ends: "ECONNREFUSED" },
    ],
    trace: { hosts: ["router"], filter: "ip6 and tcp port 8080" },
    truths: [
      {
        packet: "ip6 and tcp dst port 8080",
        host: "router",
        outcome: "rejected",
        cause: "no-listener",
        place: "after input",
      },
    ],
    proofs: [
      { kind: "counter", host: "router", name: "TcpOutRsts", is: 1, orMore: true },
      { kind: "received", host: "router", port: 8080, times: 1 },
    ],
  },
  {
    name: "socket-full",
    title: "the program does not read fast enough",
    story: "Some metrics never arrive although every datagram reaches the host.",
    network: routed(),
    rules: NO_RULES,
    services: [{ host: "router", kind: "udp-deaf", port: 5001 }],
    acts: [
      {
        kind: "udp",
        host: "client",
        to: ROUTER,
        port: 5001,
        from: 40_000,
        bytes: 1400,
        times: 5,
        ends: "silence",
      },
      { kind: "udp", host: "client", to: ROUTER, port: 5001, from: 40_001, bytes: 1400, ends: "silence" },
    ],
    trace: OF_IT,
    truths: [
      {
        packet: "udp src port 40001",
        host: "router",
        outcome: "dropped",
        cause: "socket-full",
        place: "after input",
        needs: "drops",
      },
    ],
    proofs: [{ kind: "counter", host: "router", name: "UdpRcvbufErrors", is: 2, orMore: true }],
  },
  {
    name: "bad-checksum",
    title: "its checksum is wrong",
    story: "A capture shows the datagrams arrive, and the program does not get them.",
    network: routed(),
    rules: NO_RULES,
    services: [{ host: "router", kind: "udp-silent", port: 5001 }],
    acts: sent(
      packet({ src: CLIENT, dst: ROUTER }, udp({ sport: 40_000, dport: 5001, hasBadChecksum: true })),
    ),
    trace: OF_IT,
    truths: lost("bad-checksum", "dropped", "after input", "wire"),
    proofs: [
      { kind: "counter", host: "router", name: "UdpInCsumErrors", is: 1 },
      { kind: "received", host: "router", port: 5001, times: 0 },
    ],
  },
  {
    name: "fragment-missing",
    title: "a fragment never came, so conntrack never put it together",
    story: "Large datagrams do not get through the firewall, and no rule of it ever counts one.",
    network: routed({ router: { settings: { "net.ipv4.ipfrag_time": "1" } } }),
    rules: {
      ...iptables(
        "router",
        table(
          "filter",
          ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"],
          ["-A FORWARD -m conntrack --ctstate INVALID -j DROP"],
        ),
      ),
    },
    services: [{ host: "server", kind: "udp-silent", port: 5001 }],
    acts: sent(...fragments({ src: CLIENT, dst: SERVER, id: 77 }, LARGE, 1400).slice(0, 1)),
    trace: OF_IT,
    truths: lost("fragment-missing", "dropped", "never", "wire"),
    proofs: [
      { kind: "counter", host: "router", name: "IpReasmFails", is: 1 },
      { kind: "counter", host: "router", name: "IpReasmTimeout", is: 1 },
      { kind: "rule", host: "router", at: "filter:FORWARD:1", packets: 0 },
      { kind: "received", host: "server", port: 5001, times: 0 },
    ],
  },
  {
    name: "fragment-missing-local",
    title: "a fragment never came, so the host never had the whole",
    story: "Large queries to the router are not answered; somebody before it drops second fragments.",
    network: routed({ router: { settings: { "net.ipv4.ipfrag_time": "1" } } }),
    rules: NO_RULES,
    services: [{ host: "router", kind: "udp-silent", port: 5001 }],
    acts: sent(...fragments({ src: CLIENT, dst: ROUTER, id: 78 }, LARGE, 1400).slice(0, 1)),
    trace: OF_IT,
    // nft's own text tells no ports of a fragment.
    truths: [
      {
        packet: `udp and src ${CLIENT}`,
        host: "router",
        outcome: "rejected",
        cause: "fragment-missing",
        place: "after prerouting",
        notCollected: "nft's text does not tell that it is a fragment",
      },
    ],
    proofs: [
      { kind: "counter", host: "router", name: "IpReasmTimeout", is: 1 },
      { kind: "counter", host: "client", name: "IcmpInTimeExcds", is: 1 },
      { kind: "received", host: "router", port: 5001, times: 0 },
    ],
  },
  {
    name: "defragmented",
    title: "fragments are one packet to the rules",
    story: "The rules count one packet of 2028 bytes on links that carry 1500.",
    network: routed(),
    rules: {
      ...iptables(
        "router",
        MANGLE +
          table(
            "filter",
            ["INPUT ACCEPT", "FORWARD DROP", "OUTPUT ACCEPT"],
            [
              "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
              "-A FORWARD -p udp -m udp --dport 5001 -j ACCEPT",
            ],
          ),
      ),
    },
    services: [{ host: "server", kind: "udp-silent", port: 5001 }],
    acts: sent(...fragments({ src: CLIENT, dst: SERVER, id: 79 }, LARGE, 1480)),
    trace: OF_IT,
    truths: [
      {
        packet: "udp dst port 5001",
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["defragmented", "will-fragment"],
        out: "s0",
      },
    ],
    proofs: [
      { kind: "counter", host: "router", name: "IpReasmOKs", is: 1 },
      { kind: "counter", host: "router", name: "IpFragCreates", is: 2 },
      { kind: "rule", host: "router", at: "filter:FORWARD:2", packets: 1 },
      { kind: "received", host: "server", port: 5001, times: 1 },
    ],
  },
  {
    name: "wrong-mac",
    title: "the frame was for another station",
    story: "A capture on the router shows the packets, and the router pretends not to.",
    network: routed(),
    rules: NO_RULES,
    services: [{ host: "router", kind: "udp-silent", port: 5001 }],
    acts: [
      {
        kind: "frames",
        host: "client",
        link: "eth0",
        to: "02:00:5e:00:99:99",
        packets: [packet({ src: CLIENT, dst: ROUTER }, DATAGRAM)],
      },
    ],
    trace: OF_IT,
    truths: lost("wrong-mac", "dropped", "never", "wire"),
    proofs: [
      {
        kind: "ip",
        host: "router",
        words: "-json -stats -stats link show c0",
        says: '"otherhost":1',
      },
      { kind: "received", host: "router", port: 5001, times: 0 },
    ],
  },
];
