/** Every scenario there is, in the order in which they are listed. */
import { FILTERING } from "./families/filtering.ts";
import { ROUTING } from "./families/routing.ts";
import type { Scenario } from "./scenario.ts";

export const SCENARIOS: readonly Scenario[] = [...FILTERING, ...ROUTING];

export function findScenario(name: string): Scenario | null {
  return SCENARIOS.find((scenario) => scenario.name === name) ?? null;
}
