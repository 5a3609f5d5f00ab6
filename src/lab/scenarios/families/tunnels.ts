/** Packets in packets: what a rule does to one, the other dies of. */
import type { Network } from "../network.ts";
import type { Scenario, Truth } from "../scenario.ts";
import { CLIENT, iptables, MANGLE, routed, table } from "../topologies.ts";

const ROUTER_OUTSIDE = "198.51.100.1";
const SERVER_OUTSIDE = "198.51.100.2";
/** The server's address in the tunnel. */
const SERVER_INSIDE = "10.9.0.2";

/** Router and server joined by a tunnel, which the client's packets go through. */
function tunnelled(type: (local: string, remote: string) => string): Network {
  return routed({
    router: {
      tunnels: { tun0: { type: type(ROUTER_OUTSIDE, SERVER_OUTSIDE), addresses: ["10.9.0.1/24"] } },
    },
    server: {
      tunnels: { tun0: { type: type(SERVER_OUTSIDE, ROUTER_OUTSIDE), addresses: [`${SERVER_INSIDE}/24`] } },
      routes: ["192.0.2.0/24 via 10.9.0.1"],
    },
    knowsTheWayBack: false,
  });
}

const KEYS =
  "enc cbc(aes) 0x00112233445566778899aabbccddeeff auth-trunc hmac(sha1) 0x000102030405060708090a0b0c0d0e0f10111213 96";

interface Security {
  readonly mode: "tunnel" | "transport";
  /** What is protected of the two sides: prefixes. */
  readonly near: string;
  readonly far: string;
}

function states(mode: string): readonly string[] {
  const state = (src: string, dst: string, id: number) =>
    `state add src ${src} dst ${dst} proto esp spi 0x10${id} reqid ${id} mode ${mode} ${KEYS}`;
  return [state(ROUTER_OUTSIDE, SERVER_OUTSIDE, 1), state(SERVER_OUTSIDE, ROUTER_OUTSIDE, 2)];
}

function policy(way: string, from: string, to: string, id: 1 | 2, mode: string): string {
  const [src, dst] = id === 1 ? [ROUTER_OUTSIDE, SERVER_OUTSIDE] : [SERVER_OUTSIDE, ROUTER_OUTSIDE];
  return `policy add src ${from} dst ${to} dir ${way} tmpl src ${src} dst ${dst} proto esp reqid ${id} mode ${mode}`;
}

function secured({ mode, near, far }: Security): Network {
  return routed({
    router: {
      ipsec: [
        ...states(mode),
        policy("out", near, far, 1, mode),
        policy("in", far, near, 2, mode),
        ...(mode === "tunnel" ? [policy("fwd", far, near, 2, mode)] : []),
      ],
    },
    server: {
      ipsec: [...states(mode), policy("in", near, far, 1, mode), policy("out", far, near, 2, mode)],
    },
  });
}

const WAY = { host: "router", cause: null } as const;

function there(truth: Pick<Truth, "packet" | "outcome" | "place"> & Partial<Truth>): Truth {
  return { ...WAY, ...truth };
}

const SERVICES = [{ host: "server", kind: "udp-echo", port: 5001 }] as const;

/** The question goes in, the answer comes out of it, and everything arrives. */
function bothWays(question: string, answer: string, outer: string): readonly Truth[] {
  return [
    there({
      packet: `${question} and udp dst port 5001`,
      outcome: "forwarded",
      place: "after postrouting",
      carriedBy: `${outer} and src host ${ROUTER_OUTSIDE}`,
    }),
    there({
      packet: `${answer} and udp src port 5001`,
      outcome: "forwarded",
      place: "after postrouting",
      unpackedFrom: `${outer} and src host ${SERVER_OUTSIDE}`,
      out: "c0",
    }),
  ];
}

