/**
 * The live sources beside the trace against the real kernel: conntrack's events with `conntrack -E` as their judge, changes
 * of the rules, NFLOG rules, and what each of them loses.
 */
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readRules } from "../../src/app/rules.ts";
import { Explainer } from "../../src/core/diagnosis/explainer.ts";
import { ConntrackTextDecoder } from "../../src/core/events/decode/conntrack-text.ts";
import type { Event, FlowEvent, GapEvent, LogEvent, RulesChangedEvent } from "../../src/core/events/event.ts";
import { RuleBook } from "../../src/core/rulesets/rule-book.ts";
import type { Ruleset } from "../../src/core/rulesets/ruleset.ts";
import { runProcess, startProcess } from "../../src/linux/process.ts";
import { findProgram } from "../../src/linux/programs.ts";
import type { CollectedNetns, CollectorConfig } from "../../src/sources/collector/config.ts";
import { type LiveSource, openLiveSource } from "../../src/sources/live.ts";
import { addCable, addNetns, deleteNetns, sendUdp, shell } from "../support/namespaces.ts";

const missing = ["nft", "ip", "nsenter", "conntrack"].filter((program) => findProgram(program) === null);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const NEAR = `nfpSn${process.pid}`;
const FAR = `nfpSf${process.pid}`;

/** 198.51.100.1:53 is the far host's port 9 really, and the far host sees the near one as itself. */
const NAT = `nft 'table ip shop {
  chain pre { type nat hook output priority -100; ip daddr 198.51.100.1 udp dport 53 dnat to 192.0.2.2:9; }
  chain post { type nat hook postrouting priority 100; oifname veth0 masquerade; }
}'`;

