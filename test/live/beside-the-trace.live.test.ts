/** What `nfpath trace` tells beside the trace, and the kernel's own log, as a person sees it. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { readSysctl, writeSysctl } from "../../src/linux/sysctl.ts";
import { nfpath, root } from "../support/cli.ts";
import { addCable, addNetns, deleteNetns, sendUdp, shell } from "../support/namespaces.ts";

const missing = ["nft", "ip", "nsenter", "iptables-legacy"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const NETNS = `nfpSb${process.pid}`;
const ALL_NETNS = "net.netfilter.nf_log_all_netns";

function journeysOf(stdout: string): JourneyContract[] {
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as JourneyContract);
}

describe.skipIf(lacks !== null)(`beside the trace${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  beforeEach(() => addNetns(NETNS));
  afterEach(() => deleteNetns(NETNS));

  /** A shell in the namespace, and datagrams to a port of it from one socket. */
  const inside = (lines: string) => ["nsenter", `--net=/run/netns/${NETNS}`, "sh", "-ec", lines];
  const trace = (...words: string[]) =>
    nfpath(["trace", "--netns", NETNS, "--format", "jsonl", "--for", "20s", "udp port 9", ...words]);
  const send = (from: number) =>
    `${process.execPath} -e 'const s=require("dgram").createSocket("udp4");s.bind(${from},()=>s.send("x",9,"198.51.100.1",()=>s.close()))'`;

  test("--conntrack tells exactly what a connection from before the trace is translated to", async () => {
    await shell(
      `ip route add 198.51.100.0/24 dev lo
       nft 'table ip shop { chain out { type nat hook output priority -100; udp dport 9 dnat to 127.0.0.1:7; }; }'
       ${send(40_000)}`,
      NETNS,
    );
    const silent = journeysOf((await trace("--", ...inside(send(40_000)))).stdout);
    const told = journeysOf((await trace("--conntrack", "--", ...inside(send(40_000)))).stdout);
    const nat = (journeys: JourneyContract[]) =>
      journeys[0]?.findings.find(({ cause }) => cause === "nat-from-conntrack")?.what;
    expect(nat(silent)).not.toContain("as conntrack has it");
    expect(nat(told)).toMatch(/198\.51\.100\.1:9 .*127\.0\.0\.1:7.*, as conntrack has it/);
  });

  test("--nflog shows what a rule of the host's logs", async () => {
    await shell(
      `nft 'table inet fw { chain out { type filter hook output priority 0; udp dport 9 log prefix "nine " group 12; }; }'`,
      NETNS,
    );
    const { stdout, stderr } = await trace(
      "--nflog",
      "12",
      "--",
      ...inside(send(40_001).replace("198.51.100.1", "127.0.0.1")),
    );
    expect(stderr).toContain("1 journey: 1 rejected");
    expect(journeysOf(stdout)[0]?.logs).toMatchObject([{ prefix: "nine ", nflogGroup: 12 }]);
  });

  describe("on a cable", () => {
    const FAR = `${NETNS}far`;
    beforeEach(async () => {
      await addNetns(FAR);
      await addCable(FAR, NETNS);
    });
    afterEach(() => deleteNetns(FAR));

    const sendLarge = `${process.execPath} -e 'const s=require("dgram").createSocket("udp4");s.send(Buffer.alloc(2000),9,"192.0.2.2",()=>s.close())'`;
    const fromFar = ["nsenter", `--net=/run/netns/${FAR}`, "sh", "-ec", sendLarge];

    test.skipIf(findProgram("tcpdump") === null)(
      "--wire shows the fragments that no rule sees, and who sent them (needs tcpdump)",
      async () => {
        await shell(
          "nft 'table ip fw { chain in { type filter hook input priority 0; ct state new accept; }; }'",
          NETNS,
        );
        const mac = /link\/ether (\S+)/.exec(await shell(`ip -n ${FAR} link show veth0`))?.[1];
        const [journey] = journeysOf((await trace("--wire", "--", ...fromFar)).stdout);
        expect(journey?.packet.length).toBe(2028);
        expect(
          journey?.wire.map(({ direction, interface: name, source, length }) => [
            direction,
            name,
            source,
            length,
          ]),
        ).toEqual([
          ["in", "veth1", mac, 1500],
          ["in", "veth1", mac, 548],
        ]);
      },
    );

    test.skipIf(findProgram("bpftrace") === null)(
      "--drops tells why and where the kernel let a packet go that no rule dropped (needs bpftrace)",
      async () => {
        await shell(
          "nft 'table ip fw { chain in { type filter hook input priority 0; ct state new accept; }; }'",
          NETNS,
        );
        const [journey] = journeysOf((await trace("--drops", "--", ...fromFar)).stdout);
        expect(journey?.drops).toMatchObject([
          { reason: "NO_SOCKET", function: "__udp4_lib_rcv", device: "veth1" },
        ]);
      },
    );
  });

  test("rules that are changed meanwhile are told of, ours are not", async () => {
    await shell(
      "nft 'table inet fw { chain in { type filter hook input priority 0; udp dport 9 accept; }; }'",
      NETNS,
    );
    const local = send(40_002).replace("198.51.100.1", "127.0.0.1");
    const { stdout } = await trace(
      "--",
      ...inside(`${local}; sleep 0.3; nft insert rule inet fw in counter; sleep 0.3; ${local}`),
    );
    const causes = journeysOf(stdout).map(({ findings }) => findings.map(({ cause }) => cause));
    expect(causes).toHaveLength(2);
    expect(causes[0]).not.toContain("rules-changed");
    expect(causes[1]).toContain("rules-changed");
  });

  test("/dev/kmsg can be followed, each record once", async () => {
    const before = readSysctl(ALL_NETNS);
    const port = 20_000 + (process.pid % 20_000);
    await shell(
      `sysctl -qw net.netfilter.nf_log.2=nf_log_ipv4
       iptables-legacy -t raw -A OUTPUT -p udp --dport ${port} -j TRACE; iptables-legacy -A INPUT -p udp -j DROP
       iptables-legacy-save > /tmp/${NETNS}.rules`,
      NETNS,
    );
    writeSysctl(ALL_NETNS, "1");
    try {
      const program = join(root, "dist/cli/main.js");
      const words = [
        "explain",
        "--follow",
        "/dev/kmsg",
        `/tmp/${NETNS}.rules`,
        "--format",
        "jsonl",
        `dst port ${port}`,
      ];
      const child = spawn(process.execPath, [program, ...words]);
      let shown = "";
      child.stdout.on("data", (chunk) => {
        shown += chunk;
      });
      const ended = new Promise((resolve) => child.on("close", resolve));
      await sleep(1000);
      await sendUdp(NETNS, "127.0.0.1", port, 3);
      for (let tries = 0; tries < 200 && journeysOf(shown).length < 3; tries++) await sleep(50);
      child.kill("SIGINT");
      expect(await ended).toBe(0);
      const journeys = journeysOf(shown);
      expect(journeys.map(({ outcome }) => outcome.verdict)).toEqual(["dropped", "dropped", "dropped"]);
      expect(journeys.map(({ clock }) => clock)).toEqual(["kernel-log", "kernel-log", "kernel-log"]);
    } finally {
      if (before !== null) writeSysctl(ALL_NETNS, before);
      await shell(`rm -f /tmp/${NETNS}.rules`);
    }
  });
});
