/**
 * The filter language against those who wrote it, and against the kernel: tcpdump must take what we print and choose the
 * packets that we choose, nft must take our rules, and real packets must meet exactly the rules that they should.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Filter } from "../../src/core/filters/filter.ts";
import { toNftRules } from "../../src/core/filters/nft.ts";
import { parseFilter } from "../../src/core/filters/parse.ts";
import { matchesFilter } from "../../src/core/filters/predicate.ts";
import { printForTcpdump } from "../../src/core/filters/print.ts";
import { captureOf, datagramBytes, frameOf, indicesIn } from "../core/filters/datagram-bytes.ts";
import { datagrams, filters, passes, sightingOf } from "../core/filters/generators.ts";

const seed = Number(process.env.NFPATH_SEED ?? 2026);
const isRoot = process.getuid?.() === 0;
const hasTcpdump = spawnSync("tcpdump", ["--version"]).status === 0;
const hasLegacy = ["iptables-legacy", "ip6tables-legacy"].every(
  (tool) => spawnSync(tool, ["-V"]).status === 0,
);
const canFilter = isRoot && ["nft", "ip"].every((tool) => spawnSync(tool, ["-V"]).status === 0);

const canCompare = canFilter && hasTcpdump && hasLegacy;

function sample<Value>(arbitrary: fc.Arbitrary<Value>, count: number): Value[] {
  return fc.sample(arbitrary, { numRuns: count, seed });
}

/** What tcpdump says to an expression; null if it takes it. */
function tcpdumpRefusal(expression: string): string | null {
  const { status, stderr } = spawnSync("tcpdump", ["-y", "RAW", "-d", expression], { encoding: "utf8" });
  return status === 0 || stderr.includes(NEVER_TRUE) ? null : stderr.trim();
}

/** tcpdump also refuses what its optimizer finds never true; the words themselves are right then. */
const NEVER_TRUE = "expression rejects all packets";

function forTcpdump(filter: Filter): string {
  const text = printForTcpdump(filter);
  if (!text.ok) throw new Error(text.error.message);
  return text.value;
}

describe.skipIf(!hasTcpdump)("filters and tcpdump (needs tcpdump)", () => {
  it("prints what tcpdump takes", () => {
    for (const filter of sample(filters("wire"), 150)) {
      const text = forTcpdump(filter);
      expect(tcpdumpRefusal(text), text).toBeNull();
    }
  });

  it("reads and refuses the same texts as tcpdump", () => {
    const texts = SAME_AS_TCPDUMP.trim().split("\n");
    const differing = texts.filter((text) => (tcpdumpRefusal(text) === null) !== parseFilter(text).ok);
    expect(differing).toEqual([]);
  });

  it("chooses the packets of a capture that tcpdump chooses", { timeout: 120_000 }, () => {
    const all = sample(datagrams(true), 300);
    const capture = captureOf(all.map(datagramBytes));
    let chosen = 0;
    for (const filter of sample(filters("wire"), 200)) {
      const expected = [...all.keys()].filter((i) => passes(filter, at(all, i), { in: "eth0", out: null }));
      expect(chosenByTcpdump(capture, forTcpdump(filter)), forTcpdump(filter)).toEqual(expected);
      chosen += expected.length;
    }
    expect(chosen).toBeGreaterThan(5_000);
  });

  it("agrees with the predicate about sightings of the same packets", { timeout: 120_000 }, () => {
    const all = sample(datagrams(false), 300);
    const capture = captureOf(all.map(datagramBytes));
    for (const filter of sample(filters("seen"), 100)) {
      const matching = [...all.keys()].filter((i) =>
        matchesFilter(filter, sightingOf(at(all, i), { in: "eth0", out: null })),
      );
      expect(chosenByTcpdump(capture, forTcpdump(filter)), forTcpdump(filter)).toEqual(matching);
    }
  });
});

function chosenByTcpdump(capture: Uint8Array, expression: string): number[] {
  const { status, stdout, stderr } = spawnSync("tcpdump", ["-r", "-", "-w", "-", expression], {
    input: capture,
  });
  if (stderr.includes(NEVER_TRUE)) return [];
  if (status !== 0) throw new Error(`${expression}: ${stderr}`);
  return indicesIn(stdout);
}

