/**
 * The recipe that nfpath grew from, by hand, on a kernel that has everything of netfilter in modules: find and load a log
 * module, TRACE in raw, read the kernel log. Runs in a test machine, so its first network namespace is ours to use.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { readLogger, writeLogger } from "../../src/linux/nf-log.ts";
import { nfpath } from "../support/cli.ts";
import { sendUdp, shell } from "../support/namespaces.ts";

const asBooted = (name: string) => readFileSync(`/run/as-booted/${name}`, "utf8");

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

it("the recipe by hand writes the kernel log, which explain reads", async () => {
  await shell("modprobe nf_log_ipv4");
  expect(readLogger(2)).toBe("nf_log_ipv4");
  await shell(`
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
