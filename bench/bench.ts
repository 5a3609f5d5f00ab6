/** What a group of rows is given: how large, how often, where to put its files, and where its rows go. */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { runSuccessfully } from "../src/linux/process.ts";
import { findProgram } from "../src/linux/programs.ts";
import type { AnyRow, Row } from "./row.ts";

/** The project's folder: this file runs as .cache/bench/bench/bench.js. */
export const ROOT = resolve(import.meta.dirname, "../../..");

/** The built program, by the node that runs the bench. */
export const NFPATH: readonly string[] = [process.execPath, join(ROOT, "dist/cli/main.js")];

/** A program of the bench's own beside the compiled bench: `inner/decode.js`. */
export function ownProgram(path: string): readonly string[] {
  return [process.execPath, join(import.meta.dirname, path)];
}

export interface Choices {
  /** `smoke`: everything once and tiny, to see that it works. */
  readonly size: "smoke" | "normal";
  readonly runs: number;
  /** The largest input whose growth is measured, in bytes. */
  readonly upTo: number;
  readonly seed: number;
}

/** A group of rows: its name is what `--only` takes. */
export interface Group {
  readonly name: string;
  readonly run: (bench: Bench) => Promise<void>;
}

/** Why a row is left out, thrown by whoever finds out. */
export class CannotHere extends Error {}

export class Bench {
  readonly rows: AnyRow[] = [];
  readonly choices: Choices;
  /** A directory for inputs, in memory where that is large enough; removed at the end. */
  readonly work: string;
  readonly #say: (text: string) => void;
  readonly #isOver: () => boolean;
  #files = 0;
  readonly #built = new Map<string, Promise<string>>();

  constructor(choices: Choices, work: string, say: (text: string) => void, isOver: () => boolean) {
    this.choices = choices;
    this.work = work;
    this.#say = say;
    this.#isOver = isOver;
  }

  get isSmoke(): boolean {
    return this.choices.size === "smoke";
  }

  say(text: string): void {
    this.#say(text);
  }

  /** Measures rows that belong together; a failure becomes a row that says so, and the others go on. */
  async measure(id: string, title: string, make: () => Promise<Row | readonly Row[]>): Promise<void> {
    if (this.#isOver()) return;
    this.#say(`${id}: ${title}`);
    try {
      const made = await make();
      this.rows.push(...(isOne(made) ? [made] : made));
    } catch (error) {
      if (this.#isOver()) return;
      const why = (error instanceof Error ? error.message : String(error)).replaceAll("\n", "; ");
      this.rows.push(error instanceof CannotHere ? { id, title, skipped: why } : { id, title, failed: why });
      this.#say(`  ${error instanceof CannotHere ? "left out" : "FAILED"}: ${why}`);
    }
  }

  /** A path of a file that is not there yet; another each time. */
  newFile(name: string): string {
    return join(this.work, `${++this.#files}-${name}`);
  }

  /** The path of a program of `bench/native`, built once. */
  native(name: string): Promise<string> {
    const built = this.#built.get(name) ?? build(name, this.work);
    this.#built.set(name, built);
    return built;
  }
}

function isOne(made: Row | readonly Row[]): made is Row {
  return !Array.isArray(made);
}

async function build(name: string, work: string): Promise<string> {
  const compiler = ["cc", "gcc", "clang"].find((program) => findProgram(program) !== null);
  if (compiler === undefined)
    throw new CannotHere("there is no C compiler: apt-get install gcc libc6-dev (Debian, Ubuntu)");
  const directory = join(work, "native");
  mkdirSync(directory, { recursive: true });
  const program = join(directory, name);
  const source = join(ROOT, "bench/native", `${name}.c`);
  const run = await runSuccessfully(compiler, ["-O2", "-Wall", "-Werror", "-o", program, source]);
  if (!run.ok) throw new Error(run.error.message);
  return program;
}
