/** Where routing decides between two hooks, or the link layer behind the last: no rule was to blame. */
import { packet, udp } from "../packets.ts";
import type { Act, FramePacket, Proof, Scenario, Truth } from "../scenario.ts";
import { CLIENT, CLIENT6, iptables, NO_RULES, nft, routed, SERVER, SERVER6, table } from "../topologies.ts";

/** One datagram from the client to the server, which nothing comes back for. */
const TO_SERVER: Act = { kind: "udp", host: "client", to: SERVER, port: 5001, from: 40_000, ends: "silence" };
const OF_IT = { hosts: ["router"], filter: "udp port 5001" };
const SERVICES = [{ host: "server", kind: "udp-silent", port: 5001 }] as const;
const NOT_RECEIVED: Proof = { kind: "received", host: "server", port: 5001, times: 0 };
const DATAGRAM = udp({ sport: 40_000, dport: 5001 });

function sent(...packets: readonly FramePacket[]): readonly Act[] {
  return [{ kind: "frames", host: "client", link: "eth0", to: ["router", "c0"], packets }];
}

function lost(
  cause: string,
  outcome: Truth["outcome"],
  place = "after prerouting",
  notCollected?: string,
): readonly Truth[] {
  const truth: Truth = { packet: "udp dst port 5001", host: "router", outcome, cause, place };
  return [notCollected === undefined ? truth : { ...truth, notCollected }];
}

function to(address: string, ends: string): readonly Act[] {
  return [{ kind: "udp", host: "client", to: address, port: 5001, from: 40_000, ends }];
}

