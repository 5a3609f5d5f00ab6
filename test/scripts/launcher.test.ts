/** `./nfpath` in a tree of its own, with a program and a set-up that only say that they ran. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const OLD = new Date(2020, 0, 1);
const YOUNG = new Date(2021, 0, 1);

let directory: string;
let tree: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "nfpath-launcher-"));
  tree = join(directory, "a tree's name");
  const files = {
    "package.json": "{}",
    "package-lock.json": "{}",
    "tsconfig.base.json": "{}",
    "tsconfig.build.json": "{}",
    "src/a.ts": "",
    "dist/.stamp": "",
    "dist/cli/main.js": `console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 4;`,
    "scripts/setup.js": `console.error("set up", ...process.argv.slice(2));`,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
    utimesSync(join(tree, path), OLD, OLD);
  }
  utimesSync(join(tree, "src"), OLD, OLD);
  copyFileSync(join(root, "nfpath"), join(tree, "nfpath"));
});

afterEach(() => rmSync(directory, { recursive: true }));

function launch(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  return spawnSync(program, args, { cwd: directory, encoding: "utf8", env });
}

/** A search path whose `node` is the given shell script, or on which there is none. */
function pathWithNode(script: string | null): NodeJS.ProcessEnv {
  const programs = join(directory, "programs");
  mkdirSync(programs);
  for (const program of ["sh", "dirname", "readlink", "find", "head"]) {
    symlinkSync(
      spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).stdout.trim(),
      join(programs, program),
    );
  }
  if (script !== null) {
    writeFileSync(join(programs, "node"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(programs, "node"), 0o755);
  }
  return { PATH: programs };
}

describe("the launcher", () => {
  it("passes arguments and exit status on, and does not set up what is built", () => {
    const { stdout, stderr, status } = launch(join(tree, "nfpath"), ["explain", "a file", "*"]);
    expect(JSON.parse(stdout)).toEqual(["explain", "a file", "*"]);
    expect(stderr).toBe("");
    expect(status).toBe(4);
  });

  it("sets up first when a source is younger than the build", () => {
    utimesSync(join(tree, "src", "a.ts"), YOUNG, YOUNG);
    expect(launch(join(tree, "nfpath"), []).stderr).toBe("set up --for-launcher\n");
  });

  it("sets up first when nothing was built", () => {
    rmSync(join(tree, "dist", ".stamp"));
    expect(launch(join(tree, "nfpath"), []).stderr).toBe("set up --for-launcher\n");
  });

  it("does not run a program that could not be built", () => {
    rmSync(join(tree, "dist", ".stamp"));
    writeFileSync(join(tree, "scripts", "setup.js"), "process.exitCode = 1;");
    const { stdout, status } = launch(join(tree, "nfpath"), []);
    expect(stdout).toBe("");
    expect(status).toBe(1);
  });

  it("finds its tree through symbolic links, relative and absolute", () => {
    mkdirSync(join(directory, "bin"));
    symlinkSync("../a tree's name/nfpath", join(directory, "bin", "first"));
    symlinkSync(join(directory, "bin", "first"), join(directory, "second"));
    expect(launch(join(directory, "second"), ["hooks"]).stdout).toBe('["hooks"]\n');
    expect(launch("sh", ["second", "hooks"]).stdout).toBe('["hooks"]\n');
  });

  it("says what is missing without Node", () => {
    const { stderr, status } = launch(join(tree, "nfpath"), [], pathWithNode(null));
    expect(stderr).toMatch(/^nfpath: Node is not installed .* 20\.19 or newer.*\n$/);
    expect(status).toBe(1);
  });

  it.each(["v20.18.1", "v18.20.4"])("refuses Node %s", (version) => {
    const { stderr, status } = launch(join(tree, "nfpath"), [], pathWithNode(`echo ${version}`));
    expect(stderr).toMatch(new RegExp(`^nfpath: this is Node ${version}, .* 20\\.19 or newer.*\n$`));
    expect(status).toBe(1);
  });
});
