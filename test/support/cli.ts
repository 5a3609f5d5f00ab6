/** Runs the built program as a person would. `npm test` builds it first. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");
const program = join(root, "dist/cli/main.js");

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Closes standard output after the first chunk, as `head` does. */
  readonly closesEarly?: boolean;
  /** Words that run it: `unshare -m …`. */
  readonly under?: readonly string[];
}

export function nfpath(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
  if (!existsSync(program)) throw new Error("the program is not built: npm run build");
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...env } = process.env;
  const [first = "", ...rest] = [...(options.under ?? []), process.execPath, program, ...words];
  const child = spawn(first, rest, {
    cwd: options.cwd ?? root,
    env: { ...env, ...options.env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
    if (options.closesEarly) child.stdout.destroy();
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  child.stdin.on("error", () => {
    // It may end without reading what it is given.
  });
  child.stdin.end(options.input ?? "");
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (status) => done({ status, stdout, stderr }));
  });
}