describe.skipIf(lacks !== null)(`live sources${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  const open: LiveSource[] = [];

  beforeAll(() => {
    const root = fileURLToPath(new URL("../../", import.meta.url));
    spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-b", "tsconfig.build.json"], {
      cwd: root,
    });
  });

  beforeEach(async () => {
    await addNetns(NEAR);
    await addNetns(FAR);
    await addCable(NEAR, FAR);
    await shell("ip route add 198.51.100.0/24 via 192.0.2.2", NEAR);
  });

  afterEach(async () => {
    for (const source of open.splice(0)) await source.end();
    await deleteNetns(NEAR);
    await deleteNetns(FAR);
  });

  async function listen(
    wanted: Partial<CollectedNetns>,
    config: Partial<CollectorConfig> = {},
  ): Promise<{ readonly events: Event[]; readonly end: () => Promise<void> }> {
    const events: Event[] = [];
    const source = await openLiveSource(
      {
        namespaces: [{ netns: NEAR, nflog: false, apply: [], revert: [], ...wanted }],
        copyBytes: 256,
        receiveBuffer: 8 << 20,
        undoFile: null,
        ...config,
      },
      (batch) => events.push(...batch),
    );
    if (!source.ok) throw new Error(`${source.error.message}; ${source.error.hint}`);
    open.push(source.value);
    const end = async () => {
      await sleep(100);
      await source.value.end();
    };
    return { events, end };
  }

  describe("of connections", () => {
    it("tell what conntrack -E tells, word for word", async () => {
      await shell(`${NAT}; ip addr add 2001:db8::1/64 dev veth0 nodad`, NEAR);
      await shell("ip addr add 2001:db8::2/64 dev veth1 nodad", FAR);
      const judge = startProcess("conntrack", ["-E", "-o", "id,timestamp"], { netns: NEAR });
      if (!judge.ok) throw new Error(judge.error.message);
      let said = "";
      judge.value.stdout.on("data", (chunk: Buffer) => {
        said += chunk.toString();
      });
      await sleep(300);
      const { events, end } = await listen({ conntrack: true });
      await sendUdp(NEAR, "198.51.100.1", 53);
      await sendUdp(NEAR, "2001:db8::2", 9);
      await connect(NEAR, "192.0.2.2", 80);
      await shell(
        `conntrack -I -p icmp -s 192.0.2.1 -d 192.0.2.2 --icmp-type 8 --icmp-code 0 --icmp-id 4711 -t 30 -m 66
         conntrack -I -p icmpv6 -s 2001:db8::1 -d 2001:db8::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 7 -t 30
         conntrack -I -p sctp -s 192.0.2.1 -d 192.0.2.2 --sport 7 --dport 8 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2 -t 30 -w 9
         conntrack -I -p gre -s 192.0.2.1 -d 192.0.2.2 --srckey 1 --dstkey 2 -t 30
         conntrack -D -p udp`,
        NEAR,
      );
      await end();
      await sleep(300);
      judge.value.kill("SIGTERM");
      await judge.value.exited;
      const decoder = new ConntrackTextDecoder({ input: "judge", netns: NEAR });
      const judged = said.split("\n").flatMap((line, at) => decoder.read(line, at + 1));
      expect(judged.map(inWords)).toEqual(flows(events).map(inWords));
      expect(flows(events).map(({ what, protocol }) => `${what} ${protocol}`)).toEqual(
        expect.arrayContaining([
          ...["new udp", "new tcp", "destroy tcp", "destroy udp", "new icmp", "new icmpv6", "new sctp"],
        ]),
      );
      expect(flows(events).find(({ protocol }) => protocol === "icmp")).toMatchObject({
        original: { icmp: { type: 8, code: 0, id: 4711 }, sport: null },
        reply: { icmp: { type: 0, code: 0, id: 4711 } },
        mark: 66,
      });
      expect(flows(events).find(({ protocol }) => protocol === "sctp")?.zone).toBe(9);
      expect(flows(events).find(({ original }) => original.dst === "198.51.100.1")).toMatchObject({
        reply: { src: "192.0.2.2", sport: 9, dst: "192.0.2.1" },
        status: ["confirmed", "dnat", "snat-done", "dnat-done"],
      });
    });

    it("list the translated ones that were there before, and no others", async () => {
      await shell(NAT, NEAR);
      await sendUdp(NEAR, "198.51.100.1", 53);
      await sendUdp(NEAR, "127.0.0.1", 9);
      const { events, end } = await listen({ conntrack: true });
      await end();
      const listed = flows(events).filter(({ what }) => what === "listed");
      expect(new Set(listed.map(({ original }) => original.dst))).toEqual(new Set(["198.51.100.1"]));
    });

    it("switch conntrack on for nobody", async () => {
      const { events, end } = await listen({ conntrack: true });
      await sendUdp(NEAR, "127.0.0.1", 9, 3);
      await end();
      expect(events).toEqual([]);
      expect((await shell("cat /proc/sys/net/netfilter/nf_conntrack_count", NEAR)).trim()).toBe("0");
    });
  });

  describe("of changed rules", () => {
    it("name the tables, the generation and who did it, once a transaction, in its place among the steps", async () => {
      const { events, end } = await listen({});
      await shell(
        "nft 'table inet fw { chain in { type filter hook input priority 0; udp dport 9 drop; }; }'",
        NEAR,
      );
      await shell("nft add rule inet fw in counter; nft 'add table ip other; delete table inet fw'", NEAR);
      await end();
      expect(changes(events).map(({ tables, process: by }) => [tables, by])).toEqual([
        [["inet fw"], "nft"],
        [["inet fw"], "nft"],
        [["ip other", "inet fw"], "nft"],
      ]);
      const generations = changes(events).map((event) => event.generation ?? 0);
      expect(generations.map((number) => number - (generations[0] ?? 0))).toEqual([0, 1, 2]);
    });

    it("do not tell of nfpath's own table", async () => {
      const { events, end } = await listen({});
      await shell("nft add table inet nfpath_abc123; nft delete table inet nfpath_abc123", NEAR);
      await end();
      expect(events).toEqual([]);
    });
  });

  describe("of NFLOG rules", () => {
    it("show the packets of the groups that were asked for", async () => {
      await shell(
        `nft 'table inet fw { chain out { type filter hook output priority 0;
           udp dport 9 log prefix "to nine: " group 5; udp dport 10 log prefix "to ten: " group 6;
           udp dport 11 log prefix "to eleven: " group 7; }; }'`,
        NEAR,
      );
      const { events, end } = await listen({ nflogGroups: [5, 6] });
      for (const port of [9, 10, 11]) await sendUdp(NEAR, "127.0.0.1", port);
      await end();
      const logs = events.filter((event): event is LogEvent => event.kind === "log");
      expect(
        logs.map(({ prefix, origin, sighting }) => [origin.input, prefix, sighting.packet.dport]),
      ).toEqual([
        ["nflog:5", "to nine: ", 9],
        ["nflog:6", "to ten: ", 10],
      ]);
    });

    it("are refused where somebody else reads the group", async () => {
      await listen({ nflogGroups: [5] });
      await expect(listen({ nflogGroups: [5] })).rejects.toThrow(
        /NFLOG group 5 in namespace nfpS\w+ already has its one reader: node \(process \d+\); end that reader/,
      );
    });
  });

  describe("that cannot keep up", () => {
    /** A buffer of a few messages, and far more of them than a reader takes from it in time. */
    const TINY = { receiveBuffer: 8192 };
    const PACKETS = 4000;
    const PER_PACKET = [
      ["nft", "meta nftrace set 1", {}],
      ["legacy", "", { nflog: true }],
    ] as const;

    for (const [backend, mark, wanted] of PER_PACKET) {
      it(`say how many steps of ${backend} are missing, exactly, and conclude nothing false`, async () => {
        await shell(
          backend === "nft"
            ? `nft 'table inet flood {
                 chain out { type filter hook output priority -300; udp dport 9 ${mark}; }
                 chain post { type filter hook postrouting priority 0; policy accept; }
                 chain pre { type filter hook prerouting priority 0; policy accept; }
                 chain in { type filter hook input priority 0; policy accept; udp dport 9 accept; }; }'`
            : `iptables-legacy -t raw -A OUTPUT -p udp --dport 9 -j TRACE; iptables-legacy -A INPUT -p udp -j ACCEPT
               sysctl -qw net.netfilter.nf_log.2=nfnetlink_log`,
          NEAR,
        );
        const one = await listen(wanted);
        await sendUdp(NEAR, "127.0.0.1", 9);
        await one.end();
        const steps = one.events.filter(({ kind }) => kind === "step").length;
        expect(steps).toBeGreaterThan(3);
        const book = new RuleBook(await readRulesOf(NEAR));
        const many = await listen(wanted, TINY);
        await sendUdp(NEAR, "127.0.0.1", 9, PACKETS);
        await many.end();
        const seen = many.events.filter(({ kind }) => kind === "step").length;
        const gaps = many.events.filter((event): event is GapEvent => event.kind === "gap");
        expect(gaps.length).toBeGreaterThan(0);
        expect(
          gaps.every(({ gap, netns, time }) => gap === "lost-by-kernel" && netns === NEAR && time !== null),
        ).toBe(true);
        expect(seen + lostIn(gaps)).toBe(PACKETS * steps);
        const explainer = new Explainer(book);
        const explained = [...many.events.flatMap((event) => explainer.add(event)), ...explainer.end()];
        const outcomes = new Set(explained.map(({ outcome }) => outcome.verdict));
        // Each was delivered: of one whose last steps are missing it can only be said that nobody knows.
        expect([...outcomes].filter((verdict) => verdict !== "delivered" && verdict !== "unknown")).toEqual(
          [],
        );
        for (const { outcome, findings } of explained) {
          if (outcome.verdict === "unknown") expect(findings.map(({ cause }) => cause)).toContain("gap");
        }
      });
    }

    it("lose nothing of a burst that nfpath is too slow for, and say how old it is what they pass on", async () => {
      await shell(
        `nft 'table inet flood {
           chain out { type filter hook output priority -300; udp dport 9 meta nftrace set 1; }
           chain in { type filter hook input priority 0; policy accept; udp dport 9 accept; }; }'`,
        NEAR,
      );
      const packets = 60_000;
      const events: Event[] = [];
      let source: LiveSource | null = null;
      let longestLag = 0;
      const opened = await openLiveSource(
        {
          namespaces: [{ netns: NEAR, nflog: false, apply: [], revert: [] }],
          copyBytes: 256,
          receiveBuffer: 64 << 20,
          undoFile: null,
        },
        (batch) => {
          // As one that is busy with something else: a kernel buffer of this size would be full long before.
          if (events.length === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
          events.push(...batch);
          const { seconds = 0, nanos = 0 } = source?.heardUntil() ?? {};
          longestLag = Math.max(longestLag, Date.now() - seconds * 1000 - nanos / 1e6);
        },
      );
      if (!opened.ok) throw new Error(opened.error.message);
      source = opened.value;
      open.push(source);
      await sendUdp(NEAR, "127.0.0.1", 9, packets);
      await sleep(100);
      await source.end();
      expect(events.filter(({ kind }) => kind === "gap")).toEqual([]);
      const steps = events.filter((event) => event.kind === "step" && event.chain === "in").length;
      expect(steps).toBe(packets);
      expect(longestLag).toBeGreaterThan(1_000);
    });

    it("say how many connections' events and log messages are missing, and that no step is", async () => {
      await shell(
        `nft 'table ip flood { chain out { type filter hook output priority 0; ct state new log group 5; }; }'`,
        NEAR,
      );
      const { events, end } = await listen({ conntrack: true, nflogGroups: [5] }, TINY);
      const code = `const d=require("dgram");(function next(n){if(n===0)return;const s=d.createSocket("udp4");
        let left=40;for(let i=0;i<40;i++)s.send("x",1000+n*40+i,"127.0.0.1",()=>--left||(s.close(),next(n-1)))})(100)`;
      await runProcess(process.execPath, ["-e", code], { netns: NEAR });
      await end();
      const gaps = events.filter((event): event is GapEvent => event.kind === "gap");
      expect(new Set(gaps.map(({ gap }) => gap))).toEqual(new Set(["flows-lost", "logs-lost"]));
      const connections = Number(
        (await shell("cat /proc/sys/net/netfilter/nf_conntrack_count", NEAR)).trim(),
      );
      expect(connections).toBeGreaterThanOrEqual(4000);
      const logs = events.filter(({ kind }) => kind === "log").length;
      expect(logs + lostIn(gaps.filter(({ gap }) => gap === "logs-lost"))).toBe(connections);
      expect(flows(events).length + lostIn(gaps.filter(({ gap }) => gap === "flows-lost"))).toBe(connections);
    });
  });
});