const SAME_AS_TCPDUMP = `
port 53 or 54
port (53 or 54)
port not 53
port 80 or (443)
host 192.0.2.9 and (port 5) and 192.0.2.1
port 192.0.2.1
port 80-90
tcp port 80 or udp
udp or port 53 or 54
portrange 90-80
portrange 80
tcp host 192.0.2.1
ip6 host 192.0.2.1
ip host fe80::1
ip port 53
icmp port 5
net 10
net 10.1
net 10.1/16
net 10.0.0.1/8
net 10.0.0.0/33
net 10.1 mask 255.255.0.0
net 10.1 mask 255.0.255.0
net fe80::/10
net fe80::1/10
net fe80:: mask ffff::
ip6 net ::/0
ip multicast
ip6 multicast
multicast
broadcast
TCP
tcp[13] & 2
tcp[tcpflags] = tcp-syn|tcp-ack
tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn
tcp[tcpflags]&tcp-syn>0
tcp[tcp-flags] = 2
icmp[icmptype] = icmp-unreach and icmp[icmpcode] = 4
icmp6[icmp6type] == icmp6-neighborsolicit
port 0x35
port 65536
src 192.0.2.1
dst fe80::1
ip src 192.0.2.1
tcp src 80
tcp src port 80
src tcp port 80
src port 53 and dst port 54
src and dst port 53
dst or src port 53
not not tcp
!tcp
!(tcp)
tcp&&port 5
tcp & udp
proto \\tcp
proto 47
ip proto \\icmp or \\tcp
ip6 proto 58
ip proto 6 or 17
tcp proto 5
pim
vrrp
igrp
less 0x40
less 100 or 200
len = 100
len != 5
len <= 100 and 5
len
()
and
tcp and
tcp or or udp
port
tcp port
tcp udp
host
not
(tcp
tcp)
host fe80::1%eth0
host [fe80::1]
host 192.0.2.1/32
host 192.0.2.256
host ::ffff:192.0.2.1
host ::
src 192.0.2.0/24
host no-such-host.invalid
vlan and and
`;

describe.skipIf(!canFilter)("filters and nft (needs root, nft and ip)", () => {
  const netns = `nfpF${process.pid}`;

  const inside = (command: string, args: readonly string[], input = "") =>
    runChecked("ip", ["netns", "exec", netns, command, ...args], input);

  beforeAll(() => {
    runChecked("ip", ["netns", "add", netns]);
    const mac = ["address", "02:00:00:00:ff:01"];
    runChecked("ip", ["-n", netns, "link", "add", "eth0", ...mac, "type", "veth", "peer", "name", "far0"]);
    for (const name of ["far0", "eth0"]) runChecked("ip", ["-n", netns, "link", "set", name, "up"]);
  });
  afterAll(() => {
    runChecked("ip", ["netns", "delete", netns]);
  });

  it("writes rules that nft takes, in each family and hook", { timeout: 120_000 }, () => {
    const lines: string[] = [];
    let rules = 0;
    for (const family of ["inet", "ip", "ip6"] as const) {
      for (const hook of ["prerouting", "output"] as const) {
        lines.push(`table ${family} t { chain ${hook} { type filter hook ${hook} priority -350; }; }`);
        for (const filter of sample(filters("all"), 200)) {
          for (const rule of nftRules(filter, family, hook)) {
            lines.push(`add rule ${family} t ${hook} ${rule} meta nftrace set 1`);
            rules++;
          }
        }
      }
    }
    for (const [family, hook] of FRAMES) {
      const device = family === "netdev" ? 'device "lo" ' : "";
      lines.push(`table ${family} t { chain ${hook} { type filter hook ${hook} ${device}priority -350; }; }`);
      for (const filter of sample(filters("all"), 100)) {
        const found = toNftRules(filter, family, hook);
        if (!found.ok) continue;
        for (const rule of found.value) {
          lines.push(`add rule ${family} t ${hook} ${rule} meta nftrace set 1`);
          rules++;
        }
      }
    }
    expect(inside("nft", ["-c", "-f", "-"], `${lines.join("\n")}\n`)).toBe("");
    expect(rules).toBeGreaterThan(1_500);
  });

  it("chooses the packets on a wire that the filter means", { timeout: 120_000 }, () => {
    const all = sample(datagrams(true), 300);
    const sampled = sample(filters("all"), 150);
    const lines = [
      "table inet t {",
      ...sampled.map((_, i) => `set s${i} { type ether_addr; flags dynamic; size 65535; }`),
    ];
    lines.push("set seen { type ether_addr; flags dynamic; size 65535; }");
    // Before defragmentation, so that fragments are among the packets.
    lines.push("chain c { type filter hook prerouting priority -450;", "add @seen { ether saddr }");
    for (const [i, filter] of sampled.entries()) {
      for (const rule of nftRules(filter, "inet", "prerouting"))
        lines.push(`${rule} add @s${i} { ether saddr }`);
    }
    lines.push("}", "}");
    inside("nft", ["-f", "-"], `${lines.join("\n")}\n`);

    const frames = all.map((datagram, i) => frameOf(datagramBytes(datagram), [2, 0, 0, 0, 0xff, 1], i));
    const sender = fileURLToPath(new URL("./send-frames.js", import.meta.url));
    const hex = frames.map((frame) => Buffer.from(frame).toString("hex")).join("\n");
    inside(process.execPath, [sender, "far0"], hex);

    const met = setsIn(inside("nft", ["-j", "list", "table", "inet", "t"]));
    expect(met.get("seen")).toEqual([...all.keys()]);
    for (const [i, filter] of sampled.entries()) {
      const expected = [...all.keys()].filter((index) =>
        passes(filter, at(all, index), { in: "eth0", out: null }),
      );
      expect(met.get(`s${i}`), JSON.stringify(filter)).toEqual(expected);
    }
  });
});

