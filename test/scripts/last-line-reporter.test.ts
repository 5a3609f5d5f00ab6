/** The last line is what scripts read, so it is tried on test runs that end in every way a run can end. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const HEAD = `import { beforeAll, describe, expect, it } from "vitest";\n`;

/** The files of a project, and how its run must end. */
const RUNS: Readonly<
  Record<string, { files: Record<string, string>; lastLine: string; status: number; shows?: string[] }>
> = {
  "all that runs passes": {
    files: {
      "a.test.js": `${HEAD}it("one", () => {});
        describe.skip("against the kernel (needs root)", () => {
          it("two", () => {});
          describe("deeper", () => { it("three", () => {}); });
        });
        it("four", (context) => context.skip("no nft here"));
        it.todo("five");`,
    },
    lastLine: "1 passed, 0 failed, 4 skipped",
    status: 0,
    shows: ["2 × a.test.js > against the kernel (needs root)\n", "1 × a.test.js > four: no nft here\n"],
  },
  "one fails": {
    files: { "a.test.js": `${HEAD}it("one", () => {}); it("two", () => expect(1).toBe(2));` },
    lastLine: "1 passed, 1 failed, 0 skipped",
    status: 1,
  },
  "a file does not load": {
    files: { "a.test.js": `${HEAD}it("one", () => {});`, "b.test.js": `import "./nowhere.js";` },
    lastLine: "1 passed, 1 failed, 0 skipped",
    status: 1,
  },
  "a hook fails before its tests": {
    files: {
      "a.test.js": `${HEAD}describe("group", () => {
        beforeAll(() => { throw new Error("no"); });
        it("one", () => {});
      });`,
    },
    lastLine: "0 passed, 1 failed, 1 skipped",
    status: 1,
  },
  "an error comes from nowhere": {
    files: {
      "a.test.js": `${HEAD}it("one", async () => {
        Promise.reject(new Error("stray"));
        await new Promise((resolve) => setTimeout(resolve, 50));
      });`,
    },
    lastLine: "1 passed, 1 failed, 0 skipped",
    status: 1,
  },
  "there is no test": { files: {}, lastLine: "0 passed, 0 failed, 0 skipped", status: 1 },
};

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "nfpath-reporter-"));
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
});

afterAll(() => rmSync(directory, { recursive: true }));

it.each(Object.entries(RUNS))("%s", (name, { files, lastLine, status, shows = [] }) => {
  const project = join(directory, name.replaceAll(/\W/g, "-"));
  mkdirSync(project);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(project, file), text);
  const { NFPATH_TEST_SUMMARY_FILE: _, ...env } = process.env;
  const run = spawnSync(
    process.execPath,
    [
      join(root, "node_modules", "vitest", "vitest.mjs"),
      "run",
      `--root=${project}`,
      "--reporter=default",
      `--reporter=${join(root, "scripts", "last-line-reporter.js")}`,
    ],
    { cwd: project, encoding: "utf8", env },
  );
  expect(run.stdout.trimEnd().split("\n").at(-1)).toBe(lastLine);
  expect(run.status).toBe(status);
  for (const line of shows) expect(run.stdout).toContain(line);
});
