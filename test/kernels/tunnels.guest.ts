/**
 * Scenarios of tunnels and IPsec, which a kernel for test machines may not have: live, and as recordings, which are kept (see guest/run.sh).
 */
import { copyFileSync, mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { recordScenario } from "../../src/app/lab-recording.ts";
import { runScenario } from "../../src/app/lab-scenarios.ts";
import type { Explained } from "../../src/core/diagnosis/diagnose.ts";
import { TUNNELS } from "../../src/lab/scenarios/families/tunnels.ts";
import { variantsOf } from "../../src/lab/scenarios/scenario.ts";
import { compare } from "../../src/lab/scenarios/verdict.ts";
import { explainCollection, treeOf } from "../support/explained.ts";

const KEPT = "/run/kept/recordings";
const runs = TUNNELS.flatMap((scenario) =>
  variantsOf(scenario).map((variant) => [scenario.name, variant, scenario] as const),
);

it.each(runs)("%s, %s, live", async (_, variant, scenario) => {
  const explained: Explained[] = [];
  const { signal } = new AbortController();
  const run = await runScenario(scenario, variant, { signal }, (one) => {
    explained.push(one);
  });
  if (!run.ok) throw new Error(`${run.error.message}; ${run.error.hint}`);
  expect(run.value.objections, "the kernel's word").toEqual([]);
  expect(compare(scenario, variant, explained, run.value.witness).wrong, treeOf(explained)).toEqual([]);
});

it.each(runs)("%s, %s, recorded", async (name, variant, scenario) => {
  const recorded = await recordScenario(scenario, variant, mkdtempSync("/tmp/nfpath-record-"));
  if (!recorded.ok) throw new Error(`${recorded.error.message}; ${recorded.error.hint}`);
  expect(recorded.value.objections, "the kernel's word").toEqual([]);
  for (const [host, path] of Object.entries(recorded.value.collections)) {
    mkdirSync(KEPT, { recursive: true });
    copyFileSync(`${path}.tar`, join(KEPT, `${name}-${variant}-${host}.tar`));
    const explained = await explainCollection(path);
    const { wrong } = compare(scenario, variant, explained, { netns: null, besides: [], isCollection: true });
    expect(wrong, treeOf(explained)).toEqual([]);
  }
});