function nftRules(
  filter: Filter,
  family: "inet" | "ip" | "ip6",
  hook: "prerouting" | "output",
): readonly string[] {
  const rules = toNftRules(filter, family, hook);
  if (!rules.ok) throw new Error(rules.error.message);
  return rules.value;
}

/**
 * The promise behind `nfpath trace FILTER`: the packets that are chosen in the kernel are those that tcpdump chooses with the
 * same text, whichever mechanism chooses them.
 */
describe.skipIf(!canCompare)(
  "200 filters in the kernel and in tcpdump (needs root and all the tools)",
  () => {
    const netns = `nfpG${process.pid}`;
    const packets = sample(datagrams(true), 300);
    const frames = packets.map((datagram, i) => frameOf(datagramBytes(datagram), [2, 0, 0, 0, 0xff, 1], i));
    let compared: readonly Compared[] = [];

    interface Compared {
      readonly filter: Filter;
      readonly text: string;
      /** For `-m bpf --bytecode`. */
      readonly bytecode: string;
      /** Numbers of the packets that tcpdump chooses. */
      readonly chosen: readonly number[];
    }

    const inside = (command: string, args: readonly string[], input = "") =>
      runChecked("ip", ["netns", "exec", netns, command, ...args], input);

    beforeAll(() => {
      runChecked("ip", ["netns", "add", netns]);
      const mac = ["address", "02:00:00:00:ff:01"];
      runChecked("ip", ["-n", netns, "link", "add", "eth0", ...mac, "type", "veth", "peer", "name", "far0"]);
      for (const name of ["far0", "eth0"]) runChecked("ip", ["-n", netns, "link", "set", name, "up"]);
      const capture = captureOf(packets.map(datagramBytes));
      compared = sample(filters("wire"), 300)
        .flatMap((filter) => {
          const text = forTcpdump(filter);
          const bytecode = bytecodeOf(text);
          return bytecode === null
            ? []
            : [{ filter, text, bytecode, chosen: chosenByTcpdump(capture, text) }];
        })
        .slice(0, 200);
    }, 120_000);
    afterAll(() => {
      runChecked("ip", ["netns", "delete", netns]);
    });

    function send(): void {
      const sender = fileURLToPath(new URL("./send-frames.js", import.meta.url));
      inside(
        process.execPath,
        [sender, "far0"],
        frames.map((frame) => Buffer.from(frame).toString("hex")).join("\n"),
      );
    }

    /** Sends all packets past sets of numbers, into which `rules` puts those that are chosen, and reads the sets. */
    function collected(
      sets: number,
      rules: (index: number) => readonly string[],
      [family, hook] = ["inet", "prerouting priority -290"],
    ): ReadonlyMap<string, number[]> {
      const indices = Array.from({ length: sets }, (_, index) => index);
      const lines = [
        `table ${family} t {`,
        ...indices.map((i) => `set s${i} { type ether_addr; flags dynamic; size 65535; }`),
        `chain c { type filter hook ${hook};`,
        ...indices.flatMap((i) => rules(i).map((rule) => `${rule} add @s${i} { ether saddr }`)),
        "}",
        "}",
      ];
      inside("nft", ["-f", "-"], `${lines.join("\n")}\n`);
      send();
      const found = setsIn(inside("nft", ["-j", "list", "table", family ?? "", "t"]));
      inside("nft", [`delete table ${family} t`]);
      return found;
    }

    it("are two hundred, and choose something", () => {
      expect(compared).toHaveLength(200);
      expect(compared.filter(({ chosen }) => chosen.length > 0).length).toBeGreaterThan(100);
    });

    it("choose the same packets by nft's rules", { timeout: 120_000 }, () => {
      const found = collected(200, (i) => nftRules(at(compared, i).filter, "inet", "prerouting"));
      for (const [i, { text, chosen }] of compared.entries())
        expect(found.get(`s${i}`), text).toEqual(chosen);
    });

    it("choose the same packets by iptables -m bpf", { timeout: 120_000 }, () => {
      // A rule says what it has chosen by a bit of the mark, which has 32 of them; nft, behind it, writes down who has it.
      for (let from = 0; from < compared.length; from += 32) {
        const some = compared.slice(from, from + 32);
        const marks = some.map(
          ({ bytecode }, i) =>
            `-A PREROUTING -m bpf --bytecode "${bytecode}" -j MARK --set-xmark ${bit(i)}/${bit(i)}`,
        );
        for (const program of ["iptables-legacy-restore", "ip6tables-legacy-restore"])
          inside(program, [], ["*raw", ...marks, "COMMIT", ""].join("\n"));
        const found = collected(some.length, (i) => [`meta mark & ${bit(i)} != 0`]);
        for (const [i, { text, chosen }] of some.entries()) expect(found.get(`s${i}`), text).toEqual(chosen);
      }
    });

    it.each([
      ["netdev", "ingress", 'ingress device "eth0" priority -350'],
      ["bridge", "prerouting", "prerouting priority -350"],
    ] as const)(
      "choose the same frames by nft's rules of %s",
      { timeout: 120_000 },
      (family, hook, words) => {
        if (family === "bridge") {
          runChecked("ip", ["-n", netns, "link", "add", "br0", "type", "bridge"]);
          runChecked("ip", ["-n", netns, "link", "set", "eth0", "master", "br0"]);
          runChecked("ip", ["-n", netns, "link", "set", "br0", "up"]);
        }
        // Lengths are refused there.
        const some = compared.flatMap((one) => {
          const rules = toNftRules(one.filter, family, hook);
          return rules.ok ? [{ ...one, rules: rules.value }] : [];
        });
        expect(some.length).toBeGreaterThan(100);
        const found = collected(some.length, (i) => at(some, i).rules, [family, words]);
        for (const [i, { text, chosen }] of some.entries()) expect(found.get(`s${i}`), text).toEqual(chosen);
        if (family === "bridge") runChecked("ip", ["-n", netns, "link", "delete", "br0"]);
      },
    );
  },
);

