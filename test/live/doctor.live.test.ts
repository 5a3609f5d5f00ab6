/**
 * The doctor against real faults, put in place in a namespace of the test's: each is named, its mend is run as it stands, the
 * check is well again, and a canary proves the pipe.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CheckResult } from "../../src/app/doctor/check.ts";
import { type CanaryPlace, type DoctorReport, examine } from "../../src/app/doctor/doctor.ts";
import { deadCanaries } from "../../src/lab/canary.ts";
import { listNetns } from "../../src/linux/netns.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { writeJournal } from "../../src/linux/undo/journal.ts";
import { nfpath, root } from "../support/cli.ts";
import { addNetns, deleteNetns, shell, stateOf } from "../support/namespaces.ts";
import { AS_NOBODY, programForOthers } from "../support/program-for-others.ts";

const missing = ["nft", "ip", "nsenter", "iptables-legacy", "iptables-nft", "tcpdump", "unshare"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const NETNS = `nfpD${process.pid}`;
const SETTINGS = "/proc/sys/net";

async function ask(canary: CanaryPlace = "none"): Promise<DoctorReport> {
  const report = await examine({ netns: [NETNS], canary, signal: new AbortController().signal });
  if (!report.ok) throw new Error(report.error.message);
  return report.value;
}

function resultIn({ host, namespaces, canaries }: DoctorReport, id: string): CheckResult {
  const answers = [...host, ...[...namespaces, ...canaries].flatMap((report) => report.answers)];
  const found = answers.find((answer) => answer.id === id);
  if (found === undefined) throw new Error(`no check ${id}`);
  return found.result;
}

/** The commands of a fault's mend, to be run as they stand. */
function mendOf(result: CheckResult): string {
  if (result.status !== "warning" && result.status !== "failed") throw new Error(`no fault: ${result.what}`);
  return result.mend.commands.join("\n");
}

/** A fault is mended when its check is well and a packet is traced through the whole pipe. */
async function expectMended(id: string): Promise<void> {
  const report = await ask("here");
  expect(resultIn(report, id).status).toBe("ok");
  expect(resultIn(report, "canary-nft").status).toBe("ok");
  const legacy = resultIn(report, "canary-legacy");
  if (legacy.status !== "ok") expect(legacy.what).toBe("no legacy table is in use here");
  expect(report.willWork).toBe(true);
}

interface Fault {
  readonly id: string;
  /** Default `warning`: a trace works, and something is missed. */
  readonly status?: "failed";
  readonly put: string;
  readonly what: RegExp;
  /** A path without which it cannot be put: a module that is not loaded. */
  readonly needs?: string;
}

