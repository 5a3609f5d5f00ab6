/** `nfpath diff A B`: where two ways part, on one screen. */
import { type Diff, diff } from "../app/diff.ts";
import type { ExitStatus } from "../app/refusal.ts";
import { diffContract } from "../core/views/diff-contract.ts";
import { describeJourneyDiff, describeRecordingDiff } from "../core/views/diff-tree.ts";
import type { Line } from "../core/views/styled.ts";
import type { TreeOptions } from "../core/views/tree.ts";
import type { DiffFormat } from "./choices.ts";
import { treeWriter } from "./formats.ts";
import { Output } from "./output.ts";
import { sayRefusal } from "./say.ts";

export interface DiffFlags {
  readonly rules: readonly string[];
  readonly year?: number;
  readonly format: DiffFormat;
}

export async function diffCommand(
  a: string,
  b: string,
  shared: readonly string[],
  flags: DiffFlags,
): Promise<ExitStatus> {
  const done = await diff({ a, b, shared, rules: flags.rules, year: flags.year ?? null });
  if (!done.ok) {
    sayRefusal(done.error);
    return done.error.status;
  }
  const output = new Output(process.stdout);
  const { journeys, recordings, names } = done.value;
  await output.write(
    flags.format === "json"
      ? `${JSON.stringify(diffContract(journeys, recordings))}\n`
      : treeWriter(output)((options) => describeDiff(done.value, { a, b }, { ...options }, names)),
  );
  return 0;
}

function describeDiff(
  { journeys, recordings }: Diff,
  files: Diff["names"],
  options: TreeOptions,
  names: Diff["names"],
): readonly Line[] {
  const lines = recordings === null ? [] : [...describeRecordingDiff(recordings, files, options)];
  if (journeys === null) return lines;
  if (lines.length > 0) lines.push([]);
  return [...lines, ...describeJourneyDiff(journeys, names, options)];
}