function bit(index: number): string {
  return `0x${(2 ** index).toString(16)}`;
}

/** As `-m bpf` wants it; null where it is longer than the 64 instructions that it takes. */
function bytecodeOf(expression: string): string | null {
  const { status, stdout, stderr } = spawnSync("tcpdump", ["-y", "RAW", "-ddd", expression], {
    encoding: "utf8",
  });
  if (stderr.includes(NEVER_TRUE)) return "1,6 0 0 0";
  if (status !== 0) throw new Error(`${expression}: ${stderr}`);
  const lines = stdout.trim().split("\n");
  return lines.length > 65 ? null : lines.join(",");
}

function runChecked(command: string, args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.slice(0, 2000)}`);
  return stdout;
}

const FRAMES = [
  ["bridge", "prerouting"],
  ["bridge", "output"],
  ["netdev", "ingress"],
  ["netdev", "egress"],
  ["arp", "input"],
  ["arp", "output"],
] as const;

/** The packet numbers in each set. The kernel's own neighbour discovery is left out: its addresses are not `frameOf`'s. */
function setsIn(listing: string): Map<string, number[]> {
  const { nftables } = JSON.parse(listing) as { nftables: { set?: { name: string; elem?: string[] } }[] };
  return new Map(
    nftables.flatMap(({ set }) => {
      if (set === undefined) return [];
      const ours = (set.elem ?? []).filter((mac) => /^02:00:00:00:(?!ff)/.test(mac));
      // A set that is still growing can list an element twice.
      const indices = new Set(ours.map((mac) => Number.parseInt(mac.slice(12).replace(":", ""), 16)));
      return [[set.name, [...indices].sort((a, b) => a - b)] as const];
    }),
  );
}

function at<Value>(list: readonly Value[], index: number): Value {
  const value = list[index];
  if (value === undefined) throw new Error(`no element ${index}`);
  return value;
}
