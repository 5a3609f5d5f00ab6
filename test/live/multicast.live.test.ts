/**
 * Whether a host takes a packet to a multicast group, from a snapshot, and the kernel as the judge: sockets that join groups, some
 * for sources or without them, and packets that are really sent, of which a counter at INPUT says who came that far.
 */
import { closeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HostTextReader } from "../../src/core/hosts/decode/host-text-reader.ts";
import type { HostSnapshot } from "../../src/core/hosts/host.ts";
import { receive } from "../../src/core/hosts/reception.ts";
import { AF_INET, SOCK_CLOEXEC, SOCK_DGRAM, setsockopt, socket } from "../../src/linux/libc.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { runSuccessfully } from "../../src/linux/process.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { takeSnapshot } from "../../src/linux/snapshot/take-snapshot.ts";
import { datagramBytes, frameOf } from "../core/filters/datagram-bytes.ts";
import { addressBytes, type Datagram } from "../core/filters/generators.ts";
import { addNetns, deleteNetns, shell } from "../support/namespaces.ts";
import { type Random, randomFrom } from "../support/random.ts";

const missing = ["ip", "nft"].find((name) => findProgram(name) === null);
const lacks = process.getuid?.() !== 0 ? "needs root" : missing === undefined ? null : `needs ${missing}`;

const HOST = `nfpMh${process.pid}`;
const FAR = `nfpMf${process.pid}`;
const SEEDS = (process.env.NFPATH_MULTICAST_SEEDS ?? "1,2").split(",").map(Number);
const PACKETS = 40;
const SENDER = fileURLToPath(new URL("./send-frames.js", import.meta.url));
const DEVICES = ["d0", "d1"] as const;
const GROUPS = ["239.1.1.1", "239.1.1.2", "232.1.1.1", "224.0.0.5"] as const;
const GROUPS_6 = ["ff02::5", "ff05::1:3", "ff0e::77"] as const;
const SOURCES = ["10.0.0.5", "10.0.0.6", "10.0.0.7", "10.1.0.5"] as const;

/** `linux/in.h`, `linux/in6.h`. */
const SOL_IP = 0;
const SOL_IPV6 = 41;
const AF_INET6 = 10;
const IP_ADD_MEMBERSHIP = 35;
const IP_BLOCK_SOURCE = 38;
const IP_ADD_SOURCE_MEMBERSHIP = 39;
const IPV6_ADD_MEMBERSHIP = 20;

describe.skipIf(lacks !== null)(`multicast${lacks === null ? "" : ` (${lacks})`}`, () => {
  beforeAll(async () => {
    await addNetns(HOST);
    await addNetns(FAR);
    const cables = DEVICES.map(
      (device, at) => `
      ip -n ${HOST} link add ${device} type veth peer name ${device} netns ${FAR}
      ip netns exec ${FAR} sysctl -qw net.ipv6.conf.${device}.disable_ipv6=1
      ip netns exec ${HOST} sysctl -qw net.ipv6.conf.${device}.accept_dad=0
      ip -n ${HOST} addr add 10.${at}.0.1/24 dev ${device}; ip -n ${HOST} addr add fd00:${at}::1/64 dev ${device} nodad
      ip -n ${HOST} link set ${device} up; ip -n ${FAR} link set ${device} up`,
    );
    await shell(cables.join("\n"));
    await shell(
      "nft 'add table inet m; add chain inet m i { type filter hook input priority 0; }; add rule inet m i udp dport 7001 counter'",
      HOST,
    );
  });

  afterAll(async () => {
    await deleteNetns(HOST);
    await deleteNetns(FAR);
  });

  const fates = new Set<string>();

  test.each(SEEDS)(
    "INPUT sees what the snapshot says, seed %i",
    async (seed) => {
      const random = randomFrom(seed);
      const open = inNetns(HOST, () => joinSome(random));
      try {
        await settings(random);
        const taken = await takeSnapshot({ netns: HOST, rulesets: "skip" });
        if (!taken.ok) throw new Error(taken.error.message);
        expect(taken.value.multicastGroups).not.toBeNull();
        const hosts = [taken.value, { ...taken.value, multicastGroups: (await printed()).multicastGroups }];
        let untold = 0;
        for (let count = 0; count < PACKETS; count++) {
          const dev = random.of(DEVICES);
          const datagram = datagramOf(random);
          const isSeen = await send(dev, datagram);
          for (const host of hosts) {
            const found = receive(host, questionOf(dev, datagram));
            fates.add(found.kind);
            if (found.kind === "not-known") untold++;
            else
              expect(
                found.kind === "local",
                `${datagram.src} to ${datagram.dst} on ${dev}: ${JSON.stringify(found)}`,
              ).toBe(isSeen);
          }
        }
        // Where some sockets want a source and others do not, the kernel does not tell how many.
        expect(untold).toBeLessThan(PACKETS / 2);
      } finally {
        for (const fd of open) closeSync(fd);
      }
    },
    120_000,
  );

  test("and there were packets of each fate", () => {
    expect([...fates]).toEqual(expect.arrayContaining(["local", "not-joined", "reverse-path", "martian"]));
  });
});

