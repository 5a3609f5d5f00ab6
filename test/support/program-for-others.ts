/**
 * The built program for a user who may not read this project's folder: a clone in a home of mode 0700, or one made under umask 077.
 * Node itself may live in such a home too. What others cannot run is copied to where they can, once for each test file, and is
 * removed behind its last test.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { root } from "./cli.ts";

/** Words of setpriv that make a process one without any right, of `nobody`. */
export const AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] as const;

type Words = readonly [node: string, program: string];

const copies: string[] = [];
let words: Words | null = null;

afterAll(() => {
  for (const copy of copies) rmSync(copy, { recursive: true });
});

/** The words that start nfpath, whoever starts it. Needs root, setpriv and a build. */
export function programForOthers(): Words {
  words ??= readableWords();
  return words;
}

function readableWords(): Words {
  const here = [process.execPath, join(root, "dist/cli/main.js")] as const;
  if (!existsSync(here[1])) throw new Error("the program is not built: npm run build");
  if (canOthersRun(here)) return here;
  for (const parent of new Set([tmpdir(), "/tmp"])) {
    const copy = copyInto(parent);
    if (canOthersRun(copy)) return copy;
  }
  throw new Error("user nobody can run no program in /tmp: mount it without noexec");
}

function canOthersRun(program: Words): boolean {
  const [setpriv, ...user] = AS_NOBODY;
  return spawnSync(setpriv, [...user, ...program, "--version"]).status === 0;
}

/** What `npm pack` and an install without the tools of development would put there. */
function copyInto(parent: string): Words {
  const copy = mkdtempSync(join(parent, "nfpath-for-others-"));
  copies.push(copy);
  for (const part of ["dist", "package.json", ...runtimePackages()]) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  const [setpriv, ...user] = AS_NOBODY;
  let node = process.execPath;
  if (spawnSync(setpriv, [...user, node, "--version"]).status !== 0) {
    node = join(copy, "node");
    cpSync(realpathSync(process.execPath), node);
  }
  spawnSync("chmod", ["-R", "a+rX", copy]);
  return [node, join(copy, "dist/cli/main.js")];
}

/** Folders below the project's; those of other platforms are not installed. */
function runtimePackages(): string[] {
  const lock: { packages: Record<string, { dev?: boolean }> } = JSON.parse(
    readFileSync(join(root, "package-lock.json"), "utf8"),
  );
  return Object.entries(lock.packages).flatMap(([path, { dev }]) =>
    path !== "" && dev !== true && existsSync(join(root, path)) ? [path] : [],
  );
}
