/**
 * Whether a packet is in an ipset, as we tell it from a listing, and the kernel as the judge: random sets of every type that we
 * compare, one rule for each way to ask one, and packets whose rules' counters say what the kernel found.
 */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ipsetsOf } from "../../src/core/diagnosis/host-ipsets.ts";
import { HostTextReader } from "../../src/core/hosts/decode/host-text-reader.ts";
import type { HostSnapshot } from "../../src/core/hosts/host.ts";
import { type IpsetBook, ipsetBook } from "../../src/core/rulesets/ipsets/ipset-book.ts";
import { readIpsets } from "../../src/core/rulesets/ipsets/read-ipsets.ts";
import { evaluateRule } from "../../src/core/rulesets/match/evaluate-match.ts";
import type { Rule } from "../../src/core/rulesets/ruleset.ts";
import { readRulesets } from "../../src/core/rulesets/ruleset-reader.ts";
import { runProcess, runSuccessfully } from "../../src/linux/process.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { takeSnapshot } from "../../src/linux/snapshot/take-snapshot.ts";
import { datagramBytes, frameOf } from "../core/filters/datagram-bytes.ts";
import { type Datagram, sightingOf } from "../core/filters/generators.ts";
import { addNetns, deleteNetns, shell } from "../support/namespaces.ts";
import { type Random, randomFrom } from "../support/random.ts";

const missing = ["ipset", "iptables-legacy", "ip6tables-legacy"].find((name) => findProgram(name) === null);
const lacks = process.getuid?.() !== 0 ? "needs root" : missing === undefined ? null : `needs ${missing}`;

const HOST = `nfpIh${process.pid}`;
const FAR = `nfpIf${process.pid}`;
const SEEDS = (process.env.NFPATH_IPSET_SEEDS ?? "1").split(",").map(Number);
const PACKETS = 25;
const SENDER = fileURLToPath(new URL("./send-frames.js", import.meta.url));

/** Types by their parts, and options for `create`. Those that a kernel lacks are left out. */
const TYPES: readonly (readonly [type: string, options: readonly string[]])[] = [
  ["hash:ip", ["", "timeout 3600", "netmask 30", "counters comment"]],
  ["hash:net", ["", "timeout 3600"]],
  ["hash:ip,port", [""]],
  ["hash:net,port", [""]],
  ["hash:ip,port,ip", [""]],
  ["hash:ip,port,net", [""]],
  ["hash:net,iface", [""]],
  ["hash:net,net", [""]],
  ["hash:net,port,net", [""]],
  ["hash:ip,mark", [""]],
  ["bitmap:ip", ["range 10.0.0.0/29", "range 10.0.0.0/24 netmask 30"]],
  ["bitmap:port", ["range 50-100"]],
];

