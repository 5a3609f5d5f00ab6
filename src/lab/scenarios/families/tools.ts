/** Rulesets as Docker, Kubernetes, firewalld and blocklists write them: many chains, none of them typed by hand. */
import type { Network } from "../network.ts";
import type { RuleText, Scenario } from "../scenario.ts";
import { FORWARDING, iptables, legacy, nft, ROUTER, routed, SERVER, table } from "../topologies.ts";

const SYN = "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn";
const NAT_CHAINS = ["PREROUTING ACCEPT", "INPUT ACCEPT", "OUTPUT ACCEPT", "POSTROUTING ACCEPT"];

/** A Docker host whose container 172.18.0.2 is published at port 8080 of 192.0.2.1. */
const DOCKER_HOST: Network = {
  cables: [
    {
      ends: [
        { host: "client", link: "eth0", addresses: ["192.0.2.2/24"] },
        { host: "docker", link: "eth0", addresses: ["192.0.2.1/24"] },
      ],
    },
    {
      ends: [
        { host: "docker", link: "veth79e0ef5", bridge: "docker0" },
        { host: "container", link: "eth0", addresses: ["172.18.0.2/16"] },
      ],
    },
  ],
  hosts: {
    client: {},
    docker: { bridges: { docker0: ["172.18.0.1/16"] }, settings: FORWARDING },
    container: { routes: ["default via 172.18.0.1"] },
  },
};

/** As Docker 27 writes them for one published port; what a person adds belongs in DOCKER-USER. */
function dockerRules(ofUser: readonly string[]): string {
  const nat = table(
    "nat",
    [...NAT_CHAINS, "DOCKER"],
    [
      "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
      "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
      "-A POSTROUTING -s 172.18.0.0/16 ! -o docker0 -j MASQUERADE",
      "-A DOCKER -i docker0 -j RETURN",
      "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:80",
    ],
  );
  const filter = table(
    "filter",
    [
      ...["INPUT ACCEPT", "FORWARD DROP", "OUTPUT ACCEPT"],
      ...["DOCKER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2", "DOCKER-USER"],
    ],
    [
      "-A FORWARD -j DOCKER-USER",
      "-A FORWARD -j DOCKER-ISOLATION-STAGE-1",
      "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      "-A FORWARD -o docker0 -j DOCKER",
      "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
      "-A FORWARD -i docker0 -o docker0 -j ACCEPT",
      "-A DOCKER -d 172.18.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
      "-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2",
      "-A DOCKER-ISOLATION-STAGE-1 -j RETURN",
      "-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP",
      "-A DOCKER-ISOLATION-STAGE-2 -j RETURN",
      ...ofUser,
      "-A DOCKER-USER -j RETURN",
    ],
  );
  return nat + filter;
}

const ENDPOINTS = [SERVER, "198.51.100.3"];
/** Names of kube-proxy's chains end in a hash of what they stand for. */
const KUBE_NAT = table(
  "nat",
  [
    ...NAT_CHAINS,
    "KUBE-SERVICES",
    "KUBE-SVC-TCOU7JCQXEZGVUNU",
    "KUBE-SEP-AAAA",
    "KUBE-SEP-BBBB",
    "KUBE-MARK-MASQ",
  ],
  [
    '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE",
    "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
    '-A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/kube-dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-TCOU7JCQXEZGVUNU',
    "-A KUBE-SVC-TCOU7JCQXEZGVUNU -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-AAAA",
    "-A KUBE-SVC-TCOU7JCQXEZGVUNU -j KUBE-SEP-BBBB",
    `-A KUBE-SEP-AAAA -s ${ENDPOINTS[0]}/32 -j KUBE-MARK-MASQ`,
    `-A KUBE-SEP-AAAA -p udp -m udp -j DNAT --to-destination ${ENDPOINTS[0]}:5353`,
    `-A KUBE-SEP-BBBB -s ${ENDPOINTS[1]}/32 -j KUBE-MARK-MASQ`,
    `-A KUBE-SEP-BBBB -p udp -m udp -j DNAT --to-destination ${ENDPOINTS[1]}:5353`,
  ],
);
const KUBE_REJECT = table(
  "filter",
  ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT", "KUBE-SERVICES", "KUBE-FORWARD"],
  [
    '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    '-A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/kube-dns:dns has no endpoints" -m udp --dport 53 -j REJECT --reject-with icmp-port-unreachable',
  ],
);
const FROM_PORTS = [40_000, 40_001, 40_002, 40_003];

