/**
 * The script of `nfpath trace --print-script` against the real kernel: it collects, `explain` reads what it leaves, and
 * afterwards rules and settings are what they were, however it was ended. Each run has a namespace of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { runProcess } from "../../src/linux/process.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { readSysctl, writeSysctl } from "../../src/linux/sysctl.ts";
import { nfpath } from "../support/cli.ts";
import { addNetns, deleteNetns, sendUdp, shell, stateOf } from "../support/namespaces.ts";

const missing = ["nft", "ip", "iptables-legacy", "tcpdump", "tar"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const version = lacks === null ? await runProcess("iptables", ["-V"]) : null;
const isNftVariant = version?.ok === true && version.value.stdout.includes("nf_tables");

const SHELLS = ["dash", "busybox sh"].filter((shell) => findProgram(shell.split(" ")[0] ?? "") !== null);
const absent = ["dash", "busybox sh"].filter((shell) => !SHELLS.includes(shell));

/** What POSIX promises and the script uses. */
const UTILITIES = ["cat", "date", "id", "mkdir", "mv", "rm", "sleep", "uname"];
const LEGACY = ["iptables-legacy", "iptables-legacy-save", "ip6tables-legacy", "ip6tables-legacy-save"];

/** The kernel log is the host's: another port than anybody else's who tries something there. */
const PORT = 20_000 + (process.pid % 10_000);

const RULES = {
  legacy: `
    iptables-legacy -t raw -A PREROUTING -p tcp -j ACCEPT; ip6tables-legacy -t raw -A PREROUTING -p tcp -j ACCEPT
    iptables-legacy -A INPUT -p udp --dport ${PORT} -j DROP`,
  nft: `nft 'table inet fw { chain in { type filter hook input priority 0; udp dport ${PORT} drop; }; }'`,
  "iptables-nft": `
    for tool in iptables-nft ip6tables-nft; do
      for chain in PREROUTING OUTPUT; do $tool -t raw -A $chain -p tcp -j ACCEPT; done
    done
    iptables-nft -A INPUT -p udp --dport ${PORT} -j DROP`,
} as const;

type Backend = keyof typeof RULES;

const SIGNALS = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
  ["SIGKILL", "SIGKILL"],
] as const;

const ALL_NETNS = "net.netfilter.nf_log_all_netns";

