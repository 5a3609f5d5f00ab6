/** The results of a run as JSON, `nfpath/bench@1`, with what machine and tools they came from. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { findProgram } from "../src/linux/programs.ts";
import { type Choices, ROOT } from "./bench.ts";
import type { AnyRow } from "./row.ts";

export const BENCH_SCHEMA = "nfpath/bench@1";

export interface BenchResult {
  readonly schema: typeof BENCH_SCHEMA;
  /** UTC, when it ended. */
  readonly date: string;
  /** Of the project, as git names it; null outside git. */
  readonly commit: string | null;
  readonly machine: Machine;
  readonly choices: Choices;
  readonly seconds: number;
  readonly rows: readonly AnyRow[];
  /** What is measured nowhere, and why. */
  readonly notes: readonly string[];
}

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly kernel: string;
  readonly node: string;
  /** Over a minute, before it began and when it ended: others may have been at work. */
  readonly load: readonly [number, number];
  /** First line that each tool says of itself; null for one that is not installed. */
  readonly tools: Readonly<Record<string, string | null>>;
}

const TOOLS: Readonly<Record<string, readonly string[]>> = {
  mawk: ["-W", "version"],
  grep: ["--version"],
  python3: ["--version"],
  nft: ["--version"],
  "iptables-legacy": ["--version"],
  tcpdump: ["--version"],
  bpftrace: ["--version"],
  gcc: ["--version"],
};

export function machineNow(loadBefore: number): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "",
    cpus: cpus().length,
    memory: totalmem(),
    kernel: release(),
    node: process.version,
    load: [loadBefore, loadavg()[0] ?? 0],
    tools: Object.fromEntries(Object.entries(TOOLS).map(([tool, args]) => [tool, versionOf(tool, args)])),
  };
}

function versionOf(tool: string, args: readonly string[]): string | null {
  const path = findProgram(tool);
  return path === null ? null : firstLineOf(path, args);
}

function firstLineOf(program: string, args: readonly string[]): string | null {
  try {
    const said = execFileSync(program, args, {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return said.split("\n", 1)[0] ?? "";
  } catch {
    // One that does not want to tell its version is here all the same.
    return "";
  }
}

export function commitNow(): string | null {
  if (!existsSync(join(ROOT, ".git"))) return null;
  const said = firstLineOf("git", ["describe", "--always", "--dirty"]);
  return said === "" ? null : said;
}

/** Writes a result below `bench/results`; the path. */
export function saveResult(result: BenchResult): string {
  const directory = join(ROOT, "bench/results");
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${result.date.replaceAll(":", "").slice(0, 17)}.json`);
  writeFileSync(path, `${JSON.stringify(result, null, 1)}\n`);
  return path;
}

/** Throws with what to do where it is not a result. */
export function readResult(path: string): BenchResult {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (typeof value !== "object" || value === null || !("schema" in value) || value.schema !== BENCH_SCHEMA)
    throw new Error(
      `${path}: not ${BENCH_SCHEMA}: give files of bench/results, or of npm run bench -- --json`,
    );
  return value as BenchResult;
}
