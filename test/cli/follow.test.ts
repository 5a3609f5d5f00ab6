/** `nfpath explain --follow` as a person runs it: packets come while it runs, and Ctrl-C ends it cleanly. */
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { nfpath, root } from "../support/cli.ts";
import { TraceLog } from "../support/trace-log.ts";

let folder = "";
let log = "";
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nfpath-follow-"));
  log = join(folder, "kern.log");
  writeFileSync(log, "");
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** A packet that a rule of INPUT drops, with its IP id. */
function dropped(id: number): string {
  return new TraceLog()
    .wait(id)
    .at("raw:PREROUTING:policy:1", { in: "eth0", id })
    .at("filter:INPUT:rule:1", { in: "eth0", id }).text;
}

const RULES = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -j DROP\nCOMMIT\n";

class Following {
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;

  constructor(words: readonly string[]) {
    const program = join(root, "dist/cli/main.js");
    this.#child = spawn(process.execPath, [program, "explain", "--format", "jsonl", ...words]);
    children.push(this.#child);
    this.#child.stdout?.on("data", (chunk) => {
      this.stdout += chunk;
    });
    this.#child.stderr?.on("data", (chunk) => {
      this.stderr += chunk;
    });
    this.#ended = new Promise((resolve) => this.#child.on("close", resolve));
  }

  async shown(count: number): Promise<JourneyContract[]> {
    for (let tries = 0; tries < 200 && this.#lines.length < count; tries++) await sleep(50);
    return this.#lines.map((line) => JSON.parse(line) as JourneyContract);
  }

  async interrupt(): Promise<number | null> {
    this.#child.kill("SIGINT");
    return this.#ended;
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  end(): Promise<number | null> {
    this.#child.stdin?.end();
    return this.#ended;
  }

  get #lines(): string[] {
    return this.stdout.split("\n").slice(0, -1);
  }
}

describe("nfpath explain --follow", () => {
  test("shows each packet as it finishes, over a rotation, and Ctrl-C ends it with the account", async () => {
    const rules = join(folder, "rules.txt");
    writeFileSync(rules, RULES);
    const following = new Following(["--follow", log, rules]);
    appendFileSync(log, dropped(1));
    const [first] = await following.shown(1);
    expect(first).toMatchObject({ packet: { ipId: 1 }, outcome: { verdict: "dropped", cause: "rule-drop" } });
    renameSync(log, `${log}.1`);
    writeFileSync(log, dropped(2));
    expect((await following.shown(2))[1]).toMatchObject({ id: "2", packet: { ipId: 2 } });
    expect(await following.interrupt()).toBe(0);
    expect(following.stderr).toContain(`following ${log}; Ctrl-C ends it`);
    expect(following.stderr).toContain("2 journeys: 2 dropped");
  });

  test("does not wait for more when standard input has ended, and takes a filter", async () => {
    const following = new Following(["--follow", "-", "udp", "port", "53"]);
    following.write(dropped(1).slice(0, 150));
    await sleep(300);
    following.write(dropped(1).slice(150));
    expect((await following.shown(1))[0]).toMatchObject({ packet: { ipId: 1, dport: 53 } });
    following.write(dropped(2).replaceAll("DPT=53", "DPT=54"));
    expect(await following.end()).toBe(0);
    expect(following.stdout.split("\n")).toHaveLength(2);
    expect(following.stderr).toContain("not shown, by --only or the filter: 1 journey");
  });

  test("a log that was cut is a gap, which --strict does not forgive", async () => {
    writeFileSync(log, dropped(1));
    const following = new Following(["--follow", log, "--strict"]);
    await following.shown(1);
    writeFileSync(log, "");
    await sleep(400);
    expect(await following.interrupt()).toBe(4);
  });

  test.each([
    [
      "a file that is not there",
      "none.log",
      /^nfpath: --follow none.log: no such file or directory; name a log/,
    ],
    ["a directory", ".", /^nfpath: --follow \.: it is a directory; name a log/],
  ])("%s is refused in one line", async (_name, path, message) => {
    const { status, stdout, stderr } = await nfpath(["explain", "--follow", path], { cwd: folder });
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
