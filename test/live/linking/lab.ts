/**
 * A router between a client and two containers on a bridge, and senders whose packets carry their name.
 *
 *     client ── eth0 ═══ eth0 ── router ── br0 ─┬─ p1 ═══ eth0 ── one
 *     10.0.1.2         10.0.1.1       172.18.0.1 └─ p2 ═══ eth0 ── two
 *                                                   172.18.0.2, .3
 *
 * The truth is a mark on the packet: a table of the test's own, before nfpath's, sets it from the payload. nf_tables tells the
 * mark with every message and nfnetlink_log with every packet, so the truth comes along with each event, and is taken off
 * before the linker sees it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runSuccessfully, startProcess } from "../../../src/linux/process.ts";
import { shell } from "../../support/namespaces.ts";

/** The bit that an answer has in its name, and an ICMP error about a packet in its. */
export const ANSWER = 0x8000_0000;
export const ERROR = 0x4000_0000;

export interface LinkingLab {
  readonly client: string;
  readonly router: string;
  readonly one: string;
  readonly two: string;
  /** Sends `count` packets round the flows, named from `name` on. */
  readonly send: (
    netns: string,
    cpu: number,
    name: number,
    count: number,
    flows: readonly string[],
    pace?: Pace,
  ) => Promise<void>;
  readonly remove: () => Promise<void>;
}

export interface Pace {
  /** Packets of each sender that are sent at once, and microseconds from one such moment to the next, which is the same for all. */
  readonly burst: number;
  readonly pause: number;
}

export type Backend = "legacy" | "nft" | "both";

export async function makeLinkingLab(backend: Backend): Promise<LinkingLab> {
  const directory = mkdtempSync(join(tmpdir(), "nfpath-linking-"));
  const program = join(directory, "named-packets");
  const source = fileURLToPath(new URL("named-packets.c", import.meta.url));
  const compiled = await runSuccessfully("cc", ["-O2", "-o", program, source]);
  if (!compiled.ok) throw new Error(compiled.error.message);
  const [client, router, one, two] = ["c", "r", "1", "2"].map((host) => `nfpL${host}${process.pid}`) as [
    string,
    string,
    string,
    string,
  ];
  await shell(topology(client, router, one, two));
  for (const netns of [client, router, one, two]) await shell(TRUTH, netns);
  await shell(rulesOf(backend), router);
  const echoes: { kill: (signal: "SIGKILL") => void }[] = [];
  for (const netns of [one, two, router]) {
    const started = startProcess(program, ["echo", ...ECHO_PORTS], { netns });
    if (!started.ok) throw new Error(started.error.message);
    await new Promise<void>((resolve) => started.value.stdout.once("data", () => resolve()));
    echoes.push(started.value);
  }
  return {
    client,
    router,
    one,
    two,
    send: async (netns, cpu, name, count, flows, pace = { burst: 60, pause: 200_000 }) => {
      const words = [cpu, name, count, pace.burst, pace.pause].map(String);
      const sent = await runSuccessfully(program, ["send", ...words, ...flows], {
        netns,
        timeLimitMs: 600_000,
      });
      if (!sent.ok) throw new Error(sent.error.message);
    },
    remove: async () => {
      for (const echo of echoes) echo.kill("SIGKILL");
      await shell([client, router, one, two].map((netns) => `ip netns delete ${netns}`).join("; "));
      rmSync(directory, { recursive: true });
    },
  };
}

const ECHO_PORTS = ["7001", "7002", "7003", "7101", "7102", "7103", "8000"];

function topology(client: string, router: string, one: string, two: string): string {
  return `
    for netns in ${client} ${router} ${one} ${two}; do ip netns add $netns; ip -n $netns link set lo up; done
    ip -n ${client} link add eth0 type veth peer name eth0 netns ${router}
    ip -n ${one} link add eth0 type veth peer name p1 netns ${router}
    ip -n ${two} link add eth0 type veth peer name p2 netns ${router}
    ip -n ${router} link add br0 type bridge forward_delay 0
    ip -n ${router} link set p1 master br0; ip -n ${router} link set p2 master br0
    ip -n ${client} addr add 10.0.1.2/24 dev eth0; ip -n ${router} addr add 10.0.1.1/24 dev eth0
    ip -n ${router} addr add 172.18.0.1/16 dev br0
    ip -n ${one} addr add 172.18.0.2/16 dev eth0; ip -n ${two} addr add 172.18.0.3/16 dev eth0
    for link in "${client} eth0" "${router} eth0" "${router} p1" "${router} p2" "${router} br0" "${one} eth0" "${two} eth0"; do
      set -- $link; ip -n $1 link set $2 up
    done
    ip -n ${client} route add default via 10.0.1.1
    ip -n ${one} route add default via 172.18.0.1; ip -n ${two} route add default via 172.18.0.1
    for netns in ${client} ${router} ${one} ${two}; do
      ip netns exec $netns sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0 net.ipv4.conf.all.send_redirects=0 \\
        net.ipv4.conf.default.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0 net.ipv4.conf.all.rp_filter=0
    done
    ip netns exec ${router} sysctl -q -w net.ipv4.conf.br0.send_redirects=0 net.bridge.bridge-nf-call-iptables=1`;
}

