/**
 * Live traces against the real kernel, in namespaces of their own: what is seen, what is lost and said to be lost, and that
 * nothing of ours is left, however a run ends.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Event, StepEvent } from "../../src/core/events/event.ts";
import { isOwnTable } from "../../src/core/plans/own-table.ts";
import type { Selectors } from "../../src/core/plans/trace-table.ts";
import { legacyTables } from "../../src/linux/legacy-tables.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { readLogger } from "../../src/linux/nf-log.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { readRulesetTexts } from "../../src/linux/ruleset-texts.ts";
import { readJournalFile } from "../../src/linux/undo/journal.ts";
import { revertRun } from "../../src/linux/undo/revert-run.ts";
import { openLiveSource } from "../../src/sources/live.ts";
import { findLeftovers } from "../../src/tracing/leftovers.ts";
import { startTrace, type Trace, type TraceEnd, type TraceOptions } from "../../src/tracing/trace.ts";
import { addCable, addNetns, deleteNetns, sendUdp, shell, stateOf } from "../support/namespaces.ts";

const missing = ["nft", "ip", "nsenter", "iptables-legacy"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const UNDO_DIRECTORY = "/run/nfpath";
const NEAR = `nfpTn${process.pid}`;
const FAR = `nfpTf${process.pid}`;
const PORT_9: Selectors = { prerouting: ["udp dport 9"], output: ["udp dport 9"] };

const LEGACY_RULES = `
  iptables-legacy -N CHECK; iptables-legacy -A CHECK -p udp -j RETURN
  iptables-legacy -A INPUT -p udp --dport 9 -j CHECK; iptables-legacy -A INPUT -p udp -j ACCEPT`;
const NFT_RULES = `nft -f - <<'RULES'
table ip shop {
  chain in { type filter hook input priority -5; policy accept; udp dport 9 jump sorted; }
  chain sorted { meta mark set 7; }
}
RULES`;

describe.skipIf(lacks !== null)(`a live trace${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  beforeAll(() => {
    // The collector is a program of its own: what is tested must be what is built.
    const root = fileURLToPath(new URL("../../", import.meta.url));
    spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-b", "tsconfig.build.json"], {
      cwd: root,
    });
  });

  let before: readonly string[] = [];
  const armed: Trace[] = [];
  const states = () => Promise.all([NEAR, FAR].map(stateOf));

  beforeEach(async () => {
    await addNetns(NEAR);
    await addNetns(FAR);
    await addCable(NEAR, FAR);
  });

  afterEach(async () => {
    // Those that a failed test did not come to stop.
    for (const trace of armed.splice(0)) await trace.stop();
    try {
      // A test that traced has said what it found before; one that did not must not have changed anything either.
      if (before.length > 0) expect(await states()).toEqual(before);
      expect(
        existsSync(UNDO_DIRECTORY)
          ? readdirSync(UNDO_DIRECTORY).filter((name) => name.endsWith(".json"))
          : [],
      ).toEqual([]);
    } finally {
      before = [];
      await deleteNetns(NEAR);
      await deleteNetns(FAR);
    }
  });

  async function arm(
    options: Partial<TraceOptions> = {},
  ): Promise<{ readonly trace: Trace; readonly events: Event[] }> {
    before = await states();
    const events: Event[] = [];
    const trace = await startTrace({
      selectors: PORT_9,
      netns: [NEAR],
      deadlineSeconds: 60,
      ratePerSecond: 1000,
      onEvents: (batch) => events.push(...batch),
      ...options,
    });
    if (!trace.ok) throw new Error(`${trace.error.message}; ${trace.error.hint}`);
    armed.push(trace.value);
    return { trace: trace.value, events };
  }

  async function stop(trace: Trace): Promise<TraceEnd> {
    const end = await trace.stop();
    if (!end.ok) throw new Error(`${end.error.message}; ${end.error.hint}`);
    return end.value;
  }

  async function refusal(options: Partial<TraceOptions>) {
    before = await states();
    const trace = await startTrace({
      selectors: PORT_9,
      netns: [NEAR],
      deadlineSeconds: 60,
      ratePerSecond: 1000,
      onEvents: () => {},
      ...options,
    });
    if (!trace.ok) return trace.error;
    await trace.value.stop();
    throw new Error("the trace was not refused");
  }

  it("of legacy rules shows every step, and the settings only while it lasts", async () => {
    await shell(LEGACY_RULES, NEAR);
    const { trace, events } = await arm();
    expect(inNetns(NEAR, () => readLogger(2))).toBe("nfnetlink_log");
    await sendUdp(NEAR, "127.0.0.1", 9);
    const end = await stop(trace);
    expect(foreignSteps(events).map(inWords)).toEqual([
      "xtables ip filter OUTPUT policy 1",
      "xtables ip filter INPUT rule 1",
      // The kernel says `return` of a rule that returns without a condition only; this one has one.
      "xtables ip filter CHECK rule 1",
      "xtables ip filter INPUT rule 2",
    ]);
    expect(end).toMatchObject({ matched: 2, marked: 2, lost: 0, problems: [], leftAlone: [] });
    expect(end.restored).toContain(`net.netfilter.nf_log.2 in namespace ${NEAR} is nf_log_ipv4 again`);
  });

  it("of nft rules alone leaves the loggers and NFLOG group 0 to others", async () => {
    await shell(NFT_RULES, NEAR);
    const { trace, events } = await arm();
    expect(inNetns(NEAR, () => readLogger(2))).toBe("nf_log_ipv4");
    await sendUdp(NEAR, "127.0.0.1", 9);
    await stop(trace);
    expect(foreignSteps(events).map(inWords)).toEqual([
      "nft ip shop in rule jump sorted",
      "nft ip shop sorted rule continue",
      "nft ip shop sorted return continue",
      "nft ip shop in end continue",
      "nft ip shop in policy accept",
    ]);
    expect(events.every((event) => event.time?.clock === "arrival" && event.netns === NEAR)).toBe(true);
  });

  it("of both shows them in the order in which the packet met them", async () => {
    await shell(`${LEGACY_RULES}\n${NFT_RULES}`, NEAR);
    const { trace, events } = await arm();
    await sendUdp(NEAR, "127.0.0.1", 9);
    await stop(trace);
    const input = foreignSteps(events).filter((step) => step.chain !== "OUTPUT");
    expect(input.map((step) => step.tracer)).toEqual([
      "nft",
      "nft",
      "nft",
      "nft",
      "nft",
      "xtables",
      "xtables",
      "xtables",
    ]);
    const [first] = steps(events);
    expect(first !== undefined && isOwnTable(first.table)).toBe(true);
    expect(first?.sighting).toMatchObject({ packet: { src: "127.0.0.1", dport: 9 }, out: "lo" });
  });

  it("of IPv6 shows both kinds too", async () => {
    await shell(
      "ip6tables-legacy -A INPUT -p udp -j ACCEPT; nft 'add table ip6 t; add chain ip6 t c { type filter hook input priority 5; }'",
      NEAR,
    );
    const { trace, events } = await arm();
    await sendUdp(NEAR, "::1", 9);
    await stop(trace);
    expect(foreignSteps(events).map(inWords)).toEqual([
      "xtables ip6 filter OUTPUT policy 1",
      "xtables ip6 filter INPUT rule 1",
      "nft ip6 t c end continue",
      "nft ip6 t c policy accept",
    ]);
    expect(foreignSteps(events)[1]?.sighting?.packet).toMatchObject({
      src: "::1",
      protocol: "udp",
      dport: 9,
    });
  });

  it("of two namespaces tells which saw what, with each one's own interface names", async () => {
    await shell(LEGACY_RULES, FAR);
    const { trace, events } = await arm({ netns: [NEAR, FAR] });
    await sendUdp(NEAR, "192.0.2.2", 9);
    const end = await stop(trace);
    const seen = steps(events).map((step) => [step.netns, step.sighting?.in ?? step.sighting?.out]);
    expect(seen).toContainEqual([NEAR, "veth0"]);
    expect(seen).toContainEqual([FAR, "veth1"]);
    expect(foreignSteps(events).map((step) => step.netns)).toEqual([FAR, FAR, FAR]);
    expect(end.matched).toBe(2);
  });

  it("names an interface that came after it began", async () => {
    const { trace, events } = await arm();
    await shell(
      "ip link add late type veth peer name latepeer; ip addr add 203.0.113.1/24 dev late; ip link set late up",
      NEAR,
    );
    await sendUdp(NEAR, "203.0.113.7", 9);
    await shell("ip link delete late", NEAR);
    await stop(trace);
    expect(steps(events).map((step) => step.sighting?.out)).toContain("late");
  });

  it("says how many packets the rate limit kept out", async () => {
    const { trace, events } = await arm({
      ratePerSecond: 5,
      selectors: { prerouting: [], output: ["udp dport 9"] },
    });
    await sendUdp(NEAR, "127.0.0.1", 9, 50);
    const end = await stop(trace);
    expect(end.matched).toBe(50);
    expect(end.marked).toBeGreaterThanOrEqual(5);
    expect(end.marked).toBeLessThan(50);
    expect(events.filter((event) => event.kind === "gap")).toEqual([
      expect.objectContaining({ gap: "selector-limit", count: 50 - end.marked, netns: NEAR }),
    ]);
  });

  it("marks nothing after its deadline", async () => {
    const { trace, events } = await arm({ deadlineSeconds: 0 });
    await sleep(1100);
    await sendUdp(NEAR, "127.0.0.1", 9);
    expect(await stop(trace)).toMatchObject({ matched: 0, marked: 0 });
    expect(events).toEqual([]);
  });

  it("counts every event that the kernel could not deliver, and says where the hole is", async () => {
    await shell(LEGACY_RULES, NEAR);
    const events: Event[] = [];
    const setting = { kind: "write-sysctl", name: "net.netfilter.nf_log.2" } as const;
    const source = await openLiveSource(
      {
        namespaces: [
          {
            netns: NEAR,
            nflog: true,
            apply: [{ ...setting, value: "nfnetlink_log", expected: "nf_log_ipv4" }],
            revert: [{ ...setting, value: "nf_log_ipv4", expected: "nfnetlink_log" }],
          },
        ],
        copyBytes: 256,
        receiveBuffer: 32_768,
        undoFile: null,
      },
      (batch) => events.push(...batch),
    );
    if (!source.ok) throw new Error(source.error.message);
    await shell(
      "nft 'add table ip t; add chain ip t o { type filter hook output priority -350; }; add rule ip t o udp dport 9 meta nftrace set 1 accept'",
      NEAR,
    );
    const collector = ownChild("collector/main.js");
    // A reader that sleeps: the kernel's buffer must overflow.
    process.kill(collector, "SIGSTOP");
    await sendUdp(NEAR, "127.0.0.1", 9, 400);
    process.kill(collector, "SIGCONT");
    await source.value.end();
    const gaps = events.filter((event) => event.kind === "gap");
    const lost = gaps.reduce((sum, gap) => sum + (gap.count ?? 0), 0);
    expect(lost).toBeGreaterThan(100);
    expect(steps(events).length + lost).toBe(400 * 5);
    expect(gaps[0]).toMatchObject({ gap: "lost-by-kernel", netns: NEAR });
    expect(events.indexOf(gaps[0] as Event)).toBeGreaterThan(0);
    expect(source.value.lost()).toBe(lost);
    expect(inNetns(NEAR, () => readLogger(2))).toBe("nf_log_ipv4");
  });

  it("is refused with one line and an action, and nothing changed", async () => {
    await shell(LEGACY_RULES, NEAR);
    const noSuch = await refusal({ netns: [NEAR, "nfpTnone"] });
    expect(noSuch).toMatchObject({ kind: "missing-netns", message: expect.stringContaining(NEAR) });
    const bad = await refusal({ selectors: { prerouting: ["udp dport nonsense"], output: [] } });
    expect(bad.kind).toBe("program-failed");
    expect(bad.message).toMatch(
      /\(at "nonsense" in "add rule inet nfpath_\w+ prerouting udp dport nonsense goto chosen"\)$/,
    );
    const sly = await refusal({ selectors: { prerouting: ["udp dport 9; flush ruleset"], output: [] } });
    expect(sly.message).toContain("cannot be used");
  });

  it("is refused where another reads NFLOG group 0, and says who; the other goes on", async () => {
    await shell(LEGACY_RULES, NEAR);
    const { trace, events } = await arm();
    const second = await startTrace({
      selectors: PORT_9,
      netns: [NEAR],
      deadlineSeconds: 60,
      ratePerSecond: 10,
      onEvents: () => {},
    });
    const holder = ownChild("collector/main.js");
    expect(second).toMatchObject({
      ok: false,
      error: { kind: "nflog-group-taken", message: expect.stringMatching(`node \\(process ${holder}\\)$`) },
    });
    expect(inNetns(NEAR, () => readLogger(2))).toBe("nfnetlink_log");
    await sendUdp(NEAR, "127.0.0.1", 9);
    await stop(trace);
    expect(foreignSteps(events)).toHaveLength(4);
  });

  it("leaves alone a logger that was set to netlink before, and one that somebody sets meanwhile", async () => {
    await shell(`${LEGACY_RULES}\nsysctl -qw net.netfilter.nf_log.2=nfnetlink_log`, NEAR);
    const { trace } = await arm();
    expect(trace.plan.changes.map((change) => change.apply.kind)).toEqual(["hold-table"]);
    await stop(trace);
    await shell("sysctl -qw net.netfilter.nf_log.2=nf_log_ipv4", NEAR);
    const next = await arm();
    await shell("sysctl -qw net.netfilter.nf_log.2=NONE", NEAR);
    expect((await stop(next.trace)).leftAlone).toEqual([
      `net.netfilter.nf_log.2 in namespace ${NEAR} was set by somebody else`,
    ]);
    expect(inNetns(NEAR, () => readLogger(2))).toBe("NONE");
    before = [];
  });

  it("whose collector is killed puts back the settings itself, and says what is missing", async () => {
    await shell(LEGACY_RULES, NEAR);
    const { trace, events } = await arm();
    process.kill(ownChild("collector/main.js"), "SIGKILL");
    const end = await stop(trace);
    expect(end.problems).toMatchObject([{ kind: "program-failed" }]);
    expect(end.restored).toContain(`net.netfilter.nf_log.2 in namespace ${NEAR} is nf_log_ipv4 again`);
    expect(events).toMatchObject([{ kind: "gap", gap: "lost-by-kernel", count: null, netns: NEAR }]);
  });

  it("is stopped once, however often it is told to", async () => {
    const { trace } = await arm();
    expect(await trace.stop()).toBe(await trace.stop());
  });

  describe("that is killed", () => {
    let holder: ChildProcess | null = null;
    afterEach(() => holder?.kill("SIGKILL"));

    async function hold(): Promise<{ readonly pid: number; readonly runId: string }> {
      await shell(LEGACY_RULES, NEAR);
      before = await states();
      const script = fileURLToPath(new URL("../support/hold-trace.js", import.meta.url));
      holder = spawn(process.execPath, [script, NEAR], { stdio: ["ignore", "pipe", "inherit"] });
      const armed = new Promise<string>((resolve) =>
        holder?.stdout?.once("data", (chunk) => resolve(String(chunk))),
      );
      const [word, runId] = (await armed).trim().split(" ");
      if (word !== "armed" || runId === undefined || holder.pid === undefined)
        throw new Error(`not armed: ${await armed}`);
      return { pid: holder.pid, runId };
    }

    it("by SIGKILL leaves nothing", async () => {
      const { pid, runId } = await hold();
      expect(await shell("nft list tables", NEAR)).toContain(`table inet nfpath_${runId}`);
      expect(existsSync(`${UNDO_DIRECTORY}/${runId}.json`)).toBe(true);
      const children = childrenOf(pid);
      expect(children).toHaveLength(2);
      process.kill(pid, "SIGKILL");
      await until(() => children.every((child) => !existsSync(`/proc/${child}`)));
      expect(await states()).toEqual(before);
    });

    it("together with its collector leaves a setting, whose undo is on disk", async () => {
      const { pid, runId } = await hold();
      const children = childrenOf(pid);
      process.kill(children.find((child) => commandLine(child).includes("collector")) ?? 0, "SIGKILL");
      process.kill(pid, "SIGKILL");
      await until(() => [pid, ...children].every((child) => !isAlive(child)));
      const leftovers = findLeftovers().filter((leftover) => leftover.plan.runId === runId);
      expect(leftovers).toHaveLength(1);
      expect(await states()).not.toEqual(before);
      const journal = readJournalFile(leftovers[0]?.path ?? "");
      expect(journal !== null && revertRun(journal)).toMatchObject({
        restored: [expect.stringContaining("nf_log.2")],
        leftAlone: [],
        failed: [],
      });
    });
  });

  it("reads the rules of a namespace without changing it", async () => {
    await shell(`${LEGACY_RULES}\n${NFT_RULES}\niptables-nft -t mangle -A INPUT -j ACCEPT`, NEAR);
    before = await states();
    const tables = inNetns(NEAR, () => legacyTables("ip"));
    const read = await readRulesetTexts(NEAR);
    if (!read.ok) throw new Error(read.error.message);
    expect(read.value.refusals).toEqual([]);
    expect(read.value.texts.map((text) => text.command)).toEqual([
      "nft -j -a list ruleset",
      "iptables-legacy-save -c",
      "iptables-nft-save -c",
    ]);
    expect(read.value.texts[0]?.text).toContain('"shop"');
    expect(read.value.texts[1]?.text).toContain("-A INPUT -p udp -m udp --dport 9 -j CHECK");
    expect(read.value.texts[2]?.text).toContain("*mangle");
    expect(inNetns(NEAR, () => legacyTables("ip"))).toEqual(tables);
    const empty = await readRulesetTexts(FAR);
    expect(empty.ok && empty.value.texts.map((text) => text.command)).toEqual(["nft -j -a list ruleset"]);
    expect(inNetns(FAR, () => legacyTables("ip"))).toEqual([]);
    expect((await readRulesetTexts("nfpTnone")).ok).toBe(false);
  });

  it("reads the rules of a traced namespace without our own", async () => {
    const { trace } = await arm();
    const read = await readRulesetTexts(NEAR);
    expect(read.ok && read.value.texts.some((text) => text.text.includes("nfpath_"))).toBe(false);
    await stop(trace);
  });
});

function steps(events: readonly Event[]): StepEvent[] {
  const unread = events.filter((event) => event.kind === "unparsed");
  if (unread.length > 0) throw new Error(unread.map((event) => event.reason).join("; "));
  return events.filter((event) => event.kind === "step");
}

function foreignSteps(events: readonly Event[]): StepEvent[] {
  return steps(events).filter((step) => !isOwnTable(step.table));
}

function inWords(step: StepEvent): string {
  const decision = [step.number, step.verdict, step.toChain].filter((word) => word !== null).join(" ");
  return `${step.tracer} ${step.family} ${step.table} ${step.chain} ${step.step} ${decision}`;
}

function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => statOf(pid)?.parent === parent);
}

/** The youngest child of this process whose command line has these words. */
function ownChild(words: string): number {
  const found = childrenOf(process.pid).filter((pid) => commandLine(pid).includes(words));
  const pid = found.at(-1);
  if (pid === undefined) throw new Error(`no child ${words}`);
  return pid;
}

function commandLine(pid: number): string {
  return existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/cmdline`, "utf8") : "";
}

function isAlive(pid: number): boolean {
  return (statOf(pid)?.state ?? "Z") !== "Z";
}

function statOf(pid: number): { readonly state: string; readonly parent: number } | null {
  if (!existsSync(`/proc/${pid}/stat`)) return null;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state: state ?? "", parent: Number(parent) };
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (isTrue()) return;
    await sleep(50);
  }
  throw new Error("it did not come about within ten seconds");
}
