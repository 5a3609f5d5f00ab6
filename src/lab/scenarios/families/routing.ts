/** No rule was to blame: the stack itself let the packet die, between two hooks or behind the last. */
import { packet, udp } from "../packets.ts";
import type { Act, Proof, Scenario, Truth } from "../scenario.ts";
import { CLIENT, CLIENT6, NO_RULES, ROUTER, routed, SERVER, SERVER6 } from "../topologies.ts";

/** One datagram from the client to the server, which nothing comes back for. */
const TO_SERVER: Act = { kind: "udp", host: "client", to: SERVER, port: 5001, from: 40_000, ends: "silence" };
const TO_SERVER6: Act = { ...TO_SERVER, to: SERVER6 };
const OF_IT = { hosts: ["router"], filter: "udp port 5001" };
const SERVICE = [{ host: "server", kind: "udp-silent", port: 5001 }] as const;
const NOT_RECEIVED: Proof = { kind: "received", host: "server", port: 5001, times: 0 };

function lost(cause: string, outcome: Truth["outcome"], place = "after prerouting"): readonly Truth[] {
  return [{ packet: "udp dst port 5001", host: "router", outcome, cause, place }];
}

export const ROUTING: readonly Scenario[] = [
  {
    name: "forwarding-off",
    title: "the host does not forward",
    story: "After an update the router passes nothing on; its rules are as they were.",
    network: routed({ router: { settings: { "net.ipv4.ip_forward": "0" } } }),
    rules: NO_RULES,
    services: SERVICE,
    acts: [TO_SERVER],
    trace: OF_IT,
    truths: lost("forwarding-off", "dropped"),
    proofs: [{ kind: "counter", host: "router", name: "IpInAddrErrors", is: 1 }, NOT_RECEIVED],
  },
  {
    name: "no-route",
    title: "there is no route to where it goes",
    story: "A network is unreachable since the router has lost its default route.",
    network: routed(),
    rules: NO_RULES,
    acts: [{ kind: "udp", host: "client", to: "203.0.113.9", port: 5001, from: 40_000, ends: "silence" }],
    trace: OF_IT,
    truths: lost("no-route", "rejected"),
    proofs: [
      { kind: "counter", host: "router", name: "IpExtInNoRoutes", is: 1 },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 1 },
      { kind: "ip", host: "router", words: "route get 203.0.113.9", says: "Network is unreachable" },
    ],
  },
  {
    name: "ttl-expired",
    title: "its TTL ran out here",
    story: "Datagrams from a host many hops away end at the router.",
    network: routed(),
    rules: NO_RULES,
    services: SERVICE,
    acts: [
      {
        kind: "frames",
        host: "client",
        link: "eth0",
        to: ["router", "c0"],
        packets: [packet({ src: CLIENT, dst: SERVER, ttl: 1 }, udp({ sport: 40_000, dport: 5001 }))],
      },
    ],
    trace: OF_IT,
    truths: lost("ttl-expired", "rejected"),
    proofs: [
      { kind: "counter", host: "router", name: "IcmpOutTimeExcds", is: 1 },
      { kind: "counter", host: "client", name: "IcmpInTimeExcds", is: 1 },
      NOT_RECEIVED,
    ],
  },
  {
    name: "no-listener-udp",
    title: "it arrived, and no socket wants it",
    story: "The router refuses syslog messages, and no rule is there that could.",
    network: routed(),
    rules: NO_RULES,
    acts: [{ kind: "udp", host: "client", to: ROUTER, port: 514, from: 40_000, ends: "ECONNREFUSED" }],
    trace: { hosts: ["router"], filter: "udp port 514" },
    truths: [
      {
        packet: "udp dst port 514",
        host: "router",
        outcome: "rejected",
        cause: "no-listener",
        place: "after input",
      },
    ],
    proofs: [
      { kind: "counter", host: "router", name: "UdpNoPorts", is: 1 },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 1 },
    ],
  },
];
void [CLIENT6, TO_SERVER6];
