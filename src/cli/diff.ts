/** `nfpath diff A B`: where two ways part, on one screen. */
import { type Diff, diff } from "../app/diff.ts";
import type { ExitStatus } from "../app/refusal.ts";
import { diffContract } from "../core/views/diff-contract.ts";
import { markdownJourneyDiff, markdownRecordingDiff } from "../core/views/diff-markdown.ts";
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
  await output.write(textOf(done.value, { a, b }, flags.format, output));
  return 0;
}

/** @param files how the two are called on the command line */
function textOf(found: Diff, files: Diff["names"], format: DiffFormat, output: Output): string {
  const { journeys, recordings, names } = found;
  switch (format) {
    case "json":
      return `${JSON.stringify(diffContract(journeys, recordings))}\n`;
    case "md":
      return `${[
        ...(recordings === null ? [] : markdownRecordingDiff(recordings, files)),
        ...(journeys === null ? [] : markdownJourneyDiff(journeys, names)),
      ].join("\n")}\n`;
    case "tree":
      return treeWriter(output)((options) => describeDiff(found, files, options));
  }
}

function describeDiff(
  { journeys, recordings, names }: Diff,
  files: Diff["names"],
  options: TreeOptions,
): readonly Line[] {
  const lines = recordings === null ? [] : [...describeRecordingDiff(recordings, files, options)];
  if (journeys === null) return lines;
  if (lines.length > 0) lines.push([]);
  return [...lines, ...describeJourneyDiff(journeys, names, options)];
}
