/** Runs `explain` over inputs in memory and gives what a person and a program would see. */
import { openEvidence } from "../../src/app/evidence.ts";
import { type ExplainReport, explain } from "../../src/app/explain.ts";
import type { Explained } from "../../src/core/diagnosis/diagnose.ts";
import { type JourneyContract, journeyContract } from "../../src/core/views/contract.ts";
import { describeJourney, UNICODE } from "../../src/core/views/tree.ts";
import type { TextInput } from "../../src/sources/text-input.ts";

export interface Explanation {
  readonly explained: readonly Explained[];
  readonly journeys: readonly JourneyContract[];
  /** What the terminal shows, 100 columns, without colour. */
  readonly tree: string;
  readonly report: ExplainReport;
}

export async function explainInputs(
  inputs: readonly TextInput[],
  year: number | null = null,
): Promise<Explanation> {
  const explained: Explained[] = [];
  const done = await explain({ inputs, ruleInputs: [], year }, (journey) => {
    explained.push(journey);
  });
  if (!done.ok) throw new Error(`${done.error.message}; ${done.error.hint}`);
  return { explained, journeys: explained.map(journeyContract), tree: treeOf(explained), report: done.value };
}

/** What the printed script left: a directory, or its tar. Nothing where there is no packet in it, as there should not be in some. */
export async function explainCollection(path: string): Promise<readonly Explained[]> {
  const evidence = openEvidence([path]);
  if (!evidence.ok) throw new Error(evidence.error.message);
  const explained: Explained[] = [];
  await explain({ ...evidence.value, year: null }, (one) => {
    explained.push(one);
  });
  return explained;
}

export function treeOf(explained: readonly Explained[]): string {
  const lines = explained.flatMap((journey) => describeJourney(journey, { columns: 100, glyphs: UNICODE }));
  return `${lines
    .map((line) =>
      line
        .map((span) => span.text)
        .join("")
        .trimEnd(),
    )
    .join("\n")
    .trimEnd()}\n`;
}