describe.skipIf(lacks !== null)(`ipsets${lacks === null ? "" : ` (${lacks})`}`, () => {
  let mac: readonly number[] = [];

  beforeAll(async () => {
    await addNetns(HOST);
    await addNetns(FAR);
    await shell(`ip -n ${HOST} link add veth0 type veth peer name veth1 netns ${FAR}
      ip netns exec ${FAR} sysctl -qw net.ipv6.conf.veth1.disable_ipv6=1
      ip -n ${HOST} link set veth0 up; ip -n ${FAR} link set veth1 up`);
    const { address } = JSON.parse(await shell(`ip -n ${HOST} -j link show veth0`))[0];
    mac = String(address)
      .split(":")
      .map((octet) => Number.parseInt(octet, 16));
  });

  afterAll(async () => {
    await deleteNetns(HOST);
    await deleteNetns(FAR);
  });

  const seen = { types: new Set<string>(), holds: new Set<string>() };

  test.each(SEEDS)(
    "the kernel's counters say the same, seed %i",
    async (seed) => {
      const random = randomFrom(seed);
      for (const family of ["ip", "ip6"] as const) {
        const names = await furnish(random, family);
        const host = await snapshot();
        const rules = rulesOf(host, family);
        const books: readonly (readonly [string, IpsetBook | null])[] = [
          ["snapshot", ipsetsOf(host)],
          ["ipset save", ipsetsOf(read(await shell("ipset save", HOST)))],
          ["ipset list", ipsetsOf(read(await shell("ipset list", HOST)))],
          [
            "a set by a set",
            ipsetBook(
              readIpsets(await shell(names.map((name) => `ipset list ${name}; echo`).join("\n"), HOST)),
            ),
          ],
        ];
        expect(rules.length).toBeGreaterThan(10);
        for (let count = 0; count < PACKETS; count++) {
          const datagram = datagramOf(random, family);
          const before = await counts(family);
          await send(datagram);
          const after = await counts(family);
          for (const [source, book] of books) {
            const differences = rules.flatMap((rule, at) => {
              const kernel = (after[at] ?? 0) > (before[at] ?? 0) ? "matched" : "failed";
              const { holds, answers } = evaluateRule(rule.matches, circumstances(datagram, book));
              seen.holds.add(kernel);
              return holds === kernel
                ? []
                : [
                    `${JSON.stringify(datagram)} ${rule.text}: kernel ${kernel}; nfpath ${holds}, ${answers[0]?.words}`,
                  ];
            });
            expect(differences, source).toEqual([]);
          }
        }
      }
    },
    240_000,
  );

  test("and every type that this kernel has was asked, with both answers", () => {
    expect(seen.types.size).toBeGreaterThan(6);
    expect([...seen.holds].sort()).toEqual(["failed", "matched"]);
  });

  /** New sets, and rules that ask each in a few ways. */
  async function furnish(random: Random, family: "ip" | "ip6"): Promise<readonly string[]> {
    await shell(
      "iptables-legacy -t raw -F; ip6tables-legacy -t raw -F; ipset destroy all || true; ipset destroy",
      HOST,
    );
    const names: string[] = [];
    const rules: string[] = [];
    for (const [type, options] of TYPES) {
      if (family === "ip6" && type.startsWith("bitmap:ip")) continue;
      const name = `s${names.length}`;
      const option = random.of(options).replace("netmask 30", family === "ip" ? "netmask 30" : "netmask 126");
      const of = type.startsWith("hash") ? `family ${family === "ip" ? "inet" : "inet6"} ` : "";
      const made = await runProcess("ipset", ["create", name, type, ...words(`${of}${option}`)], {
        netns: HOST,
      });
      if (!made.ok || made.value.status !== 0) continue;
      names.push(name);
      seen.types.add(type);
      const parts = type.split(":")[1]?.split(",") ?? [];
      for (let count = 0; count < 12; count++) {
        const except = type.includes("net") && random.chance(0.3) ? " nomatch" : "";
        const time =
          option.includes("timeout") && random.chance(0.5) ? ` timeout ${random.of([0, 600])}` : "";
        const element = parts.map((part) => partOf(random, part, family, type)).join(",");
        // What is there already is refused.
        await runProcess("ipset", ["-exist", "add", name, element, ...words(`${time}${except}`)], {
          netns: HOST,
        });
      }
      for (let count = 0; count < 3; count++) rules.push(ruleOf(random, name));
    }
    await runSuccessfully("ipset", ["create", "all", "list:set"], { netns: HOST });
    for (const name of names.filter(() => random.chance(0.4))) await shell(`ipset add all ${name}`, HOST);
    rules.push(ruleOf(random, "all"), ruleOf(random, "all"));
    const restore = `*raw\n${rules.join("\n")}\nCOMMIT\n`;
    const program = family === "ip" ? "iptables-legacy-restore" : "ip6tables-legacy-restore";
    const loaded = await runSuccessfully(program, [], { netns: HOST, input: restore });
    if (!loaded.ok) throw new Error(loaded.error.message);
    return [...names, "all"];
  }

  async function send(datagram: Datagram): Promise<void> {
    const frame = frameOf(datagramBytes(datagram), mac, 1);
    const sent = await runSuccessfully(process.execPath, [SENDER, "veth1"], {
      netns: FAR,
      input: Buffer.from(frame).toString("hex"),
    });
    if (!sent.ok) throw new Error(sent.error.message);
  }
});