/** Sockets that stay open, and with them their groups. */
function joinSome(random: Random): readonly number[] {
  const sockets: number[] = [];
  for (let count = 0; count < 5; count++) {
    const fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockets.push(fd);
    const group = addressBytes(random.of(GROUPS));
    const own = addressBytes(`10.${random.below(2)}.0.1`);
    const source = addressBytes(random.of(SOURCES));
    if (random.chance(0.4)) {
      setsockopt(fd, SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, Buffer.from([...group, ...own, ...source]));
      continue;
    }
    setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, Buffer.from([...group, ...own]));
    if (random.chance(0.5))
      setsockopt(fd, SOL_IP, IP_BLOCK_SOURCE, Buffer.from([...group, ...own, ...source]));
  }
  const fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockets.push(fd);
  for (const group of GROUPS_6) {
    if (random.chance(0.5)) continue;
    const request = Buffer.alloc(20);
    request.set(addressBytes(group));
    // 1 is loopback.
    request.writeUInt32LE(random.of([2, 3]), 16);
    setsockopt(fd, SOL_IPV6, IPV6_ADD_MEMBERSHIP, request);
  }
  return sockets;
}

async function settings(random: Random): Promise<void> {
  const lines = ["all", ...DEVICES].map(
    (device) =>
      `sysctl -qw net.ipv4.conf.${device}.rp_filter=${random.of([0, 1])} net.ipv4.conf.${device}.route_localnet=${random.of([0, 0, 1])}`,
  );
  await shell(lines.join("\n"), HOST);
}

/** As the printed script collects it. */
async function printed(): Promise<HostSnapshot> {
  const text = await shell(
    'for file in igmp igmp6 mcfilter; do echo "# cat /proc/net/$file"; cat "/proc/net/$file"; done',
    HOST,
  );
  const reader = new HostTextReader();
  for (const line of text.split("\n")) reader.read(line);
  const host = reader.end();
  if (host === null) throw new Error("nothing in it tells about a host");
  return host;
}

/** Whether INPUT saw it. */
async function send(dev: string, datagram: Datagram): Promise<boolean> {
  const group = [...addressBytes(datagram.dst)];
  const mac =
    datagram.family === "ip"
      ? [1, 0, 0x5e, (group[1] ?? 0) & 0x7f, group[2] ?? 0, group[3] ?? 0]
      : [0x33, 0x33, ...group.slice(12)];
  const before = await counted();
  const sent = await runSuccessfully(process.execPath, [SENDER, dev], {
    netns: FAR,
    input: Buffer.from(frameOf(datagramBytes(datagram), mac, 1)).toString("hex"),
  });
  if (!sent.ok) throw new Error(sent.error.message);
  return (await counted()) > before;
}

async function counted(): Promise<number> {
  return Number(/packets (\d+)/.exec(await shell("nft list chain inet m i", HOST))?.[1]);
}

function questionOf(dev: string, { family, src, dst, sport, dport }: Datagram) {
  return { family, src, dst, in: dev, out: null, mark: 0, tos: 0, protocol: "udp", sport, dport, uid: 0 };
}

function datagramOf(random: Random): Datagram {
  const family = random.chance(0.7) ? "ip" : "ip6";
  const source = random.chance(0.8)
    ? random.of(SOURCES)
    : random.of(["127.0.0.1", "0.0.0.0", "192.0.2.1", "239.9.9.9"]);
  return {
    family,
    src: family === "ip" ? source : "fd00:0:0:0:0:0:0:5",
    dst: family === "ip" ? random.of([...GROUPS, "224.0.0.1"]) : random.of([...GROUPS_6, "ff02::1"]),
    protocol: 17,
    extension: null,
    fragment: null,
    options: 0,
    sport: 9,
    dport: 7001,
    flags: 0,
    icmpType: 0,
    icmpCode: 0,
    payload: 20,
  };
}
