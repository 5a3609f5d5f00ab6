/** What nfpath can do with a single capability, what it says of those that are missing, and what it gives up. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { capabilityBit } from "../../src/linux/capabilities.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { readSysctl } from "../../src/linux/sysctl.ts";
import { type Journal, type RunProcess, writeJournal } from "../../src/linux/undo/journal.ts";
import { root } from "../support/cli.ts";
import { killIfThere, until } from "../support/doomed-run.ts";
import { addNetns, deleteNetns, shell, stateOf } from "../support/namespaces.ts";
import { programForOthers } from "../support/program-for-others.ts";

const missing = ["nft", "ip", "nsenter", "setpriv", "iptables-legacy"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const HERE = `nfpP${process.pid}`;
const ELSEWHERE = `nfpQ${process.pid}`;
const NOBODY = 65_534;
const PROGRAM = join(root, "dist/cli/main.js");

/** Sends two datagrams to port 9 of the namespace it runs in. */
const SENDING = `const s=require("dgram").createSocket("udp4");let n=0;
const t=setInterval(()=>{s.send("hi",9,"127.0.0.1");if(++n==2){clearInterval(t);setTimeout(()=>s.close(),50)}},10)`;

let runtime = "";

/** The words that run nfpath in the namespace as nobody, with these capabilities and no way to others. */
function asNobody(capabilities: string, words: readonly string[]): [string, string[]] {
  const sets = ["--bounding-set", "--inh-caps", "--ambient-caps"].map((set) => `${set}=-all,${capabilities}`);
  const user = ["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"];
  const args = ["netns", "exec", HERE, "env", `XDG_RUNTIME_DIR=${runtime}`, "setpriv", ...user, ...sets];
  return ["ip", [...args, ...programForOthers(), ...words]];
}

function run(capabilities: string, ...words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(...asNobody(capabilities, words), { encoding: "utf8" });
  return { status, stdout, lines: stderr.trimEnd().split("\n") };
}

/** A trace that has been armed, and the processes of its journal. */
async function armed(program: string, args: readonly string[], journals: string) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.on("close", resolve));
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  child.stdout.resume();
  await until("the trace is armed", () => said.includes("tracing for") || child.exitCode !== null);
  const found = readdirSync(journals)
    .filter((file) => file.endsWith(".json"))
    .map((file) => JSON.parse(readFileSync(join(journals, file), "utf8")) as Journal)
    .find(({ processes }) => processes.some(({ pid }) => pid === child.pid));
  const pidOf = (role: RunProcess["role"]) => found?.processes.find((known) => known.role === role)?.pid ?? 0;
  return { child, ended, pidOf };
}

/** A line of a /proc/PID/status text: capabilities in hexadecimal. */
function fieldOf(text: string, field: string): string {
  return new RegExp(`^${field}:\\s*(\\S+)$`, "m").exec(text)?.[1] ?? "";
}

function statusOf(pid: number, field: string): string {
  return fieldOf(readFileSync(`/proc/${pid}/status`, "utf8"), field);
}

function setOf(...capabilities: readonly Parameters<typeof capabilityBit>[0][]): string {
  const mask = capabilities.reduce((set, name) => set | (1n << BigInt(capabilityBit(name))), 0n);
  return mask.toString(16).padStart(16, "0");
}

const NONE = setOf();