function words(text: string): readonly string[] {
  return text.split(" ").filter((word) => word !== "");
}

async function snapshot(): Promise<HostSnapshot> {
  const taken = await takeSnapshot({ netns: HOST, rulesets: "read" });
  if (!taken.ok) throw new Error(taken.error.message);
  return taken.value;
}

function read(text: string): HostSnapshot {
  const reader = new HostTextReader();
  for (const line of text.split("\n")) reader.read(line);
  const host = reader.end();
  if (host === null) throw new Error("nothing in it tells about a host");
  return host;
}

function rulesOf(host: HostSnapshot, family: "ip" | "ip6"): readonly Rule[] {
  const program = family === "ip" ? "iptables-legacy-save" : "ip6tables-legacy-save";
  const listing = host.rulesets?.find(({ command }) => command.startsWith(program));
  const { rulesets } = readRulesets(listing?.text ?? "", { input: "rules", netns: null, force: true });
  return (
    rulesets
      .flatMap(({ tables }) => tables)
      .flatMap(({ chains }) => chains)
      .find(({ name }) => name === "PREROUTING")?.rules ?? []
  );
}

async function counts(family: "ip" | "ip6"): Promise<readonly number[]> {
  const program = family === "ip" ? "iptables-legacy" : "ip6tables-legacy";
  const listing = await shell(`${program} -t raw -vxnL PREROUTING`, HOST);
  return listing
    .split("\n")
    .slice(2)
    .filter((line) => line.trim() !== "")
    .map((line) => Number(line.trim().split(/\s+/)[0]));
}

function circumstances(datagram: Datagram, ipsets: IpsetBook | null) {
  return {
    sighting: { ...sightingOf(datagram, { in: "veth0", out: null }), mark: 0 },
    hook: "prerouting" as const,
    mark: 0,
    conntrack: null,
    states: [],
    table: null,
    ipsets,
    addressType: () => null,
    portNumber: () => null,
  };
}

function ruleOf(random: Random, name: string): string {
  const sides = Array.from({ length: 1 + random.below(3) }, () => random.of(["src", "dst"])).join(",");
  const not = random.chance(0.25) ? "! " : "";
  const end = random.chance(0.2) ? " --return-nomatch" : "";
  return `-A PREROUTING -m set ${not}--match-set ${name} ${sides}${end}`;
}

function address(random: Random, family: "ip" | "ip6"): string {
  const [a, b] = [random.below(2), 1 + random.below(7)];
  return family === "ip" ? `10.0.${a}.${b}` : `fd00::${a}:${b}`;
}

function partOf(random: Random, part: string, family: "ip" | "ip6", type: string): string {
  switch (part) {
    case "ip":
      return type === "bitmap:ip" ? `10.0.0.${1 + random.below(7)}` : address(random, family);
    case "net":
      return `${address(random, family)}/${random.of(family === "ip" ? [8, 24, 29, 30, 31, 32] : [16, 112, 125, 127, 128])}`;
    case "port": {
      const icmp = family === "ip" ? "icmp:echo-request" : "icmpv6:echo-request";
      if (type === "bitmap:port") return String(random.of([53, 80, 81]));
      return random.of(["53", "tcp:80-81", "tcp:80", "udp:53", "udp:80", "sctp:80", icmp, "gre:0"]);
    }
    case "iface":
      return random.of(["veth0", "veth1"]);
    default:
      return random.of(["0", "0x1"]);
  }
}

function datagramOf(random: Random, family: "ip" | "ip6"): Datagram {
  return {
    family,
    src: address(random, family),
    dst: address(random, family),
    protocol: random.of([6, 6, 17, 17, 132, 47, family === "ip" ? 1 : 58]),
    extension: null,
    fragment: null,
    options: 0,
    sport: random.of([53, 80, 81]),
    dport: random.of([53, 80, 81]),
    flags: 2,
    icmpType: random.of(family === "ip" ? [8, 3] : [128, 1]),
    icmpCode: 0,
    payload: 20,
  };
}
