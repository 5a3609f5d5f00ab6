/** `nfpath trace` as a person runs it: what it prints, how it ends, and that nothing of it stays in the namespace. */
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { nfpath, root } from "../support/cli.ts";
import { addCable, addNetns, deleteNetns, shell, stateOf } from "../support/namespaces.ts";
import { AS_NOBODY, programForOthers } from "../support/program-for-others.ts";

const missing = ["nft", "ip", "nsenter", "iptables-legacy"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const NEAR = `nfpCn${process.pid}`;
const FAR = `nfpCf${process.pid}`;

/** The words behind `--` that send datagrams from the near namespace to itself, to be read by nobody. */
function sending(port: number, count = 1): string[] {
  const code = `const s=require("dgram").createSocket("udp4");let n=0;const t=setInterval(()=>{s.send("hi",${port},"127.0.0.1");if(++n==${count}){clearInterval(t);setTimeout(()=>s.close(),50)}},10)`;
  return ["nsenter", `--net=/run/netns/${NEAR}`, process.execPath, "-e", code];
}

function journeysOf(stdout: string): JourneyContract[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as JourneyContract);
}

describe.skipIf(lacks !== null)(`nfpath trace${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  let before: unknown;

  beforeEach(async () => {
    await addNetns(NEAR);
    await addNetns(FAR);
    await addCable(NEAR, FAR);
    await shell(
      "nft 'table inet fw { chain in { type filter hook input priority 0; udp dport 9 drop; }; }'",
      NEAR,
    );
    before = await stateOf(NEAR);
  });

  afterEach(async () => {
    try {
      expect(await stateOf(NEAR)).toEqual(before);
    } finally {
      await deleteNetns(NEAR);
      await deleteNetns(FAR);
    }
  });

  test("traces while a command runs, and ends a moment after it", async () => {
    const { status, stdout, stderr } = await nfpath([
      ...["trace", "udp port 9", "--netns", NEAR, "--format", "jsonl", "--for", "20s", "--"],
      ...sending(9),
    ]);
    expect([status, stderr]).toEqual([0, expect.stringContaining("1 journey: 1 dropped")]);
    const [journey] = journeysOf(stdout);
    expect(journey).toMatchObject({
      netns: NEAR,
      packet: { protocol: "udp", dport: 9, dst: "127.0.0.1" },
      outcome: { verdict: "dropped", cause: "rule-drop" },
      clock: "arrival",
    });
    expect(journey?.findings[0]?.what).toContain("inet fw in rule 1 dropped it");
    expect(journey?.steps.map((step) => step.hook)).toEqual(
      expect.arrayContaining(["output", "postrouting", "prerouting", "input"]),
    );
  });

  test("what the filter does not name is not traced", async () => {
    const { stdout, stderr } = await nfpath([
      ...["trace", "udp port 10", "--netns", NEAR, "--format", "jsonl", "--"],
      ...sending(9),
    ]);
    expect(stdout).toBe("");
    expect(stderr).toContain("no packet matched the filter");
  });

  test("a packet that arrives is seen at the last watch point, though no rule of the host saw it", async () => {
    const { stdout } = await nfpath([
      ...["trace", "udp", "--netns", NEAR, "--format", "jsonl", "--"],
      ...sending(7),
    ]);
    const [journey] = journeysOf(stdout);
    // It got as far as its port, which nobody has open.
    expect([journey?.outcome.verdict, journey?.outcome.cause]).toEqual(["rejected", "no-listener"]);
    expect(journey?.steps.at(-1)).toMatchObject({ hook: "input", own: true });
  });

  test("a packet that another address of the cable gets is lost in routing, and said why", async () => {
    const mac = (await shell("ip -br link show veth0", NEAR)).trim().split(/\s+/)[2];
    await shell(`ip neigh replace 192.0.2.77 lladdr ${mac} dev veth1`, FAR);
    const code = `require("dgram").createSocket("udp4").send("hi",9,"192.0.2.77",function(){this.close()})`;
    const command = ["nsenter", `--net=/run/netns/${FAR}`, process.execPath, "-e", code];
    const { stdout } = await nfpath(["trace", "udp", "--netns", NEAR, "--format", "jsonl", "--", ...command]);
    const [journey] = journeysOf(stdout);
    expect([journey?.outcome.verdict, journey?.outcome.cause]).toEqual(["dropped", "forwarding-off"]);
    expect(journey?.findings[0]?.what).toContain("192.0.2.77 is no address of this host");
    expect(journey?.findings[0]?.try).toContain("sysctl net.ipv4.conf.veth0.forwarding");
  });

  test("ends by itself, and after so many packets", async () => {
    const began = Date.now();
    const timed = await nfpath(["trace", "udp", "--netns", NEAR, "--for", "1s"]);
    expect([timed.status, timed.stdout]).toEqual([0, ""]);
    expect(Date.now() - began).toBeGreaterThan(1000);
    const counted = await nfpath([
      ...["trace", "udp", "--netns", NEAR, "--packets", "3", "--format", "jsonl", "--"],
      ...sending(9, 200),
    ]);
    expect(journeysOf(counted.stdout)).toHaveLength(3);
    expect(counted.status).toBe(0);
  });

  test("a rate limit that was reached is a gap with a count, and nothing is concluded from it", async () => {
    const { stdout, stderr } = await nfpath([
      ...["trace", "udp", "--netns", NEAR, "--rate", "5", "--format", "jsonl", "--"],
      ...sending(9, 60),
    ]);
    expect(stderr).toMatch(/gap \(selector-limit\): \d+ packets; choose fewer packets with a filter/);
    for (const journey of journeysOf(stdout)) expect(journey.outcome.verdict).not.toBe("unknown");
  });

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "%s ends it cleanly, with what there is",
    async (signal) => {
      const child = spawn(process.execPath, [
        join(root, "dist/cli/main.js"),
        "trace",
        "udp",
        "--netns",
        NEAR,
        "--for",
        "60s",
      ]);
      let said = "";
      let shown = "";
      child.stderr.on("data", (chunk) => {
        said += chunk;
      });
      child.stdout.on("data", (chunk) => {
        shown += chunk;
      });
      const ended = new Promise((resolve) => child.on("close", resolve));
      while (!said.includes("tracing for")) await sleep(20);
      const [program = "", ...args] = sending(9);
      await new Promise((resolve) => spawn(program, args).on("close", resolve));
      await sleep(200);
      child.kill(signal);
      expect(await ended).toBe(0);
      expect(shown).toContain("dropped");
      expect(said).toContain("1 journey: 1 dropped");
    },
  );

  test("a reader that goes away ends it", async () => {
    const { status } = await nfpath(
      [...["trace", "udp", "--netns", NEAR, "--format", "jsonl", "--for", "60s", "--"], ...sending(9, 400)],
      { closesEarly: true },
    );
    expect(status).toBe(0);
  });

  test.each<[string, string[], RegExp, number]>([
    [
      "a namespace that is not there",
      ["udp", "--netns", "nfp-none"],
      /there is no network namespace nfp-none/,
      2,
    ],
    ["a filter with a typo", ["upd", "--netns", NEAR], /did you mean `udp`/, 2],
    [
      "a command that is not there",
      ["udp", "--netns", NEAR, "--", "nfp-no-such-command"],
      /nfp-no-such-command is not installed/,
      0,
    ],
  ])("%s: one line that says what to do", async (_name, words, message, expected) => {
    const { status, stdout, stderr } = await nfpath(["trace", ...words]);
    expect(stderr).toMatch(message);
    expect([status, stdout]).toEqual([expected, ""]);
  });

  test("without root: one line that says what to do, and status 3", () => {
    const [setpriv, ...user] = AS_NOBODY;
    const words = [...user, ...programForOthers(), "trace", "udp", "--netns", NEAR];
    const ran = spawnSync(setpriv, words, { encoding: "utf8" });
    expect([ran.status, ran.stdout]).toEqual([3, ""]);
    expect(ran.stderr).toMatch(
      /^nfpath: tracing needs CAP_NET_ADMIN .*; run it as root: sudo nfpath trace …\n$/,
    );
  });

  test("a command's own output goes to standard error, and its failure is told", async () => {
    const { status, stdout, stderr } = await nfpath([
      ...["trace", "udp", "--netns", NEAR, "--format", "jsonl", "--", "sh", "-c", "echo spoken; exit 7"],
    ]);
    expect([status, stdout]).toEqual([0, ""]);
    expect(stderr).toContain("spoken");
    expect(stderr).toContain("sh ended with status 7");
  });
});