describe.skipIf(lacks !== null)(`least privilege${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  beforeEach(async () => {
    mkdirSync("/run/nfpath", { recursive: true, mode: 0o700 });
    runtime = mkdtempSync(join(tmpdir(), "nfpath-rights-"));
    chmodSync(runtime, 0o700);
    chownSync(runtime, NOBODY, NOBODY);
    await addNetns(HERE);
    await addNetns(ELSEWHERE);
    await shell("iptables-legacy -A INPUT -p udp -j ACCEPT", HERE);
  });

  afterEach(async () => {
    await deleteNetns(HERE);
    await deleteNetns(ELSEWHERE);
    rmSync(runtime, { recursive: true });
  });

  test("CAP_NET_ADMIN alone traces nfpath's own namespace, both backends, and takes all back", async () => {
    const before = await stateOf(HERE);
    const { status, stdout, lines } = run(
      ...([
        "+net_admin",
        "trace",
        "udp",
        "--format",
        "jsonl",
        "--",
        process.execPath,
        "-e",
        SENDING,
      ] as const),
    );
    expect([status, lines]).toEqual([0, expect.arrayContaining([expect.stringContaining("2 journeys: 2")])]);
    const journeys = stdout.trimEnd().split("\n");
    const [first] = journeys.map((line): JourneyContract => JSON.parse(line));
    expect([first?.outcome.verdict, first?.outcome.cause]).toEqual(["rejected", "no-listener"]);
    expect(first?.steps.map(({ table, chain }) => `${table} ${chain}`)).toContain("filter INPUT");
    // Their rules are shown to root.
    expect(lines.filter((line) => line.startsWith("rules not read: "))).toEqual([
      expect.stringContaining("with CAP_DAC_READ_SEARCH and CAP_NET_RAW"),
    ]);
    expect(await stateOf(HERE)).toBe(before);
    expect(readdirSync(join(runtime, "nfpath")).filter((name) => name.endsWith(".json"))).toEqual([]);
  });

  test("with two capabilities more the rules of legacy iptables are read too", () => {
    const { lines } = run(
      ...(["+net_admin,+net_raw,+dac_read_search", "trace", "udp", "--for", "1s"] as const),
    );
    expect(lines.filter((line) => line.includes("not read"))).toEqual([]);
  });

  test.each([["trace", "udp"], ["hooks"], ["doctor", "--canary", "none", "--format", "json"]])(
    "another namespace takes CAP_SYS_ADMIN: %s says so, with status 3",
    (...words) => {
      const { status, stdout, lines } = run("+net_admin", ...words, "--netns", ELSEWHERE);
      expect(status).toBe(3);
      expect(lines).toHaveLength(1);
      if (words[0] === "doctor") expect(stdout).toMatch(/"id": "cap-sys-admin",\s+.*\s+"status": "failed"/);
      else expect(lines[0]).toContain("CAP_SYS_ADMIN");
    },
  );

  test("no capability: the one that is missing, in one line, with status 3", () => {
    const { status, lines } = run("-all", "trace", "udp");
    expect([status, lines]).toEqual([3, [expect.stringContaining("tracing needs CAP_NET_ADMIN, which")]]);
  });

  test.skipIf(readSysctl("kernel.dmesg_restrict") !== "1")("the kernel log takes CAP_SYSLOG", () => {
    const { status, lines } = run("+net_admin", "explain", "--follow", "/dev/kmsg");
    expect([status, lines]).toEqual([3, [expect.stringContaining("takes CAP_SYSLOG, which this process")]]);
  });

  test("and none once it is open", async () => {
    const child = spawn(process.execPath, [PROGRAM, "explain", "--follow", "/dev/kmsg"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = new Promise((resolve) => child.on("close", resolve));
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    await until("it follows", () => said.includes("following /dev/kmsg") || child.exitCode !== null);
    const pid = child.pid ?? 0;
    expect(["CapPrm", "CapEff", "CapBnd"].map((set) => statusOf(pid, set))).toEqual([NONE, NONE, NONE]);
    child.kill("SIGINT");
    expect(await ended).toBe(0);
  });

  test("a run that was killed is undone with what it was made with", async () => {
    const before = await stateOf(HERE);
    const words = ["trace", "udp", "--for", "60s"];
    const { child, ended, pidOf } = await armed(...asNobody("+net_admin", words), join(runtime, "nfpath"));
    expect(await stateOf(HERE)).not.toBe(before);
    const [main, guardian] = [pidOf("main"), pidOf("guardian")];
    killIfThere(guardian, "SIGSTOP");
    killIfThere(main);
    killIfThere(guardian);
    await ended;
    expect(child.exitCode).not.toBe(0);
    const { status, stdout } = run("+net_admin", "undo");
    expect([status, stdout]).toEqual([0, expect.stringMatching(/net\.netfilter\.nf_log\.2 is \w+ again/)]);
    expect(await stateOf(HERE)).toBe(before);
  });

  test("a namespace that may not be looked for is not taken to be gone", () => {
    const directory = join(runtime, "nfpath");
    mkdirSync(directory);
    const setting = { kind: "write-sysctl", name: "net.netfilter.nf_log.2" } as const;
    const apply = { ...setting, value: "nfnetlink_log", expected: "NONE" };
    const revert = { ...setting, value: "NONE", expected: "nfnetlink_log" };
    const plan = { runId: "9a9a", changes: [{ says: "", netns: "gone", apply, revert }] };
    const { path, journal } = writeJournal(directory, plan);
    const processes = journal.processes.map((known) => ({ ...known, startedAt: "1" }));
    const namespaces = [{ netns: "gone", inode: "1" }];
    writeFileSync(path, JSON.stringify({ ...journal, processes, namespaces }));
    for (const each of [directory, path]) chownSync(each, NOBODY, NOBODY);
    const first = run("+net_admin", "undo");
    expect([first.status, first.lines]).toEqual([3, [expect.stringContaining("needs CAP_SYS_ADMIN")]]);
    const second = run("+net_admin,+sys_admin", "undo");
    expect([second.status, second.stdout]).toEqual([
      ...[3, expect.stringContaining("namespace gone cannot be looked for without CAP_SYS_PTRACE; by hand")],
    ]);
    expect(existsSync(path)).toBe(true);
  });

  test("an armed trace of root keeps what its end takes, uses none of it, and leaves the command what the user had", async () => {
    const before = await stateOf(HERE);
    const status = join(runtime, "status");
    const sleeping = `cat /proc/$$/status > ${status}.new; mv ${status}.new ${status}; exec sleep 60`;
    const words = [PROGRAM, "trace", "udp", "--netns", HERE, "--for", "60s", "--", "sh", "-c", sleeping];
    const { ended, pidOf } = await armed(process.execPath, words, "/run/nfpath");
    let command = "";
    try {
      const main = pidOf("main");
      await until("the command runs", () => existsSync(status));
      command = readFileSync(status, "utf8");
      const own = readFileSync("/proc/self/status", "utf8");
      for (const set of ["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb", "NoNewPrivs"])
        expect([set, fieldOf(command, set)]).toEqual([set, fieldOf(own, set)]);
      await until("nfpath has given up the others", () => statusOf(main, "CapEff") === NONE);
      const kept = setOf(
        ...([
          "CAP_NET_ADMIN",
          "CAP_NET_RAW",
          "CAP_DAC_READ_SEARCH",
          "CAP_SYS_ADMIN",
          "CAP_SYS_PTRACE",
        ] as const),
      );
      expect([statusOf(main, "CapPrm"), statusOf(main, "CapBnd")]).toEqual([kept, kept]);
      const guardian = pidOf("guardian");
      const undoing = setOf("CAP_NET_ADMIN", "CAP_SYS_ADMIN");
      expect([statusOf(guardian, "CapPrm"), statusOf(guardian, "CapBnd")]).toEqual([undoing, undoing]);
      expect([statusOf(guardian, "CapEff"), statusOf(guardian, "NoNewPrivs")]).toEqual([NONE, "1"]);
      expect(statusOf(pidOf("table-holder"), "CapPrm")).toBe(
        setOf("CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"),
      );
    } finally {
      // The trace ends with it.
      if (command !== "") process.kill(Number(fieldOf(command, "Pid")));
      await ended;
    }
    expect(await stateOf(HERE)).toBe(before);
  });

  test.skipIf(findProgram("tcpdump") === null)(
    "--wire's tcpdump stays who it was, and dies with nfpath",
    async () => {
      const words = [PROGRAM, "trace", "udp", "--netns", ELSEWHERE, "--wire", "--for", "60s"];
      const { ended, pidOf } = await armed(process.execPath, words, "/run/nfpath");
      const inside = (await shell(`ip netns pids ${ELSEWHERE}`)).trim().split("\n").map(Number);
      const [capture] = inside.filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8") === "tcpdump\n");
      killIfThere(pidOf("main"));
      await ended;
      expect(capture).toBeDefined();
      await until("tcpdump is gone", () => !existsSync(`/proc/${capture}`));
      await until("all is undone", () => !existsSync(`/proc/${pidOf("guardian")}`));
    },
  );

  test("where there is nothing to undo, the guardian keeps nothing", async () => {
    const words = [PROGRAM, "trace", "udp", "--netns", ELSEWHERE, "--for", "60s"];
    const { child, ended, pidOf } = await armed(process.execPath, words, "/run/nfpath");
    try {
      expect(statusOf(pidOf("guardian"), "CapPrm")).toBe(NONE);
    } finally {
      child.kill("SIGINT");
      await ended;
    }
  });

  test.each(["--ruid", "--rgid"])("a setuid or setgid start (%s) is refused for every command", (id) => {
    const groups = id === "--rgid" ? ["--clear-groups"] : [];
    const commands = ["--version", "explain", "trace", "doctor", "hooks", "undo", "lab docker-udp"];
    for (const command of commands) {
      const started = spawnSync(
        "setpriv",
        [id, String(NOBODY), ...groups, process.execPath, PROGRAM, ...command.split(" ")],
        { encoding: "utf8", input: "" },
      );
      const said = started.stderr.trimEnd().split("\n");
      expect([command, started.status, started.stdout, said]).toEqual([
        ...[command, 3, ""],
        [expect.stringContaining("it is run setuid or setgid, which it refuses")],
      ]);
    }
  });
});