const FAULTS: readonly (readonly [string, Fault])[] = [
  [
    "nf_log.2 is NONE",
    { id: "log-backend-ip", put: `echo NONE > ${SETTINGS}/netfilter/nf_log/2`, what: /nf_log.2 is NONE/ },
  ],
  [
    "nf_log.10 is NONE",
    { id: "log-backend-ip6", put: `echo NONE > ${SETTINGS}/netfilter/nf_log/10`, what: /nf_log.10 is NONE/ },
  ],
  [
    "nf_log.2 is nfnetlink_log and nobody reads",
    {
      id: "log-backend-ip",
      put: `echo nfnetlink_log > ${SETTINGS}/netfilter/nf_log/2`,
      what: /nobody reads group 0/,
    },
  ],
  [
    "an early chain that drops",
    {
      id: "early-chains",
      put: "nft 'table inet fw { chain early { type filter hook prerouting priority -400; udp dport 9 drop; }; }'",
      what: /inet fw early at prerouting priority -400 .* rule 1 is: udp dport 9 drop/,
    },
  ],
  [
    "both backends in force",
    {
      id: "both-backends",
      put: "iptables-legacy -P INPUT DROP; iptables-legacy -A INPUT -p udp -j ACCEPT; iptables-nft -A INPUT -p tcp -j ACCEPT",
      what: /legacy filter \(1 rule\); nft ip filter \(1 rule\)/,
    },
  ],
  ["no raw table", { id: "raw-table", put: "iptables-legacy -L -n", what: /but no raw/ }],
  [
    "a bridge past iptables",
    {
      id: "bridge-nf-call",
      put: `ip link add br0 type bridge; echo 0 > ${SETTINGS}/bridge/bridge-nf-call-iptables; echo 1 > ${SETTINGS}/bridge/bridge-nf-call-ip6tables`,
      what: /bridge-nf-call-iptables is 0, and there is a bridge: br0/,
      needs: `${SETTINGS}/bridge`,
    },
  ],
  [
    "lo is down",
    {
      id: "canary-nft",
      status: "failed",
      put: "ip link set lo down; ip addr flush dev lo",
      what: /no datagram can be sent over loopback \(ENETUNREACH\)/,
    },
  ],
  [
    "a chain that drops what this host sends before it is marked",
    {
      id: "canary-nft",
      status: "failed",
      put: "nft 'table ip fw { chain early { type filter hook output priority -400; jump sorted; }; chain sorted { udp dport 9 drop; }; }'",
      what: /no datagram can be sent over loopback \(EPERM\)/,
    },
  ],
  [
    "a chain whose policy drops what this host sends before it is marked",
    {
      id: "canary-nft",
      status: "failed",
      put: "nft 'table ip fw { chain early { type filter hook output priority -400; policy drop; }; }'",
      what: /no datagram can be sent over loopback \(EPERM\)/,
    },
  ],
];

