/**
 * Scenarios as they were recorded by scripts/record-scenarios.js, explained where none can be built: without root, off Linux. The
 * truth is the scenario's own, which the kernel has proved while it was recorded.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { SCENARIOS } from "../../src/lab/scenarios/catalogue.ts";
import { VARIANTS } from "../../src/lab/scenarios/scenario.ts";
import { compare } from "../../src/lab/scenarios/verdict.ts";
import { explainCollection, treeOf } from "../support/explained.ts";

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".tar"));

const recordings = SCENARIOS.flatMap((scenario) =>
  VARIANTS.flatMap((variant) =>
    scenario.trace.hosts.map((host) => ({
      file: `${scenario.name}-${variant}-${host}.tar`,
      scenario,
      variant,
      host,
    })),
  ),
).filter(({ file }) => files.includes(file));

const notShown: string[] = [];
afterAll(() => console.log(`${notShown.length} truths that no collection shows: ${notShown.join("; ")}`));

it("each scenario is recorded, and each recording is one's", () => {
  const recorded = new Set(recordings.map(({ scenario }) => scenario.name));
  expect(SCENARIOS.filter(({ name }) => !recorded.has(name)).map(({ name }) => name)).toEqual([]);
  expect(recordings.map(({ file }) => file).toSorted()).toEqual(files.toSorted());
});

it.each(recordings)("$file", async ({ file, scenario, variant, host }) => {
  const explained = await explainCollection(join(import.meta.dirname, file));
  const ofHost = { ...scenario, truths: scenario.truths.filter((truth) => truth.host === host) };
  const { wrong, unseen } = compare(ofHost, variant, explained, {
    netns: null,
    besides: [],
    isCollection: true,
  });
  for (const packet of unseen) notShown.push(`${scenario.name}: ${packet}`);
  expect(wrong, treeOf(explained)).toEqual([]);
});
