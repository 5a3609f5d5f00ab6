/**
 * The second routing, behind OUTPUT: rules of legacy iptables and of nft that change a packet's mark or destination there, and
 * what the trace says about its way, against where it went and what `ip route get` says.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { traceLive } from "../../src/app/trace.ts";
import type { Explained } from "../../src/core/diagnosis/diagnose.ts";
import { routingWords } from "../../src/core/diagnosis/routing-words.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { checkHost } from "../../src/tracing/preflight.ts";
import { addNetns, deleteNetns, sendUdp, shell } from "../support/namespaces.ts";

const HOST = `nfpAh${process.pid}`;
const FAR = `nfpAf${process.pid}`;
const host = checkHost([null], null);
const lacks = !host.ok
  ? "needs root and nft"
  : findProgram("iptables-legacy") === null
    ? "needs iptables"
    : null;

const LEGACY = `iptables-legacy-restore <<'END'
*mangle
-A OUTPUT -p udp --dport 7001 -j MARK --set-mark 1
-A OUTPUT -p udp --dport 7004 -j TOS --set-tos 0x10
-A OUTPUT -p udp --dport 7005 -j MARK --set-mark 1
COMMIT
*nat
-A OUTPUT -p udp --dport 7002 -j DNAT --to-destination 10.1.0.9:7092
-A OUTPUT -p udp --dport 7005 -j DNAT --to-destination 10.9.0.9:7095
COMMIT
*filter
-A OUTPUT -p udp --dport 7003 -j MARK --set-mark 1
COMMIT
END`;
const LEGACY_6 = `ip6tables-legacy-restore <<'END'
*mangle
-A OUTPUT -p udp --dport 7001 -j MARK --set-mark 1
COMMIT
END`;
const NFT = `nft -f - <<'END'
table inet again {
  chain route4 {
    type route hook output priority -150;
    udp dport { 7001, 7005 } meta mark set 1
    udp dport 7004 ip dscp set 4
  }
  chain nat { type nat hook output priority -100; udp dport 7002 dnat ip to 10.1.0.9:7092; udp dport 7005 dnat ip to 10.9.0.9:7095; }
  chain late { type filter hook output priority 0; udp dport 7003 meta mark set 1; }
}
END`;

describe.skipIf(lacks !== null)(`routing behind OUTPUT${lacks === null ? "" : ` (${lacks})`}`, () => {
  beforeAll(async () => {
    await addNetns(HOST);
    await addNetns(FAR);
    const cables = [0, 1].map(
      (at) => `
      ip -n ${HOST} link add e${at} type veth peer name p${at} netns ${FAR}
      ip -n ${HOST} addr add 10.${at}.0.1/24 dev e${at}; ip -n ${HOST} addr add fd00:${at}::1/64 dev e${at} nodad
      ip -n ${HOST} link set e${at} up; ip -n ${FAR} link set p${at} up
      for near in 2 9; do
        ip -n ${HOST} neigh add 10.${at}.0.$near lladdr 02:00:00:00:00:01 dev e${at}
        ip -n ${HOST} neigh add fd00:${at}::$near lladdr 02:00:00:00:00:01 dev e${at}
      done`,
    );
    await shell(`${cables.join("\n")}
      ip -n ${HOST} route add default via 10.0.0.2; ip -n ${HOST} route add default via 10.1.0.2 table 100
      ip -n ${HOST} -6 route add default via fd00:0::2; ip -n ${HOST} -6 route add default via fd00:1::2 table 100
      ip -n ${HOST} rule add fwmark 1 lookup 100 pref 100; ip -n ${HOST} -6 rule add fwmark 1 lookup 100 pref 100
      ip -n ${HOST} rule add tos 0x10 lookup 100 pref 101`);
  });

  afterAll(async () => {
    await deleteNetns(HOST);
    await deleteNetns(FAR);
  });

  test.each([
    ["legacy iptables", `${LEGACY}\n${LEGACY_6}`],
    ["nft", NFT],
  ])("%s", { timeout: 60_000 }, async (_name, rules) => {
    await shell(
      `nft flush ruleset; iptables-legacy -t mangle -F; iptables-legacy -t nat -F; iptables-legacy -F
      ip6tables-legacy -t mangle -F; ${rules}`,
      HOST,
    );
    const ways = await traced();
    expect(ways).toEqual({
      // The mark of mangle, or of a chain of type route.
      7001: { out: "e1", notes: [MAIN, "to e1 via 10.1.0.2 by default of table 100"] },
      // DNAT to a network of another cable.
      7002: { out: "e1", notes: [MAIN, "to e1 by 10.1.0.0/24 of table main"] },
      // A filter chain's mark comes too late.
      7003: { out: "e0", notes: [MAIN] },
      7004: { out: "e1", notes: [MAIN, "to e1 via 10.1.0.2 by default of table 100"] },
      // Both: what counts is the packet behind the last of them.
      7005: { out: "e1", notes: [MAIN, "to e1 via 10.1.0.2 by default of table 100"] },
      "7001 over IPv6": {
        out: "e1",
        notes: ["to e0 via fd00::2 by default of table main", "to e1 via fd00:1::2 by default of table 100"],
      },
    });
  });
});

const MAIN = "to e0 via 10.0.0.2 by default of table main";

interface Way {
  readonly out: string | null;
  readonly notes: readonly (string | null)[];
}

/** By the port that each was sent to; the kernel must have been asked about each route, and agree. */
async function traced(): Promise<Readonly<Record<string, Way>>> {
  const ways: Record<string, Way> = {};
  const take = ({ journey, routing }: Explained) => {
    const first = journey.first?.packet;
    if (first?.protocol !== "udp" || first.dport === null || first.dport < 7001 || first.dport > 7005) return;
    const name = first.family === "ip6" ? `${first.dport} over IPv6` : String(first.dport);
    for (const note of routing)
      expect(note.kernel, routingWords(note).text ?? "").toMatchObject({ agrees: true });
    ways[name] = { out: journey.last?.out ?? null, notes: routing.map((note) => routingWords(note).text) };
  };
  const report = await traceLive(
    {
      filter: null,
      netns: [HOST],
      seconds: 30,
      packets: null,
      rate: 1000,
      signal: new AbortController().signal,
      during: async () => {
        for (const port of [7001, 7002, 7003, 7004, 7005]) await sendUdp(HOST, "8.8.8.8", port);
        await sendUdp(HOST, "2001:db8::8", 7001);
      },
    },
    take,
  );
  if (!report.ok) throw new Error(report.error.message);
  return ways;
}