describe.skipIf(lacks !== null)(`the printed script${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  let scratch: string;
  let script: string;
  let allNetns: string | null;
  let made = 0;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), "nfpath-live-script-"));
    script = join(scratch, "trace.sh");
    const printed = await nfpath(["trace", "--print-script", "--for", "3s", `udp port ${PORT}`]);
    expect([printed.status, printed.stderr]).toEqual([0, ""]);
    writeFileSync(script, printed.stdout);
    allNetns = readSysctl(ALL_NETNS);
    writeSysctl(ALL_NETNS, "1");
  });

  afterAll(() => {
    if (allNetns !== null) writeSysctl(ALL_NETNS, allNetns);
    rmSync(scratch, { recursive: true });
  });

  /** A namespace in which a rule drops datagrams to a port; both are gone afterwards. */
  async function inScratch(
    backend: Backend,
    work: (netns: string, directory: string) => Promise<void>,
  ): Promise<void> {
    const netns = `nfpS${process.pid}x${++made}`;
    const directory = join(scratch, netns);
    mkdirSync(directory);
    await addNetns(netns);
    try {
      await shell(RULES[backend], netns);
      const before = await stateOf(netns);
      await work(netns, directory);
      expect(withoutCounts(await stateOf(netns))).toBe(withoutCounts(before));
    } finally {
      await deleteNetns(netns);
    }
  }

  /** A directory with these programs and nothing else. */
  function pathOf(programs: readonly string[]): string {
    const path = mkdtempSync(join(scratch, "bin-"));
    for (const program of programs) {
      const target = program.startsWith("iptables") || program.startsWith("ip6tables") ? program : null;
      symlinkSync(findProgram(target ?? program) ?? program, join(path, program));
    }
    return path;
  }

  async function start(
    netns: string,
    directory: string,
    shellWords: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<{
    readonly child: ChildProcess;
    readonly ended: Promise<number | string | null>;
    stderr: () => string;
  }> {
    const [program = "", ...args] = shellWords.split(" ");
    const child = spawn(
      findProgram("nsenter") ?? "nsenter",
      [`--net=/run/netns/${netns}`, "--", findProgram(program) ?? program, ...args, script],
      {
        cwd: directory,
        detached: true,
        stdio: ["ignore", "ignore", "pipe"],
        env: { ...process.env, ...env },
      },
    );
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    const ended = new Promise<number | string | null>((resolve) => {
      child.on("exit", (status, signal) => resolve(status ?? signal));
    });
    while (!stderr.includes("tracing for") && child.exitCode === null && child.signalCode === null)
      await sleep(50);
    if (!stderr.includes("tracing for")) throw new Error(stderr);
    return { child, ended, stderr: () => stderr };
  }

  function collected(directory: string, end: "" | ".tar"): string {
    const name = readdirSync(directory).find((entry) => /^nfpath-.*Z$/.test(entry));
    if (name === undefined) throw new Error("nothing was left");
    return join(directory, name + end);
  }

  async function explain(path: string): Promise<readonly JourneyContract[]> {
    const { status, stdout, stderr } = await nfpath(["explain", path, "--format", "jsonl"]);
    expect([status, stderr]).toEqual([0, expect.stringContaining("1 journey")]);
    return stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as JourneyContract);
  }

  async function collects(
    backend: Backend,
    shellWords: string,
    env: Readonly<Record<string, string>>,
    mechanism: string,
  ): Promise<void> {
    await inScratch(backend, async (netns, directory) => {
      const { ended, stderr } = await start(netns, directory, shellWords, env);
      await sendUdp(netns, "127.0.0.1", PORT);
      await sendUdp(netns, "127.0.0.1", 9);
      expect([await ended, stderr()]).toEqual([0, expect.stringContaining(`by ${mechanism};`)]);
      const journeys = await explain(collected(directory, ""));
      expect(journeys).toMatchObject([
        { packet: { dst: "127.0.0.1", dport: PORT }, outcome: { verdict: "dropped", cause: "rule-drop" } },
      ]);
      const drop = journeys[0]?.steps.find((step) => step.verdict === "drop");
      expect(drop?.rule?.text).toContain(
        backend === "nft" ? `udp dport ${PORT} drop` : `--dport ${PORT} -j DROP`,
      );
      expect(drop?.in).toBe("lo");
      if (env.PATH === undefined) expect(await explain(collected(directory, ".tar"))).toEqual(journeys);
    });
  }

  test.skipIf(absent.length > 0)(
    `in dash and busybox${absent.length > 0 ? ` (skipped: no ${absent.join()})` : ""}`,
    () => {
      expect(SHELLS).toHaveLength(2);
    },
  );

  const bare = (shellWords: string, ...more: readonly string[]) =>
    pathOf([shellWords.split(" ")[0] ?? "", ...UTILITIES, ...more]);

  describe.each(SHELLS)("by %s", (shellWords) => {
    test.concurrent("collects with all tools, legacy rules", { timeout: 60_000 }, () =>
      collects("legacy", shellWords, {}, "nft"),
    );

    test.concurrent("collects with all tools, nft rules", { timeout: 60_000 }, () =>
      collects("nft", shellWords, {}, "nft"),
    );

    test.concurrent("collects with nothing but iptables and tcpdump", { timeout: 60_000 }, () =>
      collects("legacy", shellWords, { PATH: bare(shellWords, ...LEGACY, "tcpdump") }, "iptables-legacy"),
    );

    test.concurrent("collects with nothing but nft", { timeout: 60_000 }, () =>
      collects("nft", shellWords, { PATH: bare(shellWords, "nft") }, "nft"),
    );

    test.concurrent(
      "collects from the kernel log by plain matches, with nothing but iptables",
      { timeout: 60_000 },
      () => collects("legacy", shellWords, { PATH: bare(shellWords, ...LEGACY) }, "iptables-legacy"),
    );

    test.concurrent.each(SIGNALS)(
      "takes everything back on %s",
      { timeout: 60_000 },
      async (signal, status) => {
        await dies(shellWords, signal, status, { PATH: bare(shellWords, ...LEGACY, "tcpdump") });
      },
    );
  });

  test
    .skipIf(!isNftVariant)
    .concurrent(
      `collects by iptables-nft and xtables-monitor${isNftVariant ? "" : " (skipped: iptables writes no nft rules here)"}`,
      { timeout: 60_000 },
      () => {
        const tools = ["iptables", "ip6tables", "iptables-save", "ip6tables-save", "xtables-monitor"];
        return collects("iptables-nft", "dash", { PATH: bare("dash", ...tools) }, "iptables-nft");
      },
    );

  test.concurrent("takes its nft table and the loggers back on SIGKILL", { timeout: 60_000 }, () =>
    dies("dash", "SIGKILL", "SIGKILL", {}),
  );

  async function dies(
    shellWords: string,
    signal: "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGKILL",
    status: number | string,
    env: Readonly<Record<string, string>>,
  ): Promise<void> {
    await inScratch("legacy", async (netns, directory) => {
      const before = await stateOf(netns);
      const { child, ended } = await start(netns, directory, shellWords, env);
      expect(await stateOf(netns)).not.toBe(before);
      child.kill(signal);
      expect(await ended).toBe(status);
      // Nobody but the guardian is left to do it then.
      for (let i = 0; signal === "SIGKILL" && i < 50 && (await stateOf(netns)) !== before; i++)
        await sleep(100);
      expect(await stateOf(netns)).toBe(before);
      const manifest = readFileSync(join(collected(directory, ""), "MANIFEST"), "utf8");
      expect(/^end /m.test(manifest)).toBe(signal !== "SIGKILL");
      for (let i = 0; i < 30 && (await readersIn(netns)).length > 0; i++) await sleep(100);
      expect(await readersIn(netns)).toEqual([]);
    });
  }

  test.concurrent("the rules match nothing behind their deadline, and undo.sh does the rest", {
    timeout: 40_000,
  }, async () => {
    await inScratch("legacy", async (netns, directory) => {
      const env = { PATH: pathOf(["dash", ...UTILITIES, ...LEGACY, "tcpdump"]) };
      const { child, ended } = await start(netns, directory, "dash", env);
      // The whole group: script, guardian and readers.
      process.kill(-(child.pid ?? 0), "SIGKILL");
      await ended;
      const counted = () => shell("iptables-legacy -t raw -S OUTPUT -v | grep nfpath:", netns);
      await sendUdp(netns, "127.0.0.1", PORT);
      expect(await counted()).toMatch(/-c [1-9]/);
      await shell("iptables-legacy -t raw -Z", netns);
      await sleep(9_000);
      await sendUdp(netns, "127.0.0.1", PORT);
      expect(await counted()).toMatch(/-c 0 0/);
      await shell(`sh ${join(collected(directory, ""), "undo.sh")}`, netns);
    });
  });

  test.concurrent("nothing is changed where the undo cannot be written", { timeout: 40_000 }, async () => {
    await inScratch("legacy", async (netns, directory) => {
      await shell(`mount -t tmpfs -o size=8k none ${directory}`);
      try {
        await expect(start(netns, directory, "dash")).rejects.toThrow(/disk full/);
      } finally {
        await shell(`umount -l ${directory}`);
      }
    });
  });
});

/** The packets that a test sends are counted by the rules that were there before. */
function withoutCounts(state: string): string {
  return state.replace(/packets \d+ bytes \d+/g, "");
}

async function readersIn(netns: string): Promise<readonly string[]> {
  const pids = await shell(`ip netns pids ${netns}`);
  return pids.split("\n").filter((pid) => pid !== "" && isReader(pid));
}

function isReader(pid: string): boolean {
  try {
    return /tcpdump|monitor|cat/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  } catch (cause) {
    if (cause instanceof Error && "code" in cause) return false;
    throw cause;
  }
}
