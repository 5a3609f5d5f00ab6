/**
 * Every scenario as a recording: the printed script collects while its packets are sent, and what `explain` makes of the collection
 * agrees with the truth as the live trace does.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { recordScenario } from "../../src/app/lab-recording.ts";
import { compare } from "../../src/lab/scenarios/verdict.ts";
import { explainCollection, treeOf } from "../support/explained.ts";
import { lacking, lacks, scenarioRuns } from "../support/scenario-runs.ts";

let scratch: string;

/** A script sleeps for a second at its start and at its end. */
vi.setConfig({ maxConcurrency: 10 });

describe.skipIf(lacks !== null)(`recorded${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "nfpath-recordings-"));
  });
  afterAll(() => rmSync(scratch, { recursive: true }));

  for (const [run, why] of lacking) it.skip(`${run} (skipped: ${why})`);

  it.concurrent.each(scenarioRuns)("%s, %s", async (name, variant, scenario) => {
    const directory = mkdtempSync(join(scratch, `${name}-${variant}-`));
    const recorded = await recordScenario(scenario, variant, directory);
    if (!recorded.ok) throw new Error(`${recorded.error.message}; ${recorded.error.hint}`);
    expect(recorded.value.objections, "the kernel's word").toEqual([]);
    for (const [host, path] of Object.entries(recorded.value.collections)) {
      const explained = await explainCollection(path);
      const ofHost = { ...scenario, truths: scenario.truths.filter((truth) => truth.host === host) };
      expect(
        compare(ofHost, variant, explained, { netns: null, besides: [], isCollection: true }).wrong,
        treeOf(explained),
      ).toEqual([]);
    }
  });
});
