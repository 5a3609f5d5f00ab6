/** Many packets at once, as a log has them: what is told of each must not suffer from the others. */
import type { Scenario } from "../scenario.ts";
import { CLIENT, legacy, MANGLE, nft, RAW, routed, SERVER, table } from "../topologies.ts";

const NAT_CHAINS = ["PREROUTING ACCEPT", "INPUT ACCEPT", "OUTPUT ACCEPT", "POSTROUTING ACCEPT"];
const FILTER_CHAINS = ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT", "services"];

export const CROWD: readonly Scenario[] = [
  {
    name: "many-packets",
    title: "a service that answers, and one that is closed, both busy",
    story: "One service of the server can be used and the other cannot, and the log is long.",
    network: routed({ knowsTheWayBack: false }),
    rules: {
      ...legacy(
        "router",
        RAW +
          MANGLE +
          table("nat", NAT_CHAINS, ["-A POSTROUTING -o s0 -j MASQUERADE"]) +
          table("filter", FILTER_CHAINS, [
            "-A FORWARD -o s0 -j services",
            "-A services -p udp -m udp --dport 5001 -j ACCEPT",
            "-A services -j DROP",
          ]),
      ),
      ...nft(
        "router",
        `table ip gateway {
          chain early { type filter hook prerouting priority mangle; policy accept; }
          chain leaving { type nat hook postrouting priority srcnat; policy accept;
            oifname "s0" counter masquerade
          }
        }
        table ip fw {
          chain services { udp dport 5001 counter accept
            counter drop
          }
          chain early { type filter hook forward priority mangle; policy accept; }
          chain way { type filter hook forward priority filter; policy accept;
            oifname "s0" counter jump services
          }
          chain late { type filter hook postrouting priority mangle; policy accept; }
        }`,
      ),
    },
    services: [{ host: "server", kind: "udp-echo", port: 5001 }],
    acts: [
      { kind: "udp", host: "client", to: SERVER, port: 5001, from: 40_000, times: 6, ends: "echo" },
      { kind: "udp", host: "client", to: SERVER, port: 5002, from: 40_001, times: 4, ends: "silence" },
      { kind: "udp", host: "client", to: SERVER, port: 5001, from: 40_002, times: 6, ends: "echo" },
    ],
    trace: { hosts: ["router"], filter: "udp" },
    truths: [
      {
        packet: `src ${CLIENT} and dst port 5001`,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        packets: 12,
        out: "s0",
      },
      {
        packet: `src ${SERVER}`,
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["nat-from-conntrack"],
        packets: 12,
        out: "c0",
      },
      {
        packet: "udp dst port 5002",
        host: "router",
        outcome: "dropped",
        cause: "rule-drop",
        place: { legacy: "filter:services:2", nft: "fw:services:2" },
        packets: 4,
      },
    ],
    proofs: [
      {
        kind: "rule",
        host: "router",
        at: { legacy: "filter:services:1", nft: "fw:services:1" },
        packets: 12,
      },
      { kind: "rule", host: "router", at: { legacy: "filter:services:2", nft: "fw:services:2" }, packets: 4 },
      { kind: "received", host: "server", port: 5001, times: 12 },
    ],
  },
];
