/**
 * Routing computed from a snapshot, judged by the kernel: random tables and policy rules, and for hundreds of packets
 * `ip route get` must say the same. The check of sources is judged by packets that are really sent, and the kernel's counter.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeCounterPairs } from "../../src/core/hosts/decode/counters.ts";
import { depart } from "../../src/core/hosts/departure.ts";
import type { HostSnapshot } from "../../src/core/hosts/host.ts";
import { type Reception, receive } from "../../src/core/hosts/reception.ts";
import { expectedOfDeparture, expectedOfReception, routeGetWords } from "../../src/core/hosts/route-get.ts";
import type { RouteQuestion } from "../../src/core/hosts/route-lookup.ts";
import { sendDatagram } from "../../src/linux/datagram.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { runProcess } from "../../src/linux/process.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { RouteAsker } from "../../src/linux/snapshot/ask-routes.ts";
import { takeSnapshot } from "../../src/linux/snapshot/take-snapshot.ts";
import { addNetns, deleteNetns, shell } from "../support/namespaces.ts";
import { type Random, randomFrom } from "../support/random.ts";

const lacks = process.getuid?.() !== 0 ? "needs root" : findProgram("ip") === null ? "needs iproute2" : null;

const HOST = `nfpRo${process.pid}`;
const FAR = `nfpRf${process.pid}`;
const DEVICES = ["d0", "d1", "d2", "d3"] as const;
const SEEDS = (process.env.NFPATH_ROUTING_SEEDS ?? "1,2,3,4,5,6,7,8").split(",").map(Number);
const QUESTIONS = 300;

/** Each device has a network of its own: 10.N.0.1/24 and fd00:N::1/64. `d3` has none, and a router on none of them. */
const v4 = (device: number, host: number) => `10.${device}.0.${host}`;
const v6 = (device: number, host: number) => `fd00:${device}::${host.toString(16)}`;