const BLOCKED_SET: RuleText = {
  host: "router",
  tool: "ipset",
  text: "create blocked hash:ip\nadd blocked 192.0.2.2\n",
};

export const TOOLS: readonly Scenario[] = [
  {
    name: "docker-published",
    title: "a rule for the published port has no effect behind DNAT",
    story: "DOCKER-USER drops port 8080, and everybody still reaches the container through it.",
    network: DOCKER_HOST,
    rules: {
      ...iptables("docker", dockerRules(["-A DOCKER-USER -i eth0 -p tcp -m tcp --dport 8080 -j DROP"])),
    },
    services: [{ host: "container", kind: "tcp-echo", port: 80 }],
    acts: [{ kind: "tcp", host: "client", to: "192.0.2.1", port: 8080, from: 40_000, ends: "connected" }],
    trace: { hosts: ["docker"], filter: "tcp" },
    truths: [
      {
        packet: SYN,
        host: "docker",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["dnat"],
        out: "docker0",
      },
    ],
    proofs: [
      { kind: "rule", host: "docker", at: "filter:DOCKER-USER:1", packets: 0 },
      { kind: "rule", host: "docker", at: "nat:DOCKER:2", packets: 1 },
      { kind: "received", host: "container", port: 80, times: 1 },
    ],
  },
  {
    name: "docker-user-drop",
    title: "a rule that asks for the port before DNAT drops it",
    story: "A published port is closed from one day to the next, and the container is healthy.",
    network: DOCKER_HOST,
    rules: {
      ...iptables(
        "docker",
        dockerRules(["-A DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 8080 -j DROP"]),
      ),
    },
    services: [{ host: "container", kind: "tcp-echo", port: 80 }],
    acts: [{ kind: "tcp", host: "client", to: "192.0.2.1", port: 8080, from: 40_000, ends: "silence" }],
    trace: { hosts: ["docker"], filter: "tcp" },
    truths: [
      {
        packet: SYN,
        host: "docker",
        outcome: "dropped",
        cause: "rule-drop",
        place: "filter:DOCKER-USER:1",
        findings: ["dnat"],
      },
    ],
    proofs: [
      { kind: "rule", host: "docker", at: "filter:DOCKER-USER:1", packets: 1 },
      { kind: "received", host: "container", port: 80, times: 0 },
    ],
  },
  {
    name: "kube-service",
    title: "a service address leads to one of two endpoints, by chance",
    story: "Queries to one address are answered by different pods.",
    network: routed({ server: { routes: ["local 198.51.100.3/32 dev lo"] } }),
    rules: { ...iptables("router", KUBE_NAT) },
    services: ENDPOINTS.map((address) => ({ host: "server", kind: "udp-echo", port: 5353, address })),
    acts: FROM_PORTS.map((from) => ({
      kind: "udp",
      host: "client",
      to: "10.96.0.10",
      port: 53,
      from,
      ends: "echo",
    })),
    trace: { hosts: ["router"], filter: "udp" },
    truths: [
      {
        packet: "udp dst port 53",
        host: "router",
        outcome: "forwarded",
        cause: null,
        place: "after postrouting",
        findings: ["dnat"],
        packets: FROM_PORTS.length,
        out: "s0",
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: "nat:KUBE-SERVICES:1", packets: FROM_PORTS.length },
      { kind: "received", host: "server", port: 5353, times: FROM_PORTS.length },
    ],
  },
  {
    name: "kube-no-endpoints",
    title: "a service without endpoints is refused",
    story:
      "Name resolution in the cluster is refused at once; the name servers' pods have just been restarted.",
    network: routed({ router: { routes: ["10.96.0.0/12 via 198.51.100.2"] } }),
    rules: { ...iptables("router", KUBE_REJECT) },
    acts: [{ kind: "udp", host: "client", to: "10.96.0.10", port: 53, from: 40_000, ends: "ECONNREFUSED" }],
    trace: { hosts: ["router"], filter: "udp port 53" },
    truths: [
      {
        packet: "udp dst port 53",
        host: "router",
        outcome: "rejected",
        cause: "rule-reject",
        place: "filter:KUBE-SERVICES:1",
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: "filter:KUBE-SERVICES:1", packets: 1 },
      { kind: "counter", host: "client", name: "IcmpInDestUnreachs", is: 1 },
      { kind: "counter", host: "server", name: "UdpNoPorts", is: 0 },
    ],
  },
  {
    name: "firewalld-zone",
    title: "a zone does not allow the service, and the last rule refuses it",
    story: "A monitoring daemon was installed, and the monitoring server cannot reach it: host unreachable.",
    network: routed(),
    rules: {
      ...legacy(
        "router",
        table(
          "filter",
          [
            ...["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"],
            ...["INPUT_ZONES", "IN_public", "IN_public_log", "IN_public_deny", "IN_public_allow"],
          ],
          [
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A INPUT -i lo -j ACCEPT",
            "-A INPUT -j INPUT_ZONES",
            "-A INPUT -m conntrack --ctstate INVALID -j DROP",
            "-A INPUT -j REJECT --reject-with icmp-host-prohibited",
            "-A INPUT_ZONES -i c0 -g IN_public",
            "-A INPUT_ZONES -g IN_public",
            "-A IN_public -j IN_public_log",
            "-A IN_public -j IN_public_deny",
            "-A IN_public -j IN_public_allow",
            "-A IN_public -p icmp -j ACCEPT",
            "-A IN_public_allow -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT",
          ],
        ),
      ),
      ...nft(
        "router",
        `table inet firewalld {
          chain filter_IN_public_log { }
          chain filter_IN_public_deny { }
          chain filter_IN_public_allow {
            tcp dport 22 counter accept
          }
          chain filter_IN_public {
            jump filter_IN_public_log
            jump filter_IN_public_deny
            jump filter_IN_public_allow
            meta l4proto { icmp, ipv6-icmp } accept
          }
          chain filter_INPUT_ZONES {
            iifname "c0" goto filter_IN_public
            goto filter_IN_public
          }
          chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
            ct state { established, related } accept
            ct status dnat accept
            iifname "lo" accept
            jump filter_INPUT_ZONES
            ct state invalid drop
            counter reject with icmpx type admin-prohibited
          }
        }`,
      ),
    },
    services: [{ host: "router", kind: "udp-echo", port: 161 }],
    acts: [{ kind: "udp", host: "client", to: ROUTER, port: 161, from: 40_000, ends: "EHOSTUNREACH" }],
    trace: { hosts: ["router"], filter: "udp port 161" },
    truths: [
      {
        packet: "udp dst port 161",
        host: "router",
        outcome: "rejected",
        cause: "rule-reject",
        place: { legacy: "filter:INPUT:5", nft: "firewalld:filter_INPUT:6" },
      },
    ],
    proofs: [
      {
        kind: "rule",
        host: "router",
        at: { legacy: "filter:INPUT:5", nft: "firewalld:filter_INPUT:6" },
        packets: 1,
      },
      { kind: "received", host: "router", port: 161, times: 0 },
    ],
  },
  {
    name: "blocklist",
    title: "its source is in a set of blocked addresses",
    story: "One customer cannot reach the server, and no rule names his address.",
    network: routed(),
    rules: {
      legacy: [
        BLOCKED_SET,
        ...(legacy(
          "router",
          table(
            "filter",
            ["INPUT ACCEPT", "FORWARD ACCEPT", "OUTPUT ACCEPT"],
            ["-A FORWARD -m set --match-set blocked src -j DROP"],
          ),
        ).legacy ?? []),
      ],
      ...nft(
        "router",
        `table inet fw {
          set blocked { type ipv4_addr; elements = { 192.0.2.2, 203.0.113.7 }; }
          chain way { type filter hook forward priority filter; policy accept;
            ip saddr @blocked counter drop
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
        cause: "rule-drop",
        place: { legacy: "filter:FORWARD:1", nft: "fw:way:1" },
      },
    ],
    proofs: [
      { kind: "rule", host: "router", at: { legacy: "filter:FORWARD:1", nft: "fw:way:1" }, packets: 1 },
      { kind: "received", host: "server", port: 5001, times: 0 },
    ],
  },
];
