/**
 * Every scenario against the real kernel: the kernel bears out its truth, and nfpath tells the same, live.
 *
 * Several run at once: most of a run is waiting, and each has namespaces of its own.
 */
import { afterAll, describe, expect, it } from "vitest";
import { runScenario } from "../../src/app/lab-scenarios.ts";
import type { Explained } from "../../src/core/diagnosis/diagnose.ts";
import { whatTheLabLacks } from "../../src/lab/requirements.ts";
import { missingRuleTool } from "../../src/lab/scenarios/build.ts";
import { SCENARIOS } from "../../src/lab/scenarios/catalogue.ts";
import { type Scenario, type Variant, variantsOf } from "../../src/lab/scenarios/scenario.ts";
import { compare } from "../../src/lab/scenarios/verdict.ts";
import { listNetns } from "../../src/linux/netns.ts";
import { treeOf } from "../support/explained.ts";

const lack = (await whatTheLabLacks("legacy")) ?? (await whatTheLabLacks("nft"));
const runs = SCENARIOS.flatMap((scenario) =>
  variantsOf(scenario).map((variant): [string, Variant, Scenario] => [scenario.name, variant, scenario]),
);
const lacking = new Map(
  lack !== null
    ? []
    : runs.flatMap(([name, variant, scenario]) => {
        const tool = missingRuleTool(scenario, variant);
        return tool === null ? [] : [[`${name}, ${variant}`, tool] as const];
      }),
);
const awaited = new Map<string, Set<string>>();

describe.skipIf(lack !== null)(`scenarios${lack === null ? "" : ` (skipped: ${lack.message})`}`, () => {
  for (const [run, tool] of lacking) it.skip(`${run} (skipped: ${tool} is not installed)`);

  it.concurrent.each(runs.filter(([name, variant]) => !lacking.has(`${name}, ${variant}`)))(
    "%s, %s",
    async (name, variant, scenario) => {
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
      const comparison = compare(scenario, variant, explained, namespaces);
      expect(comparison.wrong, treeOf(explained)).toEqual([]);
      for (const code of comparison.awaited) awaited.set(code, (awaited.get(code) ?? new Set()).add(name));
      const left = listNetns();
      expect(Object.values(namespaces).filter((netns) => left.includes(netns))).toEqual([]);
    },
  );

  afterAll(() => {
    const codes = [...awaited].sort().map(([code, names]) => `${code} (${[...names].join(", ")})`);
    if (codes.length > 0) console.log(`${codes.length} causes awaited by scenarios: ${codes.join("; ")}`);
  });
});