describe.skipIf(lacks !== null)(`routing from a snapshot${lacks === null ? "" : ` (${lacks})`}`, () => {
  beforeAll(async () => {
    await addNetns(HOST);
    await addNetns(FAR);
    const lines = DEVICES.flatMap((device, at) => [
      `ip -n ${HOST} link add ${device} type veth peer name ${device} netns ${FAR}`,
      `ip -n ${HOST} link set ${device} up; ip -n ${FAR} link set ${device} up`,
      ...(at === 3 ? [] : [`ip -n ${HOST} addr add ${v4(at, 1)}/24 dev ${device}`]),
      ...(at === 3 ? [] : [`ip -n ${HOST} addr add ${v6(at, 1)}/64 dev ${device} nodad`]),
    ]);
    await shell(
      `
      sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
    `,
      HOST,
    );
    await shell(lines.join("\n"));
  });

  afterAll(async () => {
    await deleteNetns(HOST);
    await deleteNetns(FAR);
  });

  const kinds = new Set<string | undefined>();

  test.each(SEEDS)("agrees with ip route get, seed %i", async (seed) => {
    const random = randomFrom(seed);
    const host = await furnish(random);
    expect(host.absences).toEqual([]);
    expect(host.unread).toEqual([]);
    const questions = Array.from({ length: QUESTIONS }, () => questionOf(random));
    const asker = new RouteAsker(HOST);
    const answers = await asker.ask(questions);
    await asker.end();
    let untold = 0;
    const differences = questions.flatMap((question, at) => {
      const ours = expected(host, question);
      const theirs = answers[at] ?? "nothing";
      kinds.add(theirs.split(" ")[0]);
      if (ours === null) untold++;
      return ours === null || ours.includes(theirs)
        ? []
        : [`${routeGetWords(question)}: kernel ${theirs}; nfpath ${ours.join(" or ")}`];
    });
    expect(differences).toEqual([]);
    // The kernel takes one of several ways by a hash, and a source may fit only some of them.
    expect(untold).toBeLessThan(QUESTIONS / 20);
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
      const host = await furnish(random);
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

/** New routes, rules and settings, and what nfpath sees of them. */
async function furnish(random: Random): Promise<HostSnapshot> {
  await ipBatch(cleared());
  await ipBatch(routesAndRules(random));
  await shell(settings(random).join("\n"), HOST);
  const taken = await takeSnapshot({ netns: HOST, rulesets: "skip" });
  if (!taken.ok) throw new Error(taken.error.message);
  return taken.value;
}

/** Packets that a neighbour can send with its own stack, and of which nfpath says what becomes of them; some of each kind. */
function sendable(random: Random, host: HostSnapshot, count: number): readonly RouteQuestion[] {
  const chosen = new Map<string, RouteQuestion[]>();
  for (let tries = 0; tries < 2000; tries++) {
    const question = { ...questionOf(random), mark: 0, tos: 0, protocol: "udp", sport: null, dport: 53 };
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

function cleared(): readonly string[] {
  const tables = ["100", "101", "102"];
  return [
    ...tables.map((table) => `route flush table ${table}`),
    ...tables.map((table) => `-6 route flush table ${table}`),
    ...["static", "boot"].map((protocol) => `route flush table main proto ${protocol}`),
    ...["static", "boot"].map((protocol) => `-6 route flush table main proto ${protocol}`),
    "rule flush",
    "-6 rule flush",
    "rule add lookup main pref 32766",
    "rule add lookup default pref 32767",
    "-6 rule add lookup main pref 32766",
  ];
}

function routesAndRules(random: Random): readonly string[] {
  const lines: string[] = [];
  for (const family of ["ip", "ip6"] as const) {
    for (let count = 0; count < 40; count++)
      lines.push(`${option(family)}route add ${routeWords(random, family)}`);
    for (let count = 0; count < 12; count++)
      lines.push(`${option(family)}rule add ${ruleWords(random, family)}`);
  }
  return lines;
}

const option = (family: "ip" | "ip6") => (family === "ip" ? "" : "-6 ");

/** Few, and inside of each other, so that routes meet. */
function prefix(random: Random, family: "ip" | "ip6"): string {
  const [a, b] = [random.below(5), random.below(3)];
  if (family === "ip")
    return random.of([
      "0.0.0.0/0",
      "10.0.0.0/8",
      `10.${a}.0.0/16`,
      `10.${a}.${b}.0/24`,
      `10.${a}.${b}.128/25`,
      `10.${a}.${b}.9/32`,
    ]);
  return random.of([
    "::/0",
    "fd00::/16",
    `fd00:${a}::/32`,
    `fd00:${a}:${b}::/48`,
    `fd00:${a}:0:${b}::/64`,
    `fd00:${a}::9/128`,
  ]);
}

function routeWords(random: Random, family: "ip" | "ip6"): string {
  const table = random.of(["main", "100", "101", "102"]);
  const metric = random.chance(0.5) ? ` metric ${random.of([10, 20, 30])}` : "";
  const tos = family === "ip" && random.chance(0.1) ? "tos 0x10 " : "";
  const tail = ` table ${table}${metric}`;
  if (random.chance(0.3))
    return `${random.of(["blackhole", "unreachable", "prohibit", "throw"])} ${prefix(random, family)}${tail}`;
  const way = () => {
    const device = random.below(4);
    if (device === 3 || random.chance(0.3)) return `dev ${DEVICES[device]}`;
    return `via ${(family === "ip" ? v4 : v6)(device, 2)} dev ${DEVICES[device]}`;
  };
  if (random.chance(0.2)) {
    const routers = [0, 1, 2].map(
      (device) => `nexthop via ${(family === "ip" ? v4 : v6)(device, 2)} dev ${DEVICES[device]}`,
    );
    const [skipped] = routers.splice(random.below(3), 1);
    return `${prefix(random, family)}${tail} ${routers.join(" ")}${random.chance(0.2) ? ` ${skipped}` : ""}`;
  }
  return `${tos}${prefix(random, family)} ${way()}${tail}`;
}

function ruleWords(random: Random, family: "ip" | "ip6"): string {
  const conditions = [
    () => `from ${prefix(random, family)}`,
    () => `to ${prefix(random, family)}`,
    () => random.of(["fwmark 1", "fwmark 2", "fwmark 0x10/0xf0"]),
    () => `iif ${random.of([...DEVICES, "lo", "lo", "none"])}`,
    () => `oif ${random.of(DEVICES)}`,
    () => "tos 0x10",
    () => `ipproto ${random.of(["udp", "tcp"])}`,
    () => `ipproto udp ${random.of(["dport 53", "dport 50-60", "sport 1000-2000"])}`,
  ];
  const words = [`pref ${100 + random.below(200)}`];
  if (random.chance(0.15)) words.unshift("not");
  words.push(random.of(conditions)());
  // A condition twice is refused, and so is the rule: others are left.
  if (random.chance(0.3)) words.push(random.of(conditions)());
  const end = random.below(12);
  if (end === 0) words.push(random.of(["blackhole", "unreachable", "prohibit"]));
  else if (end === 1) words.push("goto 32766");
  else if (end === 2) words.push("nop");
  else {
    words.push(`lookup ${random.of(["main", "100", "101", "102", "103"])}`);
    const lengths = family === "ip" ? [0, 8, 16, 24] : [0, 16, 32, 48];
    if (random.chance(0.4)) words.push(`suppress_prefixlength ${random.of(lengths)}`);
  }
  return words.join(" ");
}

function settings(random: Random): readonly string[] {
  const of = (name: string, values: readonly number[]) =>
    ["all", ...DEVICES].map((device) => `sysctl -qw net.ipv4.conf.${device}.${name}=${random.of(values)}`);
  return [
    "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
    "sysctl -qw net.ipv4.conf.d2.forwarding=0",
    ...of("rp_filter", [0, 0, 0, 1, 1, 2]),
    ...of("src_valid_mark", [0, 0, 0, 1]),
    ...of("accept_local", [0, 0, 0, 1]),
    ...of("route_localnet", [0, 0, 0, 1]),
  ];
}

function address(random: Random, family: "ip" | "ip6"): string {
  const [a, b] = [random.below(5), random.below(3)];
  if (family === "ip")
    return random.chance(0.1)
      ? random.of(["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "10.1.0.255", "10.1.0.1"])
      : random.of([
          `10.${a}.${b}.9`,
          `10.${a}.${b}.200`,
          `10.${a}.${b}.1`,
          `10.${a}.9.9`,
          "8.8.8.8",
          "192.0.2.1",
        ]);
  return random.of([
    `fd00:${a}::9`,
    `fd00:${a}:${b}::5`,
    `fd00:${a}:0:${b}::5`,
    `fd00:${a}::1`,
    "fd77::1",
    "2001:db8::1",
  ]);
}

function questionOf(random: Random): RouteQuestion {
  const family = random.of(["ip", "ip6"] as const);
  const isComing = random.chance(0.6);
  const protocol = random.of(["udp", "tcp", "icmp"] as const);
  const hasPorts = protocol !== "icmp";
  return {
    family,
    dst: address(random, family),
    src: isComing
      ? address(random, family)
      : random.chance(0.5)
        ? (family === "ip" ? v4 : v6)(random.below(3), 1)
        : null,
    in: isComing ? random.of(DEVICES) : null,
    out: !isComing && random.chance(0.2) ? random.of(DEVICES) : null,
    mark: random.of([0, 0, 1, 2, 0x10, 0x1f]),
    tos: random.of([0, 0, 0x10]),
    protocol: family === "ip6" && protocol === "icmp" ? "icmpv6" : protocol,
    sport: hasPorts ? random.of([1500, 40_000]) : 0,
    dport: hasPorts ? random.of([53, 55, 80]) : 0,
    uid: 0,
  };
}

/** Runs lines of `ip`, each in its family; what fails (a route twice, say) is left out. */
async function ipBatch(lines: readonly string[]): Promise<void> {
  for (const [family, of] of [
    ["-4", (line: string) => !line.startsWith("-6 ")],
    ["-6", (line: string) => line.startsWith("-6 ")],
  ] as const) {
    const input = lines
      .filter(of)
      .map((line) => line.replace("-6 ", ""))
      .join("\n");
    await runProcess("ip", [family, "-force", "-batch", "-"], { netns: HOST, input: `${input}\n` });
  }
}

function expected(host: HostSnapshot, question: RouteQuestion): readonly string[] | null {
  return question.in === null
    ? expectedOfDeparture(depart(host, question))
    : expectedOfReception(receive(host, question), question.family);
}
