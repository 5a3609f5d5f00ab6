/**
 * `npm run bench`: measures nfpath beside other tools and prints a table; docs/performance.md says what each row means.
 *
 *     npm run bench -- [--only GROUP,…] [--runs N] [--smoke] [--up-to 5GB] [--seed N] [--json]
 *
 * Status 1 when a row failed.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Bench, type Choices, type Group } from "./bench.ts";
import { isAlive, killRunning } from "./measure.ts";
import { BENCH_SCHEMA, type BenchResult, commitNow, machineNow, saveResult } from "./result-file.ts";
import type { AnyRow } from "./row.ts";
import { cost } from "./rows/cost.ts";
import { linking } from "./rows/linking.ts";
import { live } from "./rows/live.ts";
import { offline } from "./rows/offline.ts";
import { rules } from "./rows/rules.ts";
import { start } from "./rows/start.ts";
import { tableOf } from "./table.ts";

const GROUPS: readonly Group[] = [offline, live, cost, start, rules, linking];

const NOTES = ["There is no page yet, so nothing is measured in a browser."];

const UNITS: Readonly<Record<string, number>> = { "": 1, kb: 1e3, mb: 1e6, gb: 1e9 };

/** Begins the name of the directory for inputs; the process's id follows. */
const WORK = "nfpath-bench-";

class WrongWords extends Error {}

async function main(): Promise<number> {
  const { choices, groups, isJson } = readWords();
  removeAbandoned();
  const work = mkdtempSync(join(tmpdir(), `${WORK}${process.pid}-`));
  let isOver = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      isOver = true;
      // Rows notice, and tidy what they made.
      killRunning();
    });
  }
  const began = performance.now();
  const loadBefore = loadavg()[0] ?? 0;
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const bench = new Bench(choices, work, say, () => isOver);
  try {
    // A smoke run's figures mean nothing, so its groups need not wait for each other.
    if (choices.size === "smoke") await Promise.all(groups.map((group) => group.run(bench)));
    else for (const group of groups) if (!isOver) await group.run(bench);
  } finally {
    killRunning();
    rmSync(work, { recursive: true });
  }
  if (isOver) return 1;
  const result: BenchResult = {
    schema: BENCH_SCHEMA,
    date: new Date().toISOString(),
    commit: commitNow(),
    machine: machineNow(loadBefore),
    choices,
    seconds: Math.round((performance.now() - began) / 1000),
    rows: inOrder(bench.rows),
    notes: NOTES,
  };
  if (choices.size === "normal") say(`kept in ${saveResult(result)}`);
  process.stdout.write(isJson ? `${JSON.stringify(result, null, 1)}\n` : `${wordsOf(result).join("\n")}\n`);
  return bench.rows.length === 0 || bench.rows.some((row) => "failed" in row) ? 1 : 0;
}

/** What a bench that was killed has left: it may be large. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid] = /^nfpath-bench-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(tmpdir(), name), { recursive: true });
  }
}

/** By group; within one as they were measured. */
function inOrder(rows: readonly AnyRow[]): readonly AnyRow[] {
  const place = ({ id }: AnyRow) => GROUPS.findIndex(({ name }) => id === name || id.startsWith(`${name}/`));
  return rows.toSorted((a, b) => place(a) - place(b));
}

function wordsOf({ machine, rows, notes, seconds, choices }: BenchResult): readonly string[] {
  const { cpu, cpus, memory, kernel, node, load } = machine;
  return [
    `${cpus} × ${cpu}, ${Math.round(memory / 2 ** 30)} GiB, Linux ${kernel}, Node ${node}; load ${load.join(" → ")}`,
    `medians of ${choices.runs} (least–most), taken in turn; ${seconds} s in all`,
    "",
    ...tableOf(rows),
    "",
    ...notes,
  ];
}

function readWords(): {
  readonly choices: Choices;
  readonly groups: readonly Group[];
  readonly isJson: boolean;
} {
  const { values } = parse();
  const isSmoke = values.smoke ?? false;
  const size = isSmoke ? "smoke" : "normal";
  const upTo = values["up-to"] === undefined ? (isSmoke ? 2e4 : 100e6) : bytesOf(values["up-to"]);
  const runs = numberOf("--runs", values.runs ?? (isSmoke ? "1" : "3"));
  const seed = numberOf("--seed", values.seed ?? "1");
  const names = (values.only ?? []).flatMap((words) => words.split(","));
  for (const name of names) {
    if (!GROUPS.some((group) => group.name === name))
      throw new WrongWords(`--only ${name}: there are ${GROUPS.map((group) => group.name).join(", ")}`);
  }
  return {
    choices: { size, runs, upTo, seed },
    groups: names.length === 0 ? GROUPS : GROUPS.filter(({ name }) => names.includes(name)),
    isJson: values.json ?? false,
  };
}

function parse() {
  try {
    return parseArgs({
      options: {
        only: { type: "string", multiple: true },
        runs: { type: "string" },
        seed: { type: "string" },
        smoke: { type: "boolean" },
        json: { type: "boolean" },
        "up-to": { type: "string" },
      },
    });
  } catch (error) {
    throw new WrongWords(error instanceof Error ? error.message : String(error));
  }
}

function numberOf(flag: string, word: string): number {
  const value = Number(word);
  if (!Number.isInteger(value) || value < 1)
    throw new WrongWords(`${flag} ${word}: give a whole number from 1 on`);
  return value;
}

function bytesOf(word: string): number {
  const [, number = "", unit = ""] = /^(\d+)([a-z]*)$/i.exec(word) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  if (number === "" || factor === undefined)
    throw new WrongWords(`--up-to ${word}: give a size, like 500MB or 5GB`);
  return Number(number) * factor;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof WrongWords)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 2;
}
