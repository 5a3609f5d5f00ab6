/** Random tables, policy rules and settings for a host, and packets to ask its kernel and nfpath about. */
import { depart } from "../../../src/core/hosts/departure.ts";
import type { HostSnapshot } from "../../../src/core/hosts/host.ts";
import { receive } from "../../../src/core/hosts/reception.ts";
import {
  expectedOfDeparture,
  expectedOfReception,
  routeGetWords,
} from "../../../src/core/hosts/route-get.ts";
import type { RouteQuestion } from "../../../src/core/hosts/route-lookup.ts";
import { runProcess } from "../../../src/linux/process.ts";
import { RouteAsker } from "../../../src/linux/snapshot/ask-routes.ts";
import { takeSnapshot } from "../../../src/linux/snapshot/take-snapshot.ts";
import { shell } from "../../support/namespaces.ts";
import type { Random } from "../../support/random.ts";

/** Each device has a network of its own: 10.N.0.1/24 and fd00:N::1/64. `d3` has none, and a router on none of them. */
export const DEVICES = ["d0", "d1", "d2", "d3"] as const;

export const v4 = (device: number, host: number) => `10.${device}.0.${host}`;
export const v6 = (device: number, host: number) => `fd00:${device}::${host.toString(16)}`;

export interface Playground {
  readonly netns: string;
  /** VRFs by name, each with its table. Their devices are there. */
  readonly vrfs: Readonly<Record<string, string>>;
}

/** The devices, up and with their addresses; the other ends are in `far`. */
export async function addDevices(
  near: string,
  far: string,
  masters: Readonly<Record<string, string>> = {},
): Promise<void> {
  const lines = DEVICES.flatMap((device, at) => [
    `ip -n ${near} link add ${device} type veth peer name ${device} netns ${far}`,
    ...(masters[device] === undefined ? [] : [`ip -n ${near} link set ${device} master ${masters[device]}`]),
    `ip -n ${near} link set ${device} up; ip -n ${far} link set ${device} up`,
    ...(at === 3 ? [] : [`ip -n ${near} addr add ${v4(at, 1)}/24 dev ${device}`]),
    ...(at === 3 ? [] : [`ip -n ${near} addr add ${v6(at, 1)}/64 dev ${device} nodad`]),
  ]);
  await shell(
    "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0",
    near,
  );
  await shell(lines.join("\n"));
}

/** New routes, rules and settings, and what nfpath sees of them. */
export async function furnish(random: Random, playground: Playground): Promise<HostSnapshot> {
  await ipBatch(cleared(playground), playground.netns);
  await ipBatch(routesAndRules(random, playground), playground.netns);
  await shell(settings(random).join("\n"), playground.netns);
  const taken = await takeSnapshot({ netns: playground.netns, rulesets: "skip" });
  if (!taken.ok) throw new Error(taken.error.message);
  return taken.value;
}

/** What the kernel says of each, what nfpath does, and how many of them nfpath does not know. */
export async function compare(
  host: HostSnapshot,
  questions: readonly RouteQuestion[],
  { netns }: Playground,
): Promise<{
  readonly differences: readonly string[];
  readonly kinds: ReadonlySet<string>;
  readonly untold: number;
}> {
  const asker = new RouteAsker(netns);
  const answers = await asker.ask(questions);
  await asker.end();
  const kinds = new Set<string>();
  let untold = 0;
  const differences = questions.flatMap((question, at) => {
    const ours = expected(host, question);
    const theirs = answers[at] ?? "nothing";
    kinds.add(theirs.split(" ")[0] ?? "");
    if (ours === null) untold++;
    return ours === null || ours.includes(theirs)
      ? []
      : [`${routeGetWords(question)}: kernel ${theirs}; nfpath ${ours.join(" or ")}`];
  });
  return { differences, kinds, untold };
}

function cleared({ vrfs }: Playground): readonly string[] {
  const tables = ["100", "101", "102"];
  return [
    ...tables.map((table) => `route flush table ${table}`),
    ...tables.map((table) => `-6 route flush table ${table}`),
    // The kernel's own routes stay.
    ...["main", ...Object.values(vrfs)].flatMap((table) =>
      ["static", "boot"].flatMap((protocol) => [
        `route flush table ${table} proto ${protocol}`,
        `-6 route flush table ${table} proto ${protocol}`,
      ]),
    ),
    "rule flush",
    "-6 rule flush",
    "rule add lookup main pref 32766",
    "rule add lookup default pref 32767",
    "-6 rule add lookup main pref 32766",
    ...(Object.keys(vrfs).length === 0 ? [] : ["rule add l3mdev pref 200", "-6 rule add l3mdev pref 200"]),
  ];
}

function routesAndRules(random: Random, playground: Playground): readonly string[] {
  const lines: string[] = [];
  for (const family of ["ip", "ip6"] as const) {
    for (let count = 0; count < 40; count++)
      lines.push(`${option(family)}route add ${routeWords(random, family, playground)}`);
    for (let count = 0; count < 12; count++)
      lines.push(`${option(family)}rule add ${ruleWords(random, family, playground)}`);
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

function routeWords(random: Random, family: "ip" | "ip6", { vrfs }: Playground): string {
  const table = random.of(["main", "100", "101", "102", ...Object.values(vrfs)]);
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

function ruleWords(random: Random, family: "ip" | "ip6", { vrfs }: Playground): string {
  const conditions = [
    () => `from ${prefix(random, family)}`,
    () => `to ${prefix(random, family)}`,
    () => random.of(["fwmark 1", "fwmark 2", "fwmark 0x10/0xf0"]),
    () => `iif ${random.of([...DEVICES, ...Object.keys(vrfs), "lo", "lo", "none"])}`,
    () => `oif ${random.of([...DEVICES, ...Object.keys(vrfs)])}`,
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
    words.push(`lookup ${random.of(["main", "100", "101", "102", "103", ...Object.values(vrfs)])}`);
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

export function questionOf(random: Random, { vrfs }: Playground): RouteQuestion {
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
    out:
      !isComing && random.chance(Object.keys(vrfs).length > 0 ? 0.5 : 0.2)
        ? random.of([...DEVICES, ...Object.keys(vrfs)])
        : null,
    mark: random.of([0, 0, 1, 2, 0x10, 0x1f]),
    tos: random.of([0, 0, 0x10]),
    protocol: family === "ip6" && protocol === "icmp" ? "icmpv6" : protocol,
    sport: hasPorts ? random.of([1500, 40_000]) : 0,
    dport: hasPorts ? random.of([53, 55, 80]) : 0,
    uid: 0,
  };
}

/** Runs lines of `ip`, each in its family; what fails (a route twice, say) is left out. */
async function ipBatch(lines: readonly string[], netns: string): Promise<void> {
  for (const [family, of] of [
    ["-4", (line: string) => !line.startsWith("-6 ")],
    ["-6", (line: string) => line.startsWith("-6 ")],
  ] as const) {
    const input = lines
      .filter(of)
      .map((line) => line.replace("-6 ", ""))
      .join("\n");
    await runProcess("ip", [family, "-force", "-batch", "-"], { netns, input: `${input}\n` });
  }
}

function expected(host: HostSnapshot, question: RouteQuestion): readonly string[] | null {
  return question.in === null
    ? expectedOfDeparture(depart(host, question))
    : expectedOfReception(receive(host, question), question.family);
}