export const ROUTING: readonly Scenario[] = [
  {
    name: "forwarding-off",
    title: "the host does not forward",
    story: "After an update the router passes nothing on; its rules are as they were.",
    network: routed({ router: { settings: { "net.ipv4.ip_forward": "0" } } }),
    rules: NO_RULES,
    services: SERVICES,
    acts: [TO_SERVER],
    trace: OF_IT,
    truths: lost("forwarding-off", "dropped"),
    proofs: [{ kind: "counter", host: "router", name: "IpInAddrErrors", is: 1 }, NOT_RECEIVED],
  },
  {
    name: "forwarding-off-ip6",
    title: "the host does not forward IPv6",
    story: "IPv4 goes through the router, IPv6 does not.",
    network: routed({ router: { settings: { "net.ipv6.conf.all.forwarding": "0" } } }),
    rules: NO_RULES,
    services: SERVICES,
    acts: [TO_SERVER, { ...TO_SERVER, to: SERVER6 }],
    trace: OF_IT,
    truths: [
      {
        packet: "ip6 and udp dst port 5001",
        host: "router",
        outcome: "dropped",
        cause: "forwarding-off",
        place: "after prerouting",
      },
      {
        packet: "ip and udp dst port 5001",
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        out: "s0",
      },
    ],
    proofs: [
      { kind: "counter", host: "router", name: "Ip6OutForwDatagrams", is: 0 },
      { kind: "received", host: "server", port: 5001, times: 1 },
    ],
  },
  {
    name: "no-route",
    title: "there is no route to where it goes",
    story: "A network is unreachable since the router has lost its default route.",
    network: routed(),
    rules: NO_RULES,
    acts: to("203.0.113.9", "silence"),
    trace: OF_IT,
    truths: lost("no-route", "rejected"),
    proofs: [
      { kind: "counter", host: "router", name: "IpExtInNoRoutes", is: 1 },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 1 },
      { kind: "ip", host: "router", words: "route get 203.0.113.9", says: "Network is unreachable" },
    ],
  },
  {
    name: "no-route-ip6",
    title: "there is no IPv6 route to where it goes",
    story: "An IPv6 network is unreachable since the router has lost its default route.",
    network: routed(),
    rules: NO_RULES,
    acts: to("2001:db8:9::9", "silence"),
    trace: OF_IT,
    truths: lost("no-route", "rejected"),
    proofs: [
      { kind: "counter", host: "router", name: "Icmp6OutDestUnreachs", is: 1 },
      { kind: "counter", host: "client", name: "Icmp6InDestUnreachs", is: 1 },
      { kind: "ip", host: "router", words: "route get 2001:db8:9::9", says: "Network is unreachable" },
    ],
  },
  {
    name: "blackhole-route",
    title: "a blackhole route swallows it",
    story: "A network that was taken under attack last year does not answer, and nothing says why.",
    network: routed({ router: { routes: ["blackhole 203.0.113.0/24"] } }),
    rules: NO_RULES,
    acts: to("203.0.113.9", "silence"),
    trace: OF_IT,
    truths: lost("route-refused", "dropped"),
    proofs: [
      {
        kind: "ip",
        host: "router",
        words: `route get 203.0.113.9 from ${CLIENT} iif c0`,
        says: "Invalid argument",
      },
      { kind: "counter", host: "router", name: "IpInReceives", is: 1, orMore: true },
      { kind: "counter", host: "router", name: "IpForwDatagrams", is: 0 },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 0 },
    ],
  },
  {
    name: "prohibit-policy",
    title: "a policy rule prohibits the way, and says so",
    story: "One host may not reach a network that all others reach.",
    network: routed({
      router: {
        routes: ["203.0.113.0/24 via 198.51.100.2"],
        policy: [`from ${CLIENT}/32 to 203.0.113.0/24 prohibit`],
      },
    }),
    rules: NO_RULES,
    acts: to("203.0.113.9", "EHOSTUNREACH"),
    trace: OF_IT,
    truths: lost("route-refused", "rejected"),
    proofs: [
      {
        kind: "ip",
        host: "router",
        words: `route get 203.0.113.9 from ${CLIENT} iif c0`,
        says: "Permission denied",
      },
      { kind: "ip", host: "router", words: "route get 203.0.113.9", says: "via 198.51.100.2" },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 1 },
    ],
  },
  {
    name: "unreachable-route-ip6",
    title: "an unreachable route refuses IPv6",
    story: "A network behind a VPN is refused whenever the VPN is down.",
    network: routed({ router: { routes: ["unreachable 2001:db8:9::/48"] } }),
    rules: NO_RULES,
    acts: to("2001:db8:9::9", "silence"),
    trace: OF_IT,
    truths: lost("route-refused", "rejected"),
    proofs: [
      { kind: "ip", host: "router", words: "route get 2001:db8:9::9", says: "No route to host" },
      { kind: "counter", host: "client", name: "Icmp6InDestUnreachs", is: 1 },
    ],
  },
  {
    name: "reverse-path",
    title: "the way back would go by another link",
    story: "Datagrams of a host with two links arrive at the router, and the router never passes them on.",
    network: routed({ router: { settings: { "net.ipv4.conf.c0.rp_filter": "1" } } }),
    rules: NO_RULES,
    services: SERVICES,
    acts: sent(packet({ src: "198.51.100.77", dst: SERVER }, DATAGRAM)),
    trace: OF_IT,
    truths: lost("reverse-path", "dropped"),
    proofs: [{ kind: "counter", host: "router", name: "TcpExtIPReversePathFilter", is: 1 }, NOT_RECEIVED],
  },
  {
    name: "martian-source",
    title: "its source cannot be right on a wire",
    story:
      "A broken device sends from 127.0.0.9; a capture shows its datagrams, and the router ignores them.",
    network: routed(),
    rules: NO_RULES,
    services: SERVICES,
    acts: sent(packet({ src: "127.0.0.9", dst: SERVER }, DATAGRAM)),
    trace: OF_IT,
    truths: lost("martian", "dropped"),
    proofs: [
      {
        kind: "ip",
        host: "router",
        words: `route get ${SERVER} from 127.0.0.9 iif c0`,
        says: "Invalid argument",
      },
      { kind: "counter", host: "router", name: "IpInReceives", is: 1, orMore: true },
      { kind: "counter", host: "router", name: "IpForwDatagrams", is: 0 },
      NOT_RECEIVED,
    ],
  },
  {
    name: "ttl-expired",
    title: "its TTL ran out here",
    story: "Datagrams from a host many hops away end at the router.",
    network: routed(),
    rules: NO_RULES,
    services: SERVICES,
    acts: sent(packet({ src: CLIENT, dst: SERVER, ttl: 1 }, DATAGRAM)),
    trace: OF_IT,
    truths: lost("ttl-expired", "rejected"),
    proofs: [
      { kind: "counter", host: "router", name: "IcmpOutTimeExcds", is: 1 },
      { kind: "counter", host: "client", name: "IcmpInTimeExcds", is: 1 },
      NOT_RECEIVED,
    ],
  },
  {
    name: "hop-limit-ip6",
    title: "its hop limit ran out here",
    story: "Datagrams over IPv6 from a host many hops away end at the router.",
    network: routed(),
    rules: NO_RULES,
    services: SERVICES,
    acts: sent(packet({ src: CLIENT6, dst: SERVER6, ttl: 1 }, DATAGRAM)),
    trace: OF_IT,
    truths: lost("ttl-expired", "rejected"),
    proofs: [
      { kind: "counter", host: "router", name: "Icmp6OutTimeExcds", is: 1 },
      { kind: "counter", host: "client", name: "Icmp6InTimeExcds", is: 1 },
      NOT_RECEIVED,
    ],
  },
  {
    name: "vpn-mtu",
    title: "too large for the VPN, and not to be fragmented",
    story: "Logging in over the VPN works, and copying a file hangs.",
    network: routed({ mtu: 1400, serverLink: "tun0" }),
    rules: NO_RULES,
    services: SERVICES,
    acts: sent(
      packet(
        { src: CLIENT, dst: SERVER, dontFragment: true },
        udp({ sport: 40_000, dport: 5001, bytes: 1450 }),
      ),
    ),
    trace: OF_IT,
    truths: lost("too-big", "rejected", "after prerouting", "nft's text does not tell DF"),
    proofs: [
      { kind: "counter", host: "router", name: "IpFragFails", is: 1 },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 1 },
      NOT_RECEIVED,
    ],
  },
  {
    name: "vpn-mtu-ip6",
    title: "too large for the VPN: IPv6 is never fragmented on its way",
    story: "Over IPv6 small answers come through the VPN, and large ones never.",
    network: routed({ mtu: 1400, serverLink: "tun0" }),
    rules: NO_RULES,
    services: SERVICES,
    acts: sent(packet({ src: CLIENT6, dst: SERVER6 }, udp({ sport: 40_000, dport: 5001, bytes: 1440 }))),
    trace: OF_IT,
    truths: lost("too-big", "rejected"),
    proofs: [
      { kind: "counter", host: "router", name: "Ip6InTooBigErrors", is: 1 },
      { kind: "counter", host: "client", name: "Icmp6InPktTooBigs", is: 1 },
      NOT_RECEIVED,
    ],
  },
  {
    name: "pmtu-black-hole",
    title: "the router's own word that a packet is too large is dropped by a rule",
    story: "Somebody has forbidden all ICMP; since then large transfers over the VPN hang for ever.",
    network: routed({ mtu: 1400, serverLink: "tun0" }),
    rules: {
      ...iptables(
        "router",
        table("filter", ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"], ["-A OUTPUT -p icmp -j DROP"]),
      ),
    },
    services: SERVICES,
    acts: sent(
      packet(
        { src: CLIENT, dst: SERVER, dontFragment: true },
        udp({ sport: 40_000, dport: 5001, bytes: 1450 }),
      ),
    ),
    trace: { hosts: ["router"], filter: "udp port 5001 or icmp" },
    truths: [
      {
        packet: "icmp[icmptype] = icmp-unreach",
        host: "router",
        outcome: "dropped",
        cause: "rule-drop",
        place: "filter:OUTPUT:1",
      },
    ],
    proofs: [
      { kind: "counter", host: "router", name: "IpFragFails", is: 1 },
      { kind: "rule", host: "router", at: "filter:OUTPUT:1", packets: 1 },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 0 },
      NOT_RECEIVED,
    ],
  },
  {
    name: "will-fragment",
    title: "too large for the next link, and it may be fragmented",
    story: "Datagrams leave the router in two parts, and the device behind it can only take whole ones.",
    network: routed({ mtu: 1400, serverLink: "tun0" }),
    rules: NO_RULES,
    services: SERVICES,
    acts: sent(packet({ src: CLIENT, dst: SERVER }, udp({ sport: 40_000, dport: 5001, bytes: 1450 }))),
    trace: OF_IT,
    truths: [
      {
        packet: "udp dst port 5001",
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["will-fragment"],
        out: "tun0",
      },
    ],
    proofs: [
      { kind: "counter", host: "router", name: "IpFragOKs", is: 1 },
      { kind: "counter", host: "router", name: "IpFragCreates", is: 2 },
      { kind: "received", host: "server", port: 5001, times: 1 },
    ],
  },
  {
    name: "no-neighbour",
    title: "nobody answers for the next hop",
    story:
      "A server was moved; the router accepts what is for it, and after a while says that the host is unreachable.",
    network: routed({
      router: {
        settings: {
          "net.ipv4.neigh.s0.retrans_time_ms": "100",
          "net.ipv4.neigh.s0.mcast_solicit": "1",
        },
      },
    }),
    rules: NO_RULES,
    acts: to("198.51.100.77", "silence"),
    trace: OF_IT,
    truths: lost("no-neighbour", "rejected", "after postrouting", "it lists neighbours at its start"),
    proofs: [
      { kind: "ip", host: "router", words: "neighbour show 198.51.100.77", says: "FAILED" },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 1 },
    ],
  },
  {
    name: "link-down",
    title: "the way out has no carrier",
    story: "The cable to the servers is unplugged; the router forwards to it as if nothing had happened.",
    network: routed({
      router: {
        // A neighbour that had to be asked for would be missed first.
        neighbours: [`${SERVER} lladdr 02:00:5e:00:02:02 dev s0 nud permanent`],
        unplugged: ["s0"],
      },
    }),
    rules: NO_RULES,
    services: SERVICES,
    acts: [TO_SERVER],
    trace: OF_IT,
    truths: lost("link-down", "dropped", "after postrouting"),
    proofs: [
      { kind: "ip", host: "router", words: "link show s0", says: "NO-CARRIER" },
      { kind: "counter", host: "router", name: "IpForwDatagrams", is: 1 },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 0 },
      NOT_RECEIVED,
    ],
  },
  {
    name: "policy-routing",
    title: "a mark sends it another way",
    story: "Traffic to one port leaves by the wrong uplink, although the routing table says otherwise.",
    network: routed({
      third: { host: "uplink", link: "v0" },
      router: { routes: ["default via 198.18.0.2 table 100"], policy: ["fwmark 7 lookup 100"] },
    }),
    rules: {
      ...iptables(
        "router",
        table(
          "mangle",
          ["PREROUTING ACCEPT", "INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT", "POSTROUTING ACCEPT"],
          ["-A PREROUTING -p udp -m udp --dport 5001 -j MARK --set-mark 7"],
        ),
      ),
      ...nft(
        "router",
        `table inet fw {
          chain classify { type filter hook prerouting priority mangle; policy accept;
            udp dport 5001 counter meta mark set 7
          }
        }`,
      ),
    },
    services: SERVICES,
    acts: [TO_SERVER],
    trace: OF_IT,
    truths: [
      {
        packet: "udp dst port 5001",
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        out: "v0",
      },
    ],
    proofs: [
      {
        kind: "rule",
        host: "router",
        at: { legacy: "mangle:PREROUTING:1", nft: "fw:classify:1" },
        packets: 1,
      },
      { kind: "ip", host: "router", words: `route get ${SERVER}`, says: "dev s0" },
      { kind: "counter", host: "uplink", name: "IpInAddrErrors", is: 1 },
      NOT_RECEIVED,
    ],
  },
  {
    name: "no-reply",
    title: "it was delivered, and nobody answers",
    story: "A query goes out to the server and no answer comes back; the firewall is suspected.",
    network: routed(),
    rules: NO_RULES,
    services: SERVICES,
    // An answer has a second to come.
    acts: [TO_SERVER, { kind: "wait", ms: 1_200 }],
    trace: OF_IT,
    truths: [
      {
        packet: "udp dst port 5001",
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["no-reply"],
        notCollected: "a collection does not tell how long was listened",
        out: "s0",
      },
    ],
    proofs: [
      { kind: "received", host: "server", port: 5001, times: 1 },
      { kind: "counter", host: "server", name: "UdpOutDatagrams", is: 0 },
    ],
  },
];
