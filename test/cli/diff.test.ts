/** `nfpath diff` as a person runs it: two packets of one file, of two, and two recordings. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { nfpath } from "../support/cli.ts";
import { TraceLog } from "../support/trace-log.ts";

const folder = mkdtempSync(join(tmpdir(), "nfpath-diff-"));
afterAll(() => rmSync(folder, { recursive: true }));

const RULES = "*filter\n:INPUT DROP [0:0]\n-A INPUT -i eth0 -p udp -m udp --dport 53 -j ACCEPT\nCOMMIT\n";

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const rules = file("rules.txt", RULES);
const good = { in: "eth0" };
const bad = { in: "eth1", id: 8 };
const both = file(
  "both.log",
  new TraceLog().at("filter:INPUT:rule:1", good).at("filter:INPUT:policy:2", bad).text,
);
const before = file("before.log", new TraceLog().at("filter:INPUT:rule:1", good).text);
const after = file("after.log", new TraceLog().at("filter:INPUT:policy:2", bad).text);

test("two packets of one recording", async () => {
  const { status, stdout } = await nfpath(["diff", `${both}#1`, `${both}#2`, rules]);
  expect(status).toBe(0);
  expect(stdout).toContain("A's filter:INPUT rule 1 does not match B:");
  expect(stdout).toContain("✘ -i eth0  it came in by eth1");
});

test("two recordings, and a packet beside a recording", async () => {
  const whole = await nfpath(["diff", before, after, rules]);
  expect(whole.stdout).toContain("udp 192.0.2.1 → 198.51.100.1:53");
  expect(whole.stdout).toContain("✘ -i eth0  it came in by eth1");
  const one = await nfpath(["diff", `${before}#1`, after, rules]);
  expect(one.stdout).toContain("✘ -i eth0  it came in by eth1");
});

test("for programs", async () => {
  const { stdout } = await nfpath(["diff", before, after, rules, "--format", "json"]);
  expect(JSON.parse(stdout)).toMatchObject({
    schema: "nfpath/diff@1",
    journeys: { common: 0, reasons: [{ side: "A", kind: "failed", conditions: [{ holds: "failed" }] }] },
    recordings: { differing: [{ a: [{ end: "delivered" }] }] },
  });
});

test("for a ticket: what differs, where they part, why, and how each ended", async () => {
  const two = await nfpath(["diff", `${both}#1`, `${both}#2`, rules, "--format", "md"]);
  expect(two.status).toBe(0);
  expect(two.stdout.split("\n")).toEqual([
    `### \`${both}#1\` and \`${both}#2\``,
    "",
    "| | A | B |",
    "|---|---|---|",
    expect.stringMatching(
      /^\| packet \| UDP 192\.0\.2\.1:40000 → 198\.51\.100\.1:53, 60 B, in eth0 \|.*in eth1 \|$/,
    ),
    "| in | eth0 | eth1 |",
    "| end | **delivered to this host** | **dropped: filter:INPUT dropped it by its policy; nobody was told** |",
    "",
    "- **they part in INPUT, filter:INPUT**",
    "  - A: `1   -i eth0 -p udp -m udp --dport 53 -j ACCEPT`",
    "  - B: `policy drop`",
    "- A's filter:INPUT rule 1 does not match B:",
    "  - failed: `-i eth0`, it came in by eth1",
    "",
    "",
  ]);
  const whole = await nfpath(["diff", before, after, rules, "--format", "md"]);
  expect(whole.stdout).toContain(
    "| udp 192.0.2.1 → 198.51.100.1:53 | 1 delivered (1) | 1 dropped by filter:INPUT's policy (1) |",
  );
  expect(whole.stdout).toContain("\n0 kinds ended alike.\n");
  expect(whole.stdout).toContain("\n### `#1` and `#1`\n");
});

test("host text becomes no markup", async () => {
  const hostile = file(
    "hostile.log",
    new TraceLog()
      .at("filter:INPUT:rule:1", { in: "a|<b>" })
      .at("filter:INPUT:policy:2", { in: "*c*", id: 8 }).text,
  );
  const { stdout } = await nfpath(["diff", `${hostile}#1`, `${hostile}#2`, rules, "--format", "md"]);
  expect(stdout).toContain("| in | a\\|\\<b\\> | \\*c\\* |");
});

test.each([
  [[`${both}#7`, `${both}#1`], "has no journey 7; it has 2, numbered from 1"],
  [[join(folder, "nosuch.log"), both], "no such file"],
  [[rules, both], "rules"],
])("%j is refused with what to do", async (words, reason) => {
  const { status, stderr } = await nfpath(["diff", ...words]);
  expect([status, stderr]).toEqual([2, expect.stringContaining(reason)]);
});