function lostIn(gaps: readonly GapEvent[]): number {
  return gaps.reduce((sum, { count }) => sum + (count ?? Number.NaN), 0);
}

async function readRulesOf(netns: string): Promise<readonly Ruleset[]> {
  const read = await readRules(netns);
  if (!read.ok) throw new Error(read.error.message);
  return read.value.rulesets;
}

async function connect(netns: string, address: string, port: number): Promise<void> {
  const code = `const s=require("net").connect(${port},"${address}");s.on("error",()=>{});`;
  await runProcess(process.execPath, ["-e", code], { netns });
}

function flows(events: readonly Event[]): FlowEvent[] {
  const unread = events.filter((event) => event.kind === "unparsed");
  if (unread.length > 0) throw new Error(unread.map((event) => event.reason).join("; "));
  return events.filter((event): event is FlowEvent => event.kind === "flow");
}

function changes(events: readonly Event[]): RulesChangedEvent[] {
  return events.filter((event): event is RulesChangedEvent => event.kind === "rules-changed");
}

/** What both sources tell: the tool prints no status bits but those it has words for. */
function inWords(event: Event): string {
  if (event.kind !== "flow") throw new Error(`unexpected ${event.kind}`);
  const { what, family, protocol, id, original, reply, state, timeout, zone, status } = event;
  const told = status.filter((word) => word === "seen-reply" || word === "assured");
  return JSON.stringify({ what, family, protocol, id, original, reply, state, timeout, zone, told });
}
