/** Generated input, written to files by the generator's own process, with the truth about it. */
import { createWriteStream } from "node:fs";
import { type Bench, ownProgram } from "./bench.ts";
import type { Truth } from "./generate/traffic.ts";
import { ended, gathered, startTied } from "./measure.ts";

export interface Generated extends Truth {
  readonly bytes: number;
}

/** The generator's command line, with the bench's seed. */
export function generator(bench: Bench, words: readonly string[]): readonly string[] {
  return [...ownProgram("generate/main.js"), ...words, "--seed", String(bench.choices.seed)];
}

/** Writes a generator's output to a file; what it said of it: for traces, the truth as JSON. */
export async function generateFile(bench: Bench, path: string, words: readonly string[]): Promise<string> {
  const child = startTied(generator(bench, words), ["ignore", "pipe", "pipe"]);
  const said = gathered(child.stderr);
  const file = createWriteStream(path);
  const written = new Promise<void>((resolve) => file.once("close", () => resolve()));
  child.stdout?.pipe(file);
  const [status] = await Promise.all([ended(child), written]);
  if (status !== 0) throw new Error(`the generator failed: ${said()}`);
  return said();
}

/** The same for a trace, whose truth comes back. */
export async function generateTrace(
  bench: Bench,
  path: string,
  words: readonly string[],
): Promise<Generated> {
  return JSON.parse(await generateFile(bench, path, words)) as Generated;
}
