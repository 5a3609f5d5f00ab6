/** What every start says of runs that were killed, whatever was asked for: one line, and nothing of runs that live. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeJournal } from "../../src/linux/undo/journal.ts";
import { nfpath } from "../support/cli.ts";

const OFFER = "put them back with: nfpath undo";

/** Of the commands that change nothing; those that need root are refused after their start. */
const COMMANDS = [
  "explain examples/docker-udp/trace.log",
  "trace udp --dry-run",
  "trace udp --print-script",
  "hooks examples/docker-udp/iptables-save.txt",
  "doctor --canary none",
];

describe.skipIf(process.platform !== "linux")("a start", () => {
  let runtime = "";
  let journal = "";

  beforeEach(() => {
    runtime = mkdtempSync(join(tmpdir(), "nfpath-start-"));
    mkdirSync(join(runtime, "nfpath"));
    journal = writeJournal(join(runtime, "nfpath"), { runId: "d1ed", changes: [] }).path;
  });

  afterEach(() => rmSync(runtime, { recursive: true }));

  /** The process of another start has the number of ours. */
  function die(): void {
    const written = JSON.parse(readFileSync(journal, "utf8"));
    const processes = written.processes.map((known: object) => ({ ...known, startedAt: "1" }));
    writeFileSync(journal, JSON.stringify({ ...written, processes }));
  }

  async function linesOf(words: string): Promise<readonly string[]> {
    const { stderr } = await nfpath(words.split(" "), { env: { XDG_RUNTIME_DIR: runtime } });
    return stderr.split("\n").filter((line) => line.includes("d1ed"));
  }

  test.each(COMMANDS)("nfpath %s offers to finish the job", async (words) => {
    expect(await linesOf(words)).toEqual([]);
    die();
    expect(await linesOf(words)).toEqual([expect.stringContaining(OFFER)]);
  });

  test("nfpath undo does it", async () => {
    die();
    const { status, stdout, stderr } = await nfpath(["undo"], { env: { XDG_RUNTIME_DIR: runtime } });
    if (process.getuid?.() === 0)
      expect([status, stdout]).toEqual([
        0,
        expect.stringContaining("run d1ed: nothing was left to put back"),
      ]);
    expect(stderr).not.toContain(OFFER);
    expect(await linesOf("--version")).toEqual([]);
  });
});
