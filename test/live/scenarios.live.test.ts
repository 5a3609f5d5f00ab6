/**
 * Every scenario against the real kernel: the kernel bears out its truth, and nfpath tells the same, live.
 *
 * Several run at once: most of a run is waiting, and each has namespaces of its own.
 */
import { afterAll, describe, expect, it } from "vitest";
import { runScenario } from "../../src/app/lab-scenarios.ts";
import type { Explained } from "../../src/core/diagnosis/diagnose.ts";
import { compare } from "../../src/lab/scenarios/verdict.ts";
import { listNetns } from "../../src/linux/netns.ts";
import { treeOf } from "../support/explained.ts";
import { lacking, lacks, scenarioRuns } from "../support/scenario-runs.ts";

const awaited = new Map<string, Set<string>>();
const unseen: string[] = [];

describe.skipIf(lacks !== null)(`scenarios${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  for (const [run, why] of lacking) it.skip(`${run} (skipped: ${why})`);

  it.concurrent.each(scenarioRuns)("%s, %s", async (name, variant, scenario) => {
    const explained: Explained[] = [];
    let namespaces: Readonly<Record<string, string>> = {};
    const run = await runScenario(
      scenario,
      variant,
      {
        signal: new AbortController().signal,
        onUp: (built) => {
          namespaces = built.namespaces;
        },
      },
      (one) => {
        explained.push(one);
      },
    );
    if (!run.ok) throw new Error(`${run.error.message}; ${run.error.hint}`);
    expect(run.value.objections, "the kernel's word").toEqual([]);
    expect([run.value.live.notes, run.value.live.gaps, run.value.live.notRestored]).toEqual([[], [], null]);
    const comparison = compare(scenario, variant, explained, run.value.witness);
    expect(comparison.wrong, treeOf(explained)).toEqual([]);
    for (const code of comparison.awaited) awaited.set(code, (awaited.get(code) ?? new Set()).add(name));
    for (const packet of comparison.unseen) unseen.push(`${name}: ${packet}`);
    const left = listNetns();
    expect(Object.values(namespaces).filter((netns) => left.includes(netns))).toEqual([]);
  });

  afterAll(() => {
    const codes = [...awaited].sort().map(([code, names]) => `${code} (${[...names].join(", ")})`);
    if (codes.length > 0) console.log(`${codes.length} causes awaited by scenarios: ${codes.join("; ")}`);
    if (unseen.length > 0) console.log(`not to be seen on this machine: ${unseen.join("; ")}`);
  });
});
