/**
 * The host's side, live: a snapshot and the plain outputs of the host's own tools must tell the same; nothing is changed by
 * asking; and a trace shows by which route a packet goes, with the kernel's own word where it differs.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { traceLive } from "../../src/app/trace.ts";
import type { Explained } from "../../src/core/diagnosis/diagnose.ts";
import { parseFilter } from "../../src/core/filters/parse.ts";
import { HostTextReader } from "../../src/core/hosts/decode/host-text-reader.ts";
import type { HostSnapshot } from "../../src/core/hosts/host.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { takeSnapshot } from "../../src/linux/snapshot/take-snapshot.ts";
import { nfpath } from "../support/cli.ts";
import { treeOf } from "../support/explained.ts";
import { addCable, addNetns, deleteNetns, sendUdp, shell, stateOf } from "../support/namespaces.ts";

const missing = ["ip", "ss", "nft", "sysctl"].filter((program) => findProgram(program) === null);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const NEAR = `nfpSn${process.pid}`;
const FAR = `nfpSf${process.pid}`;
let folder = "";

describe.skipIf(lacks !== null)(`the host's side${lacks === null ? "" : ` (${lacks})`}`, () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "nfpath-snapshot-"));
    await addNetns(NEAR);
    await addNetns(FAR);
    // Addresses that IPv6 makes and tries by itself come seconds later, between two looks.
    await shell("sysctl -qw net.ipv6.conf.default.addr_gen_mode=1 net.ipv6.conf.default.accept_dad=0", NEAR);
    await addCable(NEAR, FAR);
    await shell(
      `
      ip link add br0 type bridge; ip link set br0 up
      ip link add p0 type veth peer name p1; ip link set p1 master br0 up; ip link set p0 up
      ip addr add 10.3.1.1 peer 10.3.1.2/32 dev p0; ip addr add 10.4.0.1/24 brd + dev br0; ip addr add fd00::1/64 dev p0 nodad
      ip neigh add 10.4.0.9 lladdr 02:00:00:00:00:09 dev br0
      ip route add default via 192.0.2.2 metric 50 mtu 1400; ip route add 10.8.0.0/16 nexthop via 192.0.2.2 weight 3 nexthop dev p0
      ip route add blackhole 10.9.0.0/16; ip route add unreachable default metric 4444 table 100; ip route add 10.5.0.0/16 tos 0x10 via inet6 fd00::9 dev p0
      ip -6 route add fd09::/32 nexthop via fd00::2 dev p0 nexthop via fd00::3 dev p0; ip -6 route add prohibit fd77::/16; ip -6 route add fd88::/16 from fd00::/64 dev p0
      ip rule add fwmark 0x10/0xff iif p0 from 10.0.0.0/8 to 1.2.3.4 tos 0x10 table 100 suppress_prefixlength 0
      ip rule add not from 10.1.1.1 ipproto tcp sport 1000-2000 dport 22 uidrange 0-99 oif gone goto 32766; ip rule add prohibit from 9.9.9.9
      ip -6 rule add from fd00::/64 lookup 100; ip rule add fwmark 5 lookup 300; ip rule add pref 7 tun_id 5 lookup 200
      nft add table inet fw; nft add set inet fw blocked '{ type ipv4_addr; elements = { 192.0.2.66 }; }'`,
      NEAR,
    );
  });

  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await deleteNetns(NEAR);
    await deleteNetns(FAR);
  });

  const snapshot = async (): Promise<HostSnapshot> => {
    const taken = await takeSnapshot({ netns: NEAR, rulesets: "read" });
    if (!taken.ok) throw new Error(taken.error.message);
    return taken.value;
  };

  test("a snapshot has all that was made, and says of nothing that it could not be read", async () => {
    const host = await snapshot();
    expect([host.absences, host.unread]).toEqual([[], []]);
    expect(host.links?.find(({ name }) => name === "p1")).toMatchObject({
      kind: "veth",
      master: "br0",
      peer: "p0",
    });
    expect(host.routing.ip.routes?.find(({ dst }) => dst === "10.8.0.0/16")?.nexthops).toHaveLength(2);
    expect(host.routing.ip.rules?.map(({ action }) => action.kind)).toContain("goto");
    expect(host.settings?.[`net.ipv4.conf.br0.rp_filter`]).toMatch(/^[012]$/);
    expect(host.rulesets?.map(({ text }) => text).join()).toContain("192.0.2.66");
    expect(host.counters).toHaveProperty("IpInAddrErrors");
    expect(host.linkCounters).toHaveProperty("br0");
  });

  test("the plain outputs of ip, ss and sysctl tell the same as a snapshot", async () => {
    const host = await snapshot();
    const listing = await shell(
      `ip -d addr; ip route show table all; ip -6 route show table all | grep -v 'table local'; ip rule; echo; ip -6 rule; ip neigh; sysctl -a 2>/dev/null; ss -anptu`,
      NEAR,
    );
    const reader = new HostTextReader();
    const unread = listing.split("\n").filter((line) => !reader.read(line) && line.trim() !== "");
    expect(unread).toEqual([]);
    const listed = reader.end();
    expect(listed?.unread).toEqual([]);
    expect(listed?.links).toEqual(host.links);
    expect(listed?.addresses).toEqual(host.addresses);
    expect(listed?.neighbours).toEqual(host.neighbours);
    expect(listed?.sockets).toEqual(host.sockets);
    for (const family of ["ip", "ip6"] as const) {
      expect(listed?.routing[family].rules).toEqual(host.routing[family].rules);
      expect(sorted(listed, family)).toEqual(sorted(host, family));
    }
    for (const [name, value] of Object.entries(host.settings ?? {}))
      if (/\.conf\.|ip_forward|nf_log/.test(name))
        expect([name, listed?.settings?.[name]]).toEqual([name, value]);
  });

  test("and so do their JSON outputs, pretty-printed or not", async () => {
    const host = await snapshot();
    const reader = new HostTextReader();
    for (const command of [
      "-d addr",
      "-4 route show table all",
      "-6 route show table all",
      "-4 rule",
      "-6 rule",
      "neigh",
    ])
      expect([command, reader.readDocument(await shell(`ip -j -p ${command}`, NEAR))]).toEqual([
        command,
        true,
      ]);
    const listed = reader.end();
    expect(listed?.links).toEqual(host.links);
    expect(listed?.routing).toEqual(host.routing);
    expect(listed?.neighbours).toEqual(host.neighbours);
  });

  test("nfpath snapshot writes a file for its owner alone, and changes nothing", async () => {
    const before = await stateOf(NEAR);
    const file = join(folder, "host.json");
    writeFileSync(file, "");
    chmodSync(file, 0o600);
    const ran = await nfpath(["snapshot", "--netns", NEAR, "--netns", FAR, "--out", file]);
    expect(ran).toMatchObject({ status: 0, stdout: "", stderr: "" });
    const written = JSON.parse(readFileSync(file, "utf8"));
    expect(written.schema).toBe("nfpath/snapshot@1");
    expect(written.hosts.map((host: HostSnapshot) => host.netns)).toEqual([NEAR, FAR]);
    expect(statSync(file).mode & 0o077).toBe(0);
    expect(await stateOf(NEAR)).toBe(before);
    const tree = await nfpath(["snapshot", "--netns", NEAR, "--format", "tree"]);
    expect(tree.stdout).toContain("10.4.0.1/24");
    const gone = await nfpath(["snapshot", "--netns", "nfp-is-not-there"]);
    expect([gone.status, gone.stderr]).toEqual([2, expect.stringContaining("no network namespace")]);
    const nowhere = await nfpath(["snapshot", "--out", "/nowhere/at/all.json"]);
    expect([nowhere.status, nowhere.stdout]).toEqual([2, ""]);
  });

  test("a trace tells the route, and takes a snapshot at both ends", async () => {
    const { explained, report } = await trace(async () => sendUdp(FAR, "192.0.2.1", 9));
    const tree = treeOf(explained);
    expect(tree).toContain("to veth1 by 192.0.2.0/24 of table main");
    expect(explained[0]?.routing[0]?.kernel).toMatchObject({ agrees: true, words: "unicast veth1" });
    expect(report.notes).toEqual([]);
    const [[before], [after]] = [report.hosts.before, report.hosts.after];
    expect([before?.netns, after?.netns]).toEqual([FAR, FAR]);
    expect(after?.rulesets?.length).toBe(before?.rulesets?.length);
    expect(Date.parse(after?.takenAt ?? "")).toBeGreaterThan(Date.parse(before?.takenAt ?? ""));
  });

  test("the kernel is still asked when nfpath has given up its rights", async () => {
    const send = ["ip", "netns", "exec", FAR, process.execPath, "-e"];
    const code =
      'const s = require("dgram").createSocket("udp4"); s.send("x", 9, "192.0.2.1", () => s.close())';
    const ran = await nfpath([
      ...["trace", "--netns", FAR, "--format", "jsonl", "udp dst port 9", "--"],
      ...send,
      `setTimeout(() => { ${code} }, 700)`,
    ]);
    expect([ran.status, JSON.parse(ran.stdout.split("\n")[0] ?? "").routing[0].kernel]).toEqual([
      0,
      { agrees: true, words: "unicast veth1" },
    ]);
  });

  test("where the routes have changed since, it says so and shows where the packet went", async () => {
    const { explained, report } = await trace(async () => {
      await shell("ip route del blackhole 198.51.100.0/24; ip route add 198.51.100.0/24 via 192.0.2.1", FAR);
      await sendUdp(FAR, "198.51.100.7", 9);
    }, "ip route add blackhole 198.51.100.0/24");
    const tree = treeOf(explained).replace(/\s+/g, " ");
    expect(tree).toContain("to veth1, while by the snapshot: blackhole by 198.51.100.0/24 of table main");
    expect(tree).toContain("but ip route get says: unicast veth1 via 192.0.2.1");
    expect(report.notes.join()).toContain("did routes change meanwhile?");
  });
});

/** Traces UDP to port 9 in the far namespace while something is done there. */
async function trace(during: () => Promise<void>, before = "true") {
  await shell(before, FAR);
  const filter = parseFilter("udp dst port 9");
  if (!filter.ok) throw new Error(filter.error.message);
  const explained: Explained[] = [];
  const done = await traceLive(
    {
      filter: filter.value,
      netns: [FAR],
      seconds: 30,
      packets: null,
      rate: 1000,
      during,
      signal: new AbortController().signal,
    },
    (journey) => {
      explained.push(journey);
    },
  );
  if (!done.ok) throw new Error(done.error.message);
  return { explained, report: done.value };
}

/** IPv6's local table has routes that come and go with addresses; the order is not the kernel's to keep. */
function sorted(host: HostSnapshot | null, family: "ip" | "ip6"): readonly string[] {
  const routes = host?.routing[family].routes ?? [];
  return routes
    .filter((route) => family === "ip" || route.table !== "local")
    .map((route) => JSON.stringify(route))
    .sort();
}
