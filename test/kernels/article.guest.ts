/**
 * The recipe that nfpath grew from, by hand, on a kernel that has everything of netfilter in modules: find and load a log
 * module, TRACE in raw, read the kernel log. Runs in a test machine, so its first network namespace is ours to use.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { readLogger, writeLogger } from "../../src/linux/nf-log.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { nfpath } from "../support/cli.ts";
import { sendUdp, shell } from "../support/namespaces.ts";

const asBooted = (name: string) => readFileSync(`/run/as-booted/${name}`, "utf8");
const isLoaded = (module: string) =>
  readFileSync("/proc/modules", "utf8")
    .split("\n")
    .some((line) => line.startsWith(`${module} `));
const SEND = `require("dgram").createSocket("udp4").send("probe",5998,"127.0.0.1",function(){this.close()})`;

it("a machine that has just come up logs nothing, and has no module that would", () => {
  expect(asBooted("logger").trim()).toBe("NONE");
  expect(asBooted("modules")).not.toMatch(/^(nf_log|nfnetlink_log|nf_tables|ip_tables)/m);
});

it("a logger cannot be chosen before its module is there, and choosing does not load it", () => {
  expect(writeLogger(2, "nfnetlink_log")).toEqual({ ok: false, error: "ENOENT" });
  expect(writeLogger(2, "nf_log_ipv4")).toEqual({ ok: false, error: "ENOENT" });
  expect(readLogger(2)).toBe("NONE");
});

it("of the module files that the recipe looks for there is the newest alone; the older names are its aliases", async () => {
  const files = await shell(
    `find /lib/modules/$(uname -r)/ -name 'nf_log_*.ko*' -o -name 'ipt_LOG.ko*' -o -name 'ipt_ULOG.ko*'`,
  );
  expect(files.trim()).toMatch(/^\S+\/nf_log_syslog\.ko(\.xz)?$/);
  for (const name of ["nf_log_syslog", "nf_log_ipv4"]) {
    expect(await shell(`modprobe --show-depends ${name}`)).toContain("/nf_log_syslog.ko");
  }
  // The target LOG, which wants the logger loaded before it.
  expect(await shell("modprobe --show-depends ipt_LOG")).toMatch(/nf_log_syslog[\s\S]*xt_LOG/);
  await expect(shell("modprobe --show-depends ipt_ULOG")).rejects.toThrow("ipt_ULOG not found");
});

describe("before any log module is loaded", () => {
  const droppedBy = (journeys: readonly JourneyContract[]) =>
    journeys.map(({ packet, outcome, steps }) => [packet.dport, outcome.cause, steps.at(-1)?.rule?.text]);
  const DROPPED = [[5998, "rule-drop", expect.stringContaining("--dport 5998 -j DROP")]];

  async function withDrop(work: () => Promise<void>): Promise<void> {
    await shell("iptables-legacy -A INPUT -p udp --dport 5998 -j DROP");
    await work().finally(() => shell("iptables-legacy -F"));
  }

  it("nfpath's own trace of legacy rules needs none, and leaves the logger as it was", () =>
    withDrop(async () => {
      const words = ["trace", "udp port 5998", "--format", "jsonl", "--", process.execPath, "-e", SEND];
      const { status, stdout } = await nfpath(words);
      expect([status, droppedBy(journeysOf(stdout))]).toEqual([0, DROPPED]);
      expect([readLogger(2), readLogger(10), isLoaded("nf_log_syslog")]).toEqual(["NONE", "NONE", false]);
    }));

  it.each([
    ["modprobe", ["modprobe"]],
    ["insmod, where modprobe is not there", ["insmod", "rmmod"]],
  ])("the printed script loads one by %s, and takes it back", (_, tools) =>
    withDrop(async () => {
      const ran = await runScript(tools);
      expect([ran.status, ran.stderr]).toEqual([0, expect.stringContaining("by iptables-legacy;")]);
      expect(readFileSync(join(ran.left, "MANIFEST"), "utf8")).toContain(
        "loaded the kernel module nf_log_syslog",
      );
      const { stdout } = await nfpath(["explain", ran.left, "--format", "jsonl"]);
      expect(droppedBy(journeysOf(stdout))).toEqual(DROPPED);
      expect([readLogger(2), readLogger(10), isLoaded("nf_log_syslog")]).toEqual(["NONE", "NONE", false]);
    }),
  );

  it("where nothing can load one, the printed script says what is missing, and changes nothing", () =>
    withDrop(async () => {
      const ran = await runScript([]);
      expect([ran.status, ran.stderr]).toEqual([
        3,
        expect.stringContaining("no kernel module logs IPv4 packets (nf_log_syslog, nf_log_ipv4, ipt_LOG)"),
      ]);
      expect([readLogger(2), await shell("iptables-legacy -t raw -S")]).toEqual([
        "NONE",
        "-P PREROUTING ACCEPT\n-P OUTPUT ACCEPT\n",
      ]);
    }));

  /** The script on a host that has iptables, a few plain tools and these; a datagram is sent when it traces. */
  async function runScript(tools: readonly string[]) {
    const directory = mkdtempSync(join(tmpdir(), "nfpath-article-"));
    const bin = mkdtempSync(join(tmpdir(), "nfpath-article-bin-"));
    const plain = ["cat", "date", "id", "mkdir", "mv", "rm", "sleep", "uname"];
    const iptables = ["", "6"].flatMap((six) => [`ip${six}tables-legacy`, `ip${six}tables-legacy-save`]);
    for (const name of [...plain, ...iptables, ...tools])
      symlinkSync(findProgram(name) ?? name, join(bin, name));
    const printed = await nfpath(["trace", "--print-script", "--for", "3s", "udp port 5998"]);
    writeFileSync(join(directory, "trace.sh"), printed.stdout);
    const child = spawn("/bin/dash", ["trace.sh"], { cwd: directory, env: { PATH: bin } });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      if (chunk.includes("tracing for")) void sendUdp("pid:1", "127.0.0.1", 5998);
      stderr += chunk;
    });
    const status = await new Promise((resolve) => child.on("close", resolve));
    const left = readdirSync(directory).find((name) => name.endsWith("Z")) ?? "";
    return { status, stderr, left: join(directory, left) };
  }
});