describe.skipIf(lacks !== null)(`nfpath doctor${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  beforeEach(() => addNetns(NETNS));
  afterEach(() => deleteNetns(NETNS));

  for (const [name, { id, status, put, what, needs }] of FAULTS) {
    const lack = needs === undefined || existsSync(needs) ? "" : ` (skipped: no ${needs})`;
    test.skipIf(lack !== "")(`${name}: named, and mended by its mend${lack}`, async () => {
      const place = id.startsWith("canary") ? "here" : "none";
      expect(resultIn(await ask(place), id).status).toBe("ok");
      await shell(put, NETNS);
      const named = resultIn(await ask(place), id);
      expect(named).toMatchObject({ status: status ?? "warning", what: expect.stringMatching(what) });
      expect(mendOf(named)).toContain(NETNS);
      await shell(mendOf(named));
      await expectMended(id);
    });
  }

  test("another reader of group 0: named with its process, and the canary proves the pipe repaired", async () => {
    await shell("iptables-legacy -t raw -S", NETNS);
    const before = await stateOf(NETNS);
    const reader = spawn("ip", ["netns", "exec", NETNS, "tcpdump", "-i", "nflog:0", "-w", "/dev/null"]);
    const ended = new Promise((resolve) => reader.on("close", resolve));
    try {
      await untilSaid(reader.stderr, "listening on");
      const report = await ask("here");
      const named = resultIn(report, "nflog-group-0");
      expect(named).toMatchObject({ status: "failed", what: `taken by tcpdump (process ${reader.pid})` });
      expect(resultIn(report, "canary-legacy")).toMatchObject({
        status: "failed",
        cause: expect.stringContaining("already has its one reader: tcpdump"),
      });
      expect(report.willWork).toBe(false);
      expect(mendOf(named)).toBe(`kill ${reader.pid}`);
      await shell(mendOf(named));
    } finally {
      reader.kill();
      await ended;
    }
    // tcpdump leaves its logger behind: the doctor names that too.
    await shell(mendOf(resultIn(await ask(), "log-backend-ip")));
    const report = await ask("here");
    for (const backend of ["nft", "legacy"]) {
      expect(resultIn(report, `canary-${backend}`)).toMatchObject({
        status: "ok",
        what: expect.stringMatching(/^marked, logged, read in [\d.]+ ms \(\d+ steps? of /),
      });
    }
    expect([report.willWork, await stateOf(NETNS)]).toEqual([true, before]);
  });

  test("a run that was killed: its file is found, and undone", async () => {
    const runtime = mkdtempSync(join(tmpdir(), "nfpath-doctor-"));
    const outer = process.env.XDG_RUNTIME_DIR;
    process.env.XDG_RUNTIME_DIR = runtime;
    try {
      const directory = join(runtime, "nfpath");
      await shell(
        `mkdir ${directory}; ip netns exec ${NETNS} sysctl -qw net.netfilter.nf_log.2=nfnetlink_log`,
      );
      const setting = { kind: "write-sysctl", name: "net.netfilter.nf_log.2" } as const;
      const { path } = writeJournal(directory, {
        runId: "d0c7",
        changes: [
          {
            says: "send the TRACE events to nfpath",
            netns: NETNS,
            apply: { ...setting, value: "nfnetlink_log", expected: "nf_log_ipv4" },
            revert: { ...setting, value: "nf_log_ipv4", expected: "nfnetlink_log" },
          },
        ],
      });
      expect(resultIn(await ask(), "leftovers").what).not.toContain("d0c7");
      const journal = JSON.parse(readFileSync(path, "utf8"));
      const dead = journal.processes.map((of: object) => ({ ...of, startedAt: "1" }));
      writeFileSync(path, JSON.stringify({ ...journal, processes: dead }));
      const named = resultIn(await ask(), "leftovers");
      expect(named).toMatchObject({
        status: "warning",
        what: expect.stringContaining(`run d0c7 (${path})`),
        cause: expect.stringContaining(`ip netns exec ${NETNS} sysctl -w net.netfilter.nf_log.2=nf_log_ipv4`),
      });
      expect(mendOf(named)).toMatch(/^nfpath undo$/m);
      const undone = await nfpath(["undo"], { env: { XDG_RUNTIME_DIR: runtime } });
      expect([undone.status, undone.stdout]).toEqual([0, expect.stringContaining("run d0c7: ")]);
      const after = await ask("here");
      expect(resultIn(after, "leftovers").what).not.toContain("d0c7");
      expect(resultIn(after, "log-backend-ip").status).toBe("ok");
      expect(resultIn(after, "canary-nft").status).toBe("ok");
    } finally {
      if (outer === undefined) delete process.env.XDG_RUNTIME_DIR;
      else process.env.XDG_RUNTIME_DIR = outer;
      rmSync(runtime, { recursive: true });
    }
  });

  test("a canary whose doctor was killed: its namespace is named, and removed by the mend", async () => {
    const name = `nfpath-${await deadPid()}x0000-canary`;
    await shell(`ip netns add ${name}`);
    try {
      const named = resultIn(await ask(), "leftovers");
      expect(named.what).toContain(`a doctor (namespace ${name})`);
      const command = mendOf(named)
        .split("\n")
        .find((line) => line.endsWith(name));
      await shell(command ?? "");
      expect(deadCanaries()).not.toContain(name);
      expect(resultIn(await ask("here"), "canary-nft").status).toBe("ok");
    } finally {
      if (listNetns().includes(name)) await deleteNetns(name);
    }
  });

  // Without nft, legacy iptables marks packets: then it is no failure.
  test.each([
    ["nft", ["nft"], "warning", 0, "apt-get install nftables"],
    ["nft", ["nft", "iptables-legacy"], "failed", 3, "apt-get install nftables"],
    ["nsenter", ["nsenter"], "failed", 3, "apt-get install util-linux"],
  ] as const)(
    "no %s, of %j: named with the package, and well again where it is there",
    async (program, hidden, status, exit, command) => {
      // In a mount namespace of its own something that cannot be run lies over the programs.
      const mounts = hidden.map((name) => `mount --bind /dev/null "$(readlink -f ${findProgram(name)})"`);
      const line = `${mounts.join("; ")}; exec "$@"`;
      const without = doctorUnder(["unshare", "--mount", "sh", "-c", line, "sh"]);
      expect(without.check(`program-${program}`)).toMatchObject({ status, mend: [command] });
      expect(without.status).toBe(exit);
      const there = doctorUnder([]);
      expect([there.status, there.check(`program-${program}`)?.status]).toEqual([0, "ok"]);
    },
  );

  test("no capability: named, status 3, and what root alone sees is said to be unknown", () => {
    const ran = doctorUnder(AS_NOBODY);
    expect(ran.status).toBe(3);
    expect(ran.check("cap-net-admin")).toMatchObject({ status: "failed", mend: ["sudo nfpath doctor"] });
    expect(ran.check("cap-sys-admin")?.status).toBe("failed");
    expect(ran.check("raw-table")).toMatchObject({
      status: "skipped",
      what: expect.stringContaining("may not enter"),
    });
    const hidden = doctorUnder(AS_NOBODY, ["--netns", `pid:${process.pid}`]);
    expect(hidden.status).toBe(3);
    expect(hidden.check("raw-table")).toMatchObject({
      status: "skipped",
      what: expect.stringContaining("may not see"),
    });
    const here = doctorUnder(AS_NOBODY, []);
    expect(here.check("nflog-group-0")?.status).toBe("skipped");
    expect(here.check("raw-table")?.status).toBe("skipped");
    expect(here.check("kernel-release")?.status).toBe("ok");
  });

  test("flies its canary in a namespace that is gone afterwards, and changes nothing in ours", async () => {
    const before = await stateOf(NETNS);
    const { status, stdout, stderr } = await nfpath(["doctor", "--netns", NETNS]);
    expect([status, stderr]).toEqual([0, expect.stringContaining("a trace will work here: 0 failed")]);
    const [name = ""] = /nfpath-\d+x[0-9a-f]{4}-canary/.exec(stdout) ?? [];
    expect(stdout).toMatch(/canary, nft +marked, logged, read in [\d.]+ ms/);
    expect(stdout).toMatch(/canary, legacy +marked, logged, read in [\d.]+ ms/);
    expect(name).not.toBe("");
    expect(listNetns()).not.toContain(name);
    expect(await stateOf(NETNS)).toBe(before);
  });

  test.each(["SIGINT", "SIGTERM"] as const)(
    "%s in the middle of a flight: the namespace goes all the same",
    async (signal) => {
      const child = spawn(process.execPath, [join(root, "dist/cli/main.js"), "doctor"], { stdio: "ignore" });
      const ended = new Promise((resolve) => child.on("close", resolve));
      const canaries = (): string[] => listNetns().filter((name) => name.startsWith(`nfpath-${child.pid}x`));
      while (canaries().length === 0 && child.exitCode === null) await sleep(5);
      expect(canaries()).toHaveLength(1);
      child.kill(signal);
      expect([await ended, canaries()]).toEqual([0, []]);
    },
  );
});

interface CheckObject {
  readonly id: string;
  readonly status: string;
  readonly what: string;
  readonly mend: readonly string[];
}

/** Runs the built doctor under another program, whoever that makes it, without a canary, and reads its JSON. */
function doctorUnder(wrapper: readonly string[], netns: readonly string[] = ["--netns", NETNS]) {
  const words = ["doctor", ...netns, "--canary", "none", "--format", "json"];
  const [program = "", ...args] = [...wrapper, ...programForOthers(), ...words];
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (stdout === "") throw new Error(stderr);
  const document: { host: CheckObject[]; namespaces: { checks: CheckObject[] }[] } = JSON.parse(stdout);
  const checks = [...document.host, ...document.namespaces.flatMap((report) => report.checks)];
  return { status, check: (id: string) => checks.find((check) => check.id === id) };
}

async function untilSaid(stream: NodeJS.ReadableStream, words: string): Promise<void> {
  let said = "";
  stream.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  for (let i = 0; i < 500 && !said.includes(words); i++) await sleep(20);
  if (!said.includes(words)) throw new Error(`it never said ${words}: ${said}`);
}

/** The number of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn("true");
  await new Promise((resolve) => child.on("close", resolve));
  return child.pid ?? 0;
}
