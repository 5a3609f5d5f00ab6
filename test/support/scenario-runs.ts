/** Every scenario with each kind of rules that it has, and what cannot be run on this machine. */
import { whatTheLabLacks } from "../../src/lab/requirements.ts";
import { missingTool } from "../../src/lab/scenarios/build.ts";
import { SCENARIOS } from "../../src/lab/scenarios/catalogue.ts";
import { missingInKernel } from "../../src/lab/scenarios/kernel-needs.ts";
import { type Scenario, type Variant, variantsOf } from "../../src/lab/scenarios/scenario.ts";

const lack = (await whatTheLabLacks("legacy")) ?? (await whatTheLabLacks("nft"));
/** Why no scenario can run here; null when they can. */
export const lacks = lack === null ? null : lack.message;

export type ScenarioRun = readonly [name: string, variant: Variant, scenario: Scenario];

const all = SCENARIOS.flatMap((scenario) =>
  variantsOf(scenario).map((variant): ScenarioRun => [scenario.name, variant, scenario]),
);

/** Runs that need a program or a part of the kernel which is not there, and what they lack. */
export const lacking: ReadonlyMap<string, string> = new Map(
  (
    await Promise.all(
      all.map(async ([name, variant, scenario]): Promise<readonly [string, string][]> => {
        if (lacks !== null) return [];
        const tool = missingTool(scenario, variant);
        if (tool !== null) return [[`${name}, ${variant}`, `${tool} is not installed`]];
        const part = await missingInKernel(scenario);
        return part === null ? [] : [[`${name}, ${variant}`, `this kernel has no ${part}`]];
      }),
    )
  ).flat(),
);

export const scenarioRuns: readonly ScenarioRun[] = all.filter(
  ([name, variant]) => !lacking.has(`${name}, ${variant}`),
);