it("the doctor names what is missing, and its commands load it", async () => {
  const logBackend = async () => {
    const { stdout } = await nfpath(["doctor", "--canary", "none", "--format", "json"]);
    const { namespaces } = JSON.parse(stdout) as {
      namespaces: { checks: { id: string; mend: string[] }[] }[];
    };
    return namespaces[0]?.checks.find(({ id }) => id === "log-backend-ip");
  };
  const missing = await logBackend();
  expect(missing).toMatchObject({ status: "warning", what: "net.netfilter.nf_log.2 is NONE" });
  await shell(missing?.mend.join("\n") ?? "false");
  expect(await logBackend()).toMatchObject({ status: "ok", what: expect.stringContaining("is nf_log_ipv4") });
  await shell("modprobe -r nf_log_syslog");
  expect(readLogger(2)).toBe("NONE");
});

it("the recipe by hand writes the kernel log, which explain reads", async () => {
  await shell("modprobe nf_log_ipv4");
  expect(readLogger(2)).toBe("nf_log_ipv4");
  await shell(`
    dmesg --clear
    iptables-legacy -t raw -A OUTPUT -p udp --dport 5999 -j TRACE
    iptables-legacy -t raw -A PREROUTING -p udp --dport 5999 -j TRACE
    iptables-legacy -A INPUT -p udp --dport 5999 -j DROP`);
  try {
    await sendUdp("pid:1", "127.0.0.1", 5999);
    const log = await shell("dmesg | grep TRACE:");
    writeFileSync("/tmp/kern.log", log);
    writeFileSync("/tmp/rules.txt", await shell("iptables-legacy-save"));
    const { status, stdout } = await nfpath([
      "explain",
      "--format",
      "jsonl",
      "/tmp/kern.log",
      "/tmp/rules.txt",
    ]);
    expect(status).toBe(0);
    const journeys = journeysOf(stdout);
    expect(journeys.map(({ packet, outcome }) => [packet.dport, outcome.verdict, outcome.cause])).toEqual([
      [5999, "dropped", "rule-drop"],
    ]);
    expect(journeys[0]?.steps.map(({ table, chain, kind }) => `${table} ${chain} ${kind}`)).toEqual([
      "raw OUTPUT policy",
      "filter OUTPUT policy",
      // Marked in OUTPUT already, the packet is seen coming to the rule that would mark it again.
      "raw PREROUTING rule",
      "raw PREROUTING policy",
      "filter INPUT rule",
    ]);
  } finally {
    await shell("iptables-legacy -t raw -F; iptables-legacy -F");
  }
});

function journeysOf(text: string): JourneyContract[] {
  return text
    .split("\n")
    .filter((line) => line.includes('"nfpath/journey@'))
    .map((line) => JSON.parse(line));
}
