/** What the documents say is tried: commands run, options exist, folders are there. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ACTION_KINDS } from "../src/core/plans/plan.ts";
import { nfpath, root } from "./support/cli.ts";

const readme = readFileSync(join(root, "README.md"), "utf8");
const architecture = readFileSync(join(root, "docs/architecture.md"), "utf8");

/** Lines of the shell examples, without comments. */
const commands = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)]
  .flatMap((block) => (block[1] ?? "").split("\n"))
  .map((line) => line.replace(/ {2,}#.*$/, "").trim())
  .filter((line) => line !== "");

test("examples over files that are part of the project run as written", async () => {
  const runnable = commands.filter((line) => /^\.\/nfpath explain( examples\/\S+)+$/.test(line));
  expect(runnable.length).toBeGreaterThan(0);
  for (const line of runnable) {
    const { status, stdout } = await nfpath(line.split(" ").slice(1));
    expect([line, status]).toEqual([line, 0]);
    expect(stdout).toContain("nat-from-conntrack");
  }
});

test("the picture in the README is what the program prints", async () => {
  const picture = (/```\n(1 {2}UDP[\s\S]*?)```/.exec(readme)?.[1] ?? "").split(/\s+/).join(" ").trim();
  const { stdout } = await nfpath([
    ...["explain", "examples/docker-udp/trace.log", "examples/docker-udp/iptables-save.txt"],
  ]);
  expect(picture).not.toBe("");
  expect(stdout.split(/\s+/).join(" ").startsWith(picture)).toBe(true);
});

test("every option that the README uses is in --help", async () => {
  for (const name of ["explain", "trace", "hooks"]) {
    const { stdout: help } = await nfpath([name, "--help"]);
    const lines = commands.filter((line) => line.includes(`nfpath ${name}`));
    const flags = lines.flatMap((line) => (line.split(" -- ")[0] ?? "").match(/--[a-z]+/g) ?? []);
    expect(flags.length).toBeGreaterThan(0);
    for (const flag of flags) expect(help).toContain(flag);
  }
});

test("docs/host-changes.md tells of every kind of change that a plan can hold, and of its undo", () => {
  const changes = readFileSync(join(root, "docs/host-changes.md"), "utf8");
  const sections = new Map(
    [...changes.matchAll(/^### `([a-z-]+)`\n([\s\S]*?)(?=^##)/gm)].map((match) => [match[1], match[2] ?? ""]),
  );
  expect([...sections.keys()].toSorted()).toEqual([...ACTION_KINDS].toSorted());
  for (const kind of ACTION_KINDS)
    expect([kind, sections.get(kind)]).toEqual([kind, expect.stringMatching(/by hand|undo/i)]);
});

test("the folders of docs/architecture.md are those of the project", () => {
  const named = [...architecture.matchAll(/^\| `(src\/[a-z/]+)` +\|/gm)].map((match) => match[1] ?? "");
  for (const folder of named) expect([folder, existsSync(join(root, folder))]).toEqual([folder, true]);
  const real = [
    ...readdirSync(join(root, "src/core"), { withFileTypes: true }).map((entry) => ({
      entry,
      parent: "src/core",
    })),
    ...readdirSync(join(root, "src"), { withFileTypes: true }).map((entry) => ({ entry, parent: "src" })),
  ]
    .filter(({ entry }) => entry.isDirectory() && entry.name !== "core")
    .map(({ entry, parent }) => `${parent}/${entry.name}`);
  expect(named.toSorted()).toEqual(real.toSorted());
});