export const TUNNELS: readonly Scenario[] = [
  {
    name: "vxlan-outer-dropped",
    title: "the packet is accepted, and the one that carries it is dropped",
    story: "The overlay's own rules let everything through, and nothing arrives at the other node.",
    network: tunnelled((local, remote) => `vxlan id 42 dstport 4789 local ${local} remote ${remote}`),
    rules: iptables(
      "router",
      MANGLE +
        table(
          "filter",
          ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"],
          ["-A OUTPUT -p udp -m udp --dport 4789 -m length --length 138 -j DROP"],
        ),
    ),
    services: SERVICES,
    acts: [
      {
        ...{ kind: "udp", host: "client", to: SERVER_INSIDE, port: 5001, from: 40_000, bytes: 60 },
        ends: "silence",
      },
    ],
    trace: { hosts: ["router"], filter: "udp port 5001 or udp port 4789" },
    truths: [
      there({
        packet: "udp dst port 5001",
        outcome: "forwarded",
        place: "after postrouting",
        out: "tun0",
        carriedBy: "udp dst port 4789 and greater 138 and less 138",
      }),
      there({
        packet: "udp dst port 4789 and greater 138 and less 138",
        outcome: "dropped",
        cause: "rule-drop",
        place: "filter:OUTPUT:1",
      }),
    ],
    proofs: [
      { kind: "rule", host: "router", at: "filter:OUTPUT:1", packets: 1 },
      { kind: "received", host: "server", port: 5001, times: 0 },
    ],
  },
  {
    name: "vxlan-tunnel",
    title: "through a tunnel of Ethernet in UDP, and back",
    story: "Two nodes of an overlay network talk, and a capture at the cable shows UDP port 4789 alone.",
    network: tunnelled((local, remote) => `vxlan id 42 dstport 4789 local ${local} remote ${remote}`),
    rules: iptables("router", MANGLE),
    services: SERVICES,
    acts: [{ kind: "udp", host: "client", to: SERVER_INSIDE, port: 5001, from: 40_000, ends: "echo" }],
    trace: { hosts: ["router"], filter: "udp port 5001 or udp port 4789" },
    truths: bothWays(`src host ${CLIENT}`, `src host ${SERVER_INSIDE}`, "udp dst port 4789"),
    proofs: [{ kind: "received", host: "server", port: 5001, times: 1 }],
  },
  {
    name: "ipip-tunnel",
    title: "through a tunnel of IP in IP, and back",
    story: "The branch office is behind a tunnel, and its packets are of protocol 4 on the way.",
    network: tunnelled((local, remote) => `ipip local ${local} remote ${remote}`),
    rules: iptables("router", MANGLE),
    services: SERVICES,
    acts: [{ kind: "udp", host: "client", to: SERVER_INSIDE, port: 5001, from: 40_000, ends: "echo" }],
    trace: { hosts: ["router"], filter: "udp port 5001 or ip proto 4" },
    truths: bothWays(`src host ${CLIENT}`, `src host ${SERVER_INSIDE}`, "ip proto 4"),
    proofs: [{ kind: "received", host: "server", port: 5001, times: 1 }],
  },
  {
    name: "ipsec-tunnel",
    title: "ESP arrives, and what came in it is dropped",
    story: "The VPN is up on both sides and counts packets, and answers never arrive.",
    network: secured({ mode: "tunnel", near: "192.0.2.0/24", far: `${SERVER_OUTSIDE}/32` }),
    rules: iptables(
      "router",
      MANGLE +
        table(
          "filter",
          ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"],
          ["-A FORWARD -p udp -m udp --sport 5001 -j DROP"],
        ),
    ),
    services: SERVICES,
    acts: [{ kind: "udp", host: "client", to: SERVER_OUTSIDE, port: 5001, from: 40_000, ends: "silence" }],
    trace: { hosts: ["router"], filter: "udp port 5001 or ip proto 50" },
    truths: [
      there({
        packet: "udp dst port 5001",
        outcome: "forwarded",
        place: "after postrouting",
        carriedBy: `ip proto 50 and src host ${ROUTER_OUTSIDE}`,
      }),
      there({
        packet: `ip proto 50 and src host ${ROUTER_OUTSIDE}`,
        outcome: "sent",
        place: "after postrouting",
      }),
      there({
        packet: "udp src port 5001",
        outcome: "dropped",
        cause: "rule-drop",
        place: "filter:FORWARD:1",
        unpackedFrom: `ip proto 50 and src host ${SERVER_OUTSIDE}`,
      }),
    ],
    proofs: [
      { kind: "received", host: "server", port: 5001, times: 1 },
      { kind: "rule", host: "router", at: "filter:FORWARD:1", packets: 1 },
      { kind: "ip", host: "server", words: "-s xfrm state", says: "proto esp spi 0x00000101" },
    ],
  },
  {
    name: "ipsec-transport",
    title: "between two hosts that encrypt, in ESP's transport mode",
    story:
      "Traffic of two servers is encrypted, and rules for its ports see each packet beside an ESP packet.",
    network: secured({ mode: "transport", near: `${ROUTER_OUTSIDE}/32`, far: `${SERVER_OUTSIDE}/32` }),
    rules: iptables("router", MANGLE),
    services: SERVICES,
    acts: [{ kind: "udp", host: "router", to: SERVER_OUTSIDE, port: 5001, from: 40_000, ends: "echo" }],
    trace: { hosts: ["router"], filter: "udp port 5001 or ip proto 50" },
    truths: [
      there({
        packet: "udp dst port 5001",
        outcome: "sent",
        place: "after postrouting",
        carriedBy: `ip proto 50 and src host ${ROUTER_OUTSIDE}`,
      }),
      there({
        packet: "udp src port 5001",
        outcome: "delivered",
        place: "after input",
        unpackedFrom: `ip proto 50 and src host ${SERVER_OUTSIDE}`,
      }),
    ],
    proofs: [
      { kind: "received", host: "server", port: 5001, times: 1 },
      { kind: "ip", host: "server", words: "-s xfrm state", says: "proto esp spi 0x00000101" },
    ],
  },
];
