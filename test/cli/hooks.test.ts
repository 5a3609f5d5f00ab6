import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HooksContract } from "../../src/core/views/hooks-contract.ts";
import { nfpath, root } from "../support/cli.ts";

const LEGACY = join(root, "examples/docker-udp/iptables-save.txt");
const NFT = join(root, "examples/docker-udp-nft/ruleset.nft");

let folder: string;
const file = (name: string, content: string | Buffer) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "nfpath-hooks-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("from files", () => {
  test("tree: data on standard output, nothing on standard error", async () => {
    const { status, stdout, stderr } = await nfpath(["hooks", LEGACY]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(
      "└ nat PREROUTING    legacy        policy accept, 1 rule, into 1 chain with 101",
    );
    expect(stdout).not.toContain("\u001b[");
  });

  test("both backends, from two files in any order", async () => {
    const one = await nfpath(["hooks", LEGACY, NFT]);
    const other = await nfpath(["hooks", NFT, LEGACY]);
    expect(one.stdout).toBe(other.stdout);
    expect(one.stdout).toContain("both backends are in force at ip prerouting, input, forward");
  });

  test("json and --family", async () => {
    const { stdout } = await nfpath(["hooks", "--format", "json", "--family", "ip6", NFT]);
    const { schema, namespaces } = JSON.parse(stdout) as HooksContract;
    expect(schema).toBe("nfpath/hooks@1");
    expect(new Set(namespaces[0]?.hooks.map((hook) => hook.family))).toEqual(new Set(["ip6"]));
  });

  test("md is a table", async () => {
    const { stdout } = await nfpath(["hooks", "--format", "md", LEGACY]);
    expect(stdout).toContain("| ip | forward | 0 | `filter FORWARD` | legacy | policy accept, 5 rules");
  });

  test("standard input, and --rules for what does not look like rules", async () => {
    const piped = await nfpath(["hooks", "-"], { input: "-P INPUT DROP\n-A INPUT -j ACCEPT\n" });
    expect(piped.stdout).toContain("filter INPUT");
    const forced = await nfpath([
      "hooks",
      "--rules",
      file("odd", "*filter\n:INPUT DROP\nwhat is this\nCOMMIT\n"),
    ]);
    expect(forced.stdout).toContain("policy drop");
    expect(forced.stderr).toContain("what is this");
  });
});

describe("what cannot be answered: one line that says what to do", () => {
  test.each<[string, () => string[], RegExp]>([
    ["a missing file", () => ["no-such-file"], /no-such-file.*check the name/],
    [
      "prose",
      () => [file("prose", "Dear all,\nnothing works.\n")],
      /no rules in it; give the output of nft list ruleset/,
    ],
    [
      "commands",
      () => [file("fw.sh", "iptables -A INPUT -j DROP\n")],
      /commands that change rules, but no listing/,
    ],
    [
      "chains that are on no hook",
      () => [file("user", "table ip x {\n\tchain c {\n\t\taccept\n\t}\n}\n")],
      /no base chain/,
    ],
    ["a binary file", () => [file("bin", Buffer.from([0x7f, 0x45, 0, 0, 1]))], /a binary file, not text/],
    ["files and a namespace", () => [LEGACY, "--netns", "x"], /not both/],
    [
      "a namespace that is none",
      () => ["--netns", "nfp-none"],
      /no network namespace nfp-none|needs CAP_NET_ADMIN|not Linux/,
    ],
    ["a family that is none", () => ["--family", "ipx"], /ipx.*ip, ip6, inet/],
    ["a format that is none", () => ["--format", "jsonl"], /jsonl.*tree, json, md/],
  ])("%s", async (_what, words, expected) => {
    const { status, stdout, stderr } = await nfpath(["hooks", ...words()]);
    expect(stdout).toBe("");
    expect(stderr).toMatch(expected);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect([2, 3]).toContain(status);
  });
});
