/**
 * Routing of packets in VRFs, judged by the kernel: `ip route get` for random tables and rules, and traces of packets that are
 * really sent, for the interfaces that netfilter shows. Many kernels have no VRFs; Debian's do.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { traceLive } from "../../src/app/trace.ts";
import type { Explained } from "../../src/core/diagnosis/diagnose.ts";
import { routingWords } from "../../src/core/diagnosis/routing-words.ts";
import { runProcess } from "../../src/linux/process.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { addNetns, deleteNetns, sendUdp, shell } from "../support/namespaces.ts";
import { randomFrom } from "../support/random.ts";
import { addDevices, compare, furnish, type Playground, questionOf } from "./routing/random-routing.ts";

const HOST = `nfpVr${process.pid}`;
const FAR = `nfpVf${process.pid}`;
const SEEDS = (process.env.NFPATH_ROUTING_SEEDS ?? "1,2,3,4").split(",").map(Number);
const QUESTIONS = 300;
const PLAYGROUND: Playground = { netns: HOST, vrfs: { red: "200", blue: "201" } };

const lacks = await whatLacks();

async function whatLacks(): Promise<string | null> {
  if (process.getuid?.() !== 0) return "needs root";
  if (findProgram("ip") === null) return "needs iproute2";
  const name = `nfpV${process.pid}`;
  await runProcess("ip", ["netns", "add", name]);
  const added = await runProcess("ip", ["-n", name, "link", "add", "red", "type", "vrf", "table", "200"]);
  await runProcess("ip", ["netns", "delete", name]);
  return added.ok && added.value.status === 0 ? null : "needs a kernel with VRFs, CONFIG_NET_VRF";
}

describe.skipIf(lacks !== null)(`VRFs${lacks === null ? "" : ` (${lacks})`}`, () => {
  beforeAll(async () => {
    await addNetns(HOST);
    await addNetns(FAR);
    for (const [name, table] of Object.entries(PLAYGROUND.vrfs))
      await shell(
        `ip -n ${HOST} link add ${name} type vrf table ${table}; ip -n ${HOST} link set ${name} up`,
      );
    await addDevices(HOST, FAR, { d1: "red", d2: "red", d3: "blue" });
  });

  afterAll(async () => {
    await deleteNetns(HOST);
    await deleteNetns(FAR);
  });

  const kinds = new Set<string>();

  test.each(SEEDS)("routes agree with ip route get, seed %i", async (seed) => {
    const random = randomFrom(seed);
    const host = await furnish(random, PLAYGROUND);
    // A test machine may be without conntrack, which no route asks.
    expect(host.absences.filter(({ section }) => section !== "conntrack")).toEqual([]);
    expect(host.unread).toEqual([]);
    const questions = Array.from({ length: QUESTIONS }, () => questionOf(random, PLAYGROUND));
    const found = await compare(host, questions, PLAYGROUND);
    for (const kind of found.kinds) kinds.add(kind);
    expect(found.differences).toEqual([]);
    // Rules that name a VRF mean another thing since Linux 6.15.
    expect(found.untold).toBeLessThan(QUESTIONS / 5);
  });

  test("and the random packets met every kind of answer", () => {
    expect([...kinds]).toEqual(
      expect.arrayContaining(["unicast", "local", "EINVAL", "EACCES", "EHOSTUNREACH", "ENETUNREACH"]),
    );
  });

  test("a trace shows the VRF where netfilter does, and the route that was taken", async () => {
    await shell(
      `ip rule flush; ip rule add lookup main pref 32766; ip rule add l3mdev pref 200
       ip -6 rule flush; ip -6 rule add lookup main pref 32766; ip -6 rule add l3mdev pref 200
       for dev in all d0 d1 d2 d3; do sysctl -qw net.ipv4.conf.$dev.rp_filter=0; done
       sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.d2.forwarding=1 net.ipv6.conf.all.forwarding=1
       for table in main 200 201; do
         for protocol in static boot; do
           ip route flush table $table proto $protocol || true
           ip -6 route flush table $table proto $protocol || true
         done
       done
       ip neigh add 10.2.0.7 lladdr 02:00:00:00:00:07 dev d2; ip -6 neigh add fd00:2::7 lladdr 02:00:00:00:00:07 dev d2`,
      HOST,
    );
    await shell(
      `ip addr add 10.1.0.2/24 dev d1; ip addr add fd00:1::2/64 dev d1 nodad
       ip route add 10.2.0.0/24 via 10.1.0.1; ip -6 route add fd00:2::/64 via fd00:1::1`,
      FAR,
    );
    const seen: Explained[] = [];
    const socket = `const socket = require("node:dgram").createSocket("udp4");
      socket.send("probe", 7001, "10.1.0.2", () => socket.close());`;
    const traced = await traceLive(
      {
        filter: null,
        netns: [HOST],
        seconds: 60,
        packets: null,
        rate: 1000,
        signal: new AbortController().signal,
        during: async () => {
          for (const address of ["10.1.0.1", "10.2.0.7", "fd00:1::1", "fd00:2::7"])
            await sendUdp(FAR, address, 7001);
          await shell(`ip vrf exec red ${process.execPath} -e '${socket}'`, HOST);
        },
      },
      (explained) => {
        seen.push(explained);
      },
    );
    if (!traced.ok) throw new Error(traced.error.message);
    const mine = seen.filter(({ journey }) => journey.first?.packet.dport === 7001);
    for (const { routing } of mine)
      for (const note of routing)
        expect(note.kernel, routingWords(note).text ?? "").toMatchObject({ agrees: true });
    const here = (family: 4 | 6) =>
      `for this host by ${family === 4 ? "10.1.0.1" : "fd00:1::1"} of table 200`;
    const ahead = (family: 4 | 6) => `to d2 by ${family === 4 ? "10.2.0.0/24" : "fd00:2::/64"} of table 200`;
    expect(mine.map(told).sort()).toEqual(
      [
        ...([4, 6] as const).flatMap((family) => [
          // By the interface, and by the VRF.
          `in d1: ${here(family)}: unknown`,
          `in red: ${here(family)}: rejected`,
          `in d1: ${ahead(family)}: unknown`,
          `in red out d2: ${ahead(family)}: forwarded`,
        ]),
        "out red: to d1 by 10.1.0.0/24 of table 200: sent",
        "out d1: to d1 by 10.1.0.0/24 of table 200: sent",
      ].sort(),
    );
  }, 120_000);
});

/** `in red out d2: to d2 by 10.2.0.0/24 of table 200: forwarded`. */
function told({ journey, routing, outcome }: Explained): string {
  const { in: came } = journey.first ?? {};
  const { out } = journey.last ?? {};
  const way = [...(came == null ? [] : [`in ${came}`]), ...(out == null ? [] : [`out ${out}`])].join(" ");
  return `${way}: ${routing.map((note) => routingWords(note).text).join(", then ")}: ${outcome.verdict}`;
}