/** The kernel's own answers carry the name too: an echo reply its payload, an error its quotation, a reset the acknowledgement. */
const NAME = `
  meta l4proto icmp icmp type echo-reply meta mark set @th,64,32 or ${ANSWER} accept
  meta l4proto icmp icmp type echo-request meta mark set @th,64,32 accept
  meta l4proto icmp icmp type destination-unreachable meta mark set @th,288,32 or ${ERROR} accept
  meta l4proto udp meta mark set @th,64,32 accept
  tcp flags & rst == rst tcp sequence != 0 meta mark set tcp sequence or ${ANSWER} accept
  meta l4proto tcp meta mark set @th,160,32 accept`;

const TRUTH = `nft 'table ip truth {
  chain pre { type filter hook prerouting priority -398; meta mark 0 jump name; }
  chain out { type filter hook output priority -398; meta mark 0 jump name; }
  chain name { ${NAME}
  }
}'`;

function rulesOf(backend: Backend): string {
  switch (backend) {
    case "legacy":
      return `iptables-legacy-restore <<END\n${LEGACY}\n${LEGACY_NAT}\nEND`;
    case "nft":
      return `nft '${NFT}\n${NFT_NAT}\n'`;
    case "both":
      return `nft '${NFT}\n'; iptables-legacy-restore <<END\n${LEGACY}\n${LEGACY_NAT}\nEND`;
  }
}

/** 70xx goes to the first container and is masqueraded, 71xx is not; 72xx is 8000 there; 7390 is dropped, 7391 refused. */
const LEGACY_NAT = `*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -d 172.18.9.9 -j DOCKER
-A POSTROUTING -o br0 -p udp --dport 7000:7099 -j MASQUERADE
-A POSTROUTING -o br0 -p tcp --dport 7000:7099 -j MASQUERADE
-A DOCKER -p icmp -i eth0 -m icmp --icmp-type 8 -d 10.0.1.1 -m u32 --u32 "0>>22&0x3C@4>>16=77" -j DNAT --to-destination 172.18.0.3
-A DOCKER -p udp --dport 7000:7199 -j DNAT --to-destination 172.18.0.2
-A DOCKER -p tcp --dport 7000:7199 -j DNAT --to-destination 172.18.0.2
-A DOCKER -p udp --dport 7200:7299 -j DNAT --to-destination 172.18.0.2:8000
-A DOCKER -p udp --dport 7390:7391 -j DNAT --to-destination 172.18.0.2
COMMIT`;

const LEGACY = `*raw
-A PREROUTING -p udp -m comment --comment counted
COMMIT
*mangle
-A FORWARD -m comment --comment counted
COMMIT
*filter
:ISOLATION - [0:0]
-A FORWARD -j ISOLATION
-A FORWARD -p udp --dport 7390 -j DROP
-A FORWARD -p udp --dport 7391 -j REJECT
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -o br0 -j ACCEPT
-A ISOLATION -j RETURN
-A INPUT -p icmp -j ACCEPT
COMMIT`;

const NFT_NAT = `table ip nat {
  chain pre { type nat hook prerouting priority -100; fib daddr type local jump docker; }
  chain out { type nat hook output priority -100; ip daddr 172.18.9.9 jump docker; }
  chain post { type nat hook postrouting priority 100; oifname br0 udp dport 7000-7099 masquerade; oifname br0 tcp dport 7000-7099 masquerade; }
  chain docker {
    iifname eth0 icmp type echo-request icmp id 77 dnat to 172.18.0.3
    udp dport 7000-7199 dnat to 172.18.0.2
    tcp dport 7000-7199 dnat to 172.18.0.2
    udp dport 7200-7299 dnat to 172.18.0.2:8000
    udp dport 7390-7391 dnat to 172.18.0.2
  }
}`;

const NFT = `table inet fw {
  chain raw { type filter hook prerouting priority -300; meta l4proto udp counter; }
  chain isolation { return; }
  chain forward { type filter hook forward priority 0; jump isolation;
    udp dport 7390 drop
    udp dport 7391 reject
    ct state established accept
    oifname br0 accept
  }
  chain input { type filter hook input priority 0; meta l4proto icmp accept; }
  chain late { type filter hook postrouting priority 0; counter; }
}`;
