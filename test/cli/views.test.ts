/** Journeys, flows, a summary: which view a command shows. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { nfpath } from "../support/cli.ts";
import { back, there } from "../support/tcp-log.ts";
import { TraceLog } from "../support/trace-log.ts";

const folder = mkdtempSync(join(tmpdir(), "nfpath-views-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** So many connections of a SYN and its answer. */
function traffic(connections: number): string {
  const log = new TraceLog();
  for (let at = 0; at < connections; at++) {
    there(log, { id: 100 + at, flags: "SYN", seq: 1000 + at, sport: 40000 + at });
    back(log, { id: 9000 + at, flags: "ACK SYN", seq: 5000 + at, sport: 40000 + at });
  }
  const path = join(folder, `${connections}.log`);
  writeFileSync(path, log.text);
  return path;
}

const few = traffic(3);
const many = traffic(30);

describe("above fifty journeys", () => {
  test("a summary stands in their place, and says how to see more", async () => {
    const { status, stdout } = await nfpath(["explain", many]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^60 journeys/);
    expect(stdout).toContain("--no-summary");
    expect(stdout).not.toContain("PREROUTING");
  });

  test("all are shown where that is asked for, or where few are chosen", async () => {
    const all = await nfpath(["explain", "--no-summary", many]);
    expect(all.stdout.match(/^\d+ +TCP/gm)).toHaveLength(60);
    const chosen = await nfpath(["explain", many, "tcp", "port", "40003"]);
    expect(chosen.stdout.match(/^\d+ +TCP/gm)).toHaveLength(2);
    const one = await nfpath(["explain", "--journey", "17", many]);
    expect(one.stdout.match(/^\d+ +TCP/gm)).toEqual(["17 TCP"]);
  });

  test("programs get every journey", async () => {
    const { stdout } = await nfpath(["explain", "--format", "jsonl", many]);
    expect(stdout.trim().split("\n")).toHaveLength(60);
  });
});

test("--summary for few, in each format", async () => {
  const tree = await nfpath(["explain", "--summary", few]);
  expect(tree.stdout).toMatch(/^6 journeys/);
  const line = await nfpath(["explain", "--summary", "--format", "jsonl", few]);
  expect(JSON.parse(line.stdout)).toMatchObject({ schema: "nfpath/summary@1", journeys: 6 });
  const whole = await nfpath(["explain", "--summary", "--format", "json", few]);
  expect(JSON.parse(whole.stdout)).toMatchObject({
    schema: "nfpath/summary@1",
    report: { events: { step: 18 } },
  });
  const markdown = await nfpath(["explain", "--summary", "--format", "md", few]);
  expect(markdown.stdout).toContain("| forwarded |  | 6 | 1 |");
});

test("--flows, in each format", async () => {
  const tree = await nfpath(["explain", "--flows", few]);
  expect(tree.stdout.match(/^F\d/gm)).toEqual(["F1", "F2", "F3"]);
  const lines = await nfpath(["explain", "--flows", "--format", "jsonl", few]);
  const [first] = lines.stdout.split("\n").map((line) => (line === "" ? null : JSON.parse(line)));
  expect(first).toMatchObject({ schema: "nfpath/flow@1", there: 1, back: 1 });
  const whole = await nfpath(["explain", "--flows", "--format", "json", few]);
  expect(JSON.parse(whole.stdout).flows).toHaveLength(3);
  const markdown = await nfpath(["explain", "--flows", "--format", "md", few]);
  expect(markdown.stdout).toContain("### F1. TCP 192.0.2.1:40000 → 198.51.100.1:80");
});

test("two views at once are refused, and a journey that is not there is told", async () => {
  const both = await nfpath(["explain", "--flows", "--summary", few]);
  expect([both.status, both.stderr]).toEqual([2, expect.stringContaining("choose one of them")]);
  const none = await nfpath(["explain", "--journey", "77", few]);
  expect(none.stderr).toContain("there are 6, numbered from 1");
});

describe("--why-not", () => {
  const example = ["examples/docker-udp/trace.log", "examples/docker-udp/iptables-save.txt"];

  test("says which condition of a rule failed, in each format", async () => {
    const words = ["explain", "--journey", "1", "--why-not", "nat:DOCKER:30"];
    const tree = await nfpath([...words, ...example]);
    expect(tree.stdout).toContain("it was asked at PREROUTING and did not match");
    expect(tree.stdout).toContain("✘ -m udp --dport 10371  it goes to port 10370");
    const line = await nfpath([...words, "--format", "jsonl", ...example]);
    expect(JSON.parse(line.stdout)).toMatchObject({
      schema: "nfpath/why-not@1",
      fate: "tested",
      holds: "failed",
    });
    const whole = await nfpath([...words, "--format", "json", ...example]);
    expect(JSON.parse(whole.stdout).whyNot).toHaveLength(1);
    const markdown = await nfpath([...words, "--format", "md", ...example]);
    expect(markdown.stdout).toContain("- failed: `-m udp --dport 10371`, it goes to port 10370");
  });

  test.each([
    [["--why-not", "filter:FORWARD:44"], "has 5 rules in the listing"],
    [["--why-not", "filter:FORWARD:1", "--flows"], "leave --flows and --summary out"],
  ])("%j is refused with what to do", async (words, reason) => {
    const { status, stderr } = await nfpath(["explain", ...words, ...example]);
    expect([status, stderr]).toEqual([2, expect.stringContaining(reason)]);
  });
});
