/**
 * Routing computed from a snapshot, judged by the kernel: random tables and policy rules, and for hundreds of packets
 * `ip route get` must say the same. The check of sources is judged by packets that are really sent, and the kernel's counter.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeCounterPairs } from "../../src/core/hosts/decode/counters.ts";
import type { HostSnapshot } from "../../src/core/hosts/host.ts";
import { type Reception, receive } from "../../src/core/hosts/reception.ts";
import { routeGetWords } from "../../src/core/hosts/route-get.ts";
import type { RouteQuestion } from "../../src/core/hosts/route-lookup.ts";
import { sendDatagram } from "../../src/linux/datagram.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { addNetns, deleteNetns, shell } from "../support/namespaces.ts";
import { type Random, randomFrom } from "../support/random.ts";
import { addDevices, compare, furnish, type Playground, questionOf } from "./routing/random-routing.ts";

const lacks = process.getuid?.() !== 0 ? "needs root" : findProgram("ip") === null ? "needs iproute2" : null;

const HOST = `nfpRo${process.pid}`;
const FAR = `nfpRf${process.pid}`;
const SEEDS = (process.env.NFPATH_ROUTING_SEEDS ?? "1,2,3,4,5,6,7,8").split(",").map(Number);
const QUESTIONS = 300;

const PLAYGROUND: Playground = { netns: HOST, vrfs: {} };

describe.skipIf(lacks !== null)(`routing from a snapshot${lacks === null ? "" : ` (${lacks})`}`, () => {
  beforeAll(async () => {
    await addNetns(HOST);
    await addNetns(FAR);
    await addDevices(HOST, FAR);
  });

  afterAll(async () => {
    await deleteNetns(HOST);
    await deleteNetns(FAR);
  });

  const kinds = new Set<string>();

  test.each(SEEDS)("agrees with ip route get, seed %i", async (seed) => {
    const random = randomFrom(seed);
    const host = await furnish(random, PLAYGROUND);
    expect(host.absences).toEqual([]);
    expect(host.unread).toEqual([]);
    const questions = Array.from({ length: QUESTIONS }, () => questionOf(random, PLAYGROUND));
    const found = await compare(host, questions, PLAYGROUND);
    for (const kind of found.kinds) kinds.add(kind);
    expect(found.differences).toEqual([]);
    // The kernel takes one of several ways by a hash, and a source may fit only some of them.
    expect(found.untold).toBeLessThan(QUESTIONS / 20);
  });

  test("and the random packets met every kind of answer", () => {
    expect([...kinds]).toEqual(
      expect.arrayContaining(["unicast", "local", "EINVAL", "EACCES", "EHOSTUNREACH", "ENETUNREACH"]),
    );
  });

  test("and with what becomes of packets that are really sent", async () => {
    const random = randomFrom(4711);
    const fates: string[] = [];
    const differences: string[] = [];
    for (let round = 0; round < 3; round++) {
      const host = await furnish(random, PLAYGROUND);
      for (const question of sendable(random, host, 12)) {
        const seen = await fateOf(question);
        const expected = fateWords(receive(host, question));
        fates.push(seen);
        if (seen !== expected)
          differences.push(`${routeGetWords(question)}: kernel ${seen}; nfpath ${expected}`);
      }
    }
    expect(differences).toEqual([]);
    expect(new Set(fates)).toEqual(new Set(["reverse-path", "forwarded", "delivered", "other"]));
  });
});

/** Packets that a neighbour can send with its own stack, and of which nfpath says what becomes of them; some of each kind. */
function sendable(random: Random, host: HostSnapshot, count: number): readonly RouteQuestion[] {
  const chosen = new Map<string, RouteQuestion[]>();
  for (let tries = 0; tries < 2000; tries++) {
    const question = {
      ...questionOf(random, PLAYGROUND),
      mark: 0,
      tos: 0,
      protocol: "udp",
      sport: null,
      dport: 53,
    };
    const { family, src, dst, in: inside } = question;
    const isPlain = (address: string | null) => address !== null && /^(10|8|192)\./.test(address);
    if (family !== "ip" || inside === null || src === dst || !isPlain(src) || !isPlain(dst)) continue;
    const kind = fateWords(receive(host, question));
    const ofKind = chosen.get(kind) ?? [];
    if (kind !== "not-known" && ofKind.length < count / 3) chosen.set(kind, [...ofKind, question]);
  }
  return [...chosen.values()].flat();
}

function fateWords(reception: Reception): string {
  switch (reception.kind) {
    case "local":
      return "delivered";
    case "forward":
      return "forwarded";
    case "reverse-path":
    case "not-known":
      return reception.kind;
    default:
      return "other";
  }
}

/** Sends it and reads the kernel's counters before and behind. Nothing else sends IPv4 there. */
async function fateOf({ src, dst, in: inside }: RouteQuestion): Promise<string> {
  const mac = JSON.parse(await shell(`ip -n ${HOST} -j link show ${inside}`))[0].address;
  await shell(`
    ip -n ${FAR} addr add ${src}/32 dev ${inside}
    ip -n ${FAR} neigh replace 198.51.100.1 lladdr ${mac} dev ${inside}
    ip -n ${FAR} route replace ${dst}/32 via 198.51.100.1 dev ${inside} onlink src ${src}`);
  try {
    const before = counters();
    inNetns(FAR, () => sendDatagram(dst, 53, "probe"));
    const deadline = performance.now() + 5_000;
    let after = counters();
    while (grown(before, after, "IpInReceives") === 0 && performance.now() < deadline) after = counters();
    if (grown(before, after, "TcpExtIPReversePathFilter") > 0) return "reverse-path";
    if (grown(before, after, "IpForwDatagrams") > 0) return "forwarded";
    return grown(before, after, "IpInDelivers") > 0 ? "delivered" : "other";
  } finally {
    await shell(`
      ip -n ${FAR} route del ${dst}/32
      ip -n ${FAR} addr del ${src}/32 dev ${inside}`);
  }
}

type Counters = Readonly<Record<string, number>>;

function counters(): Counters {
  return inNetns(HOST, () => {
    const of = (name: string) => decodeCounterPairs(readFileSync(`/proc/thread-self/net/${name}`, "utf8"));
    return { ...of("snmp"), ...of("netstat") };
  });
}

function grown(before: Counters, after: Counters, name: string): number {
  return (after[name] ?? 0) - (before[name] ?? 0);
}
