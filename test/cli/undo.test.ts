/** `nfpath undo` and `nfpath trace --dry-run` as a person meets them. What they put back is tried in test/live. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { undoLines } from "../../src/cli/undo.ts";
import { commandOf } from "../../src/core/plans/plan.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { nfpath, root } from "../support/cli.ts";
import { AS_NOBODY, programForOthers } from "../support/program-for-others.ts";

const NONE = { restored: [], leftAlone: [], handedOn: [], failed: [] };
const isRoot = process.getuid?.() === 0;

describe("what undo says", () => {
  test("of nothing", () => {
    expect(undoLines({ undone: [], leftRunning: [], unreadable: [] })).toEqual(["nothing to undo"]);
  });

  test("of each run, in a line", () => {
    const lines = undoLines({
      undone: [
        { runId: "aa11", report: { ...NONE, restored: ["x is 1 again", "y is 2 again"] } },
        { runId: "bb22", report: NONE },
        { runId: "cc33", report: { ...NONE, leftAlone: ["x was set by somebody else"] } },
        { runId: "dd44", report: { ...NONE, failed: ["x cannot be set; by hand: sysctl -w x=1"] } },
      ],
      leftRunning: [
        { runId: "ee55", state: "alive", processes: [{ role: "main", pid: 812, startedAt: "1" }] },
        { runId: "ff66", state: "elsewhere", processes: [] },
      ],
      unreadable: ["/run/nfpath/x.json"],
    });
    expect(lines).toEqual([
      "run aa11: x is 1 again; y is 2 again",
      "run bb22: nothing was left to put back",
      "run cc33: x was set by somebody else and is left so",
      "run dd44: not put back: x cannot be set; by hand: sysctl -w x=1",
      "run ee55 is still tracing (process 812): left alone",
      "run ff66 belongs to another container: run nfpath undo there",
      "/run/nfpath/x.json is no journal of nfpath: left alone, look at it by hand",
    ]);
  });

  test.skipIf(!isRoot || findProgram("unshare") === null)("to a program", () => {
    // A /run of its own: what others left on this host is theirs.
    const script = `mount -t tmpfs none /run && exec "$@"`;
    const words = [process.execPath, join(root, "dist/cli/main.js"), "undo", "--format", "json"];
    const ran = spawnSync("unshare", ["-m", "sh", "-c", script, "sh", ...words], { encoding: "utf8" });
    expect([ran.status, ran.stderr]).toEqual([0, ""]);
    expect(JSON.parse(ran.stdout)).toEqual({
      schema: "nfpath/undone@1",
      undone: [],
      leftRunning: [],
      unreadable: [],
    });
  });

  test.skipIf(!isRoot)("without root: one line and status 3", () => {
    const [setpriv, ...user] = AS_NOBODY;
    const ran = spawnSync(setpriv, [...user, ...programForOthers(), "undo"], { encoding: "utf8" });
    expect([ran.status, ran.stdout]).toEqual([3, ""]);
    expect(ran.stderr).toMatch(/^nfpath: putting things back needs .*; run it as root: sudo nfpath undo\n$/);
  });
});

describe.skipIf(process.platform !== "linux" || findProgram("nft") === null)("a dry run", () => {
  test("prints the plan and what undoes it", async () => {
    const { status, stdout } = await nfpath(["trace", "udp port 53", "--dry-run"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/add the nft table inet nfpath_\w+, which marks the chosen packets/);
    expect(stdout).toMatch(/ {2}undo {2}end the nft -i that holds table inet nfpath_\w+\n/);
  });

  test("gives programs the plan itself", async () => {
    const { status, stdout } = await nfpath(["trace", "udp", "--dry-run", "--format", "json"]);
    const { schema, plan } = JSON.parse(stdout);
    expect([status, schema]).toEqual([0, "nfpath/plan@1"]);
    expect(commandOf(plan.changes.at(-1).apply)).toContain("flags owner");
  });

  test.skipIf(!isRoot)("needs no root, and says what it cannot know", () => {
    const [setpriv, ...user] = AS_NOBODY;
    const words = [...user, ...programForOthers(), "trace", "udp", "--dry-run"];
    const ran = spawnSync(setpriv, words, { encoding: "utf8" });
    expect([ran.status, ran.stderr]).toEqual([0, ""]);
    expect(ran.stdout).toContain("add the nft table inet nfpath_");
    expect(ran.stdout).toMatch(
      /^not known without CAP_NET_ADMIN: whether legacy iptables tables are in use/m,
    );
  });

  test("refuses what the trace would refuse", async () => {
    expect(await nfpath(["trace", "upd", "--dry-run"])).toMatchObject({ status: 2, stdout: "" });
    const nowhere = await nfpath(["trace", "udp", "--dry-run", "--netns", "nfp-none"]);
    expect(nowhere).toMatchObject({ status: 2, stdout: "" });
    expect(nowhere.stderr).toContain("there is no network namespace nfp-none");
  });
});
