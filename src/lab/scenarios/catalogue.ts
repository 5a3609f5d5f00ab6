/** Every scenario there is, in the order in which they are listed. */
import { ARRIVAL } from "./families/arrival.ts";
import { CROWD } from "./families/crowd.ts";
import { FILTERING } from "./families/filtering.ts";
import { PATHS } from "./families/paths.ts";
import { ROUTING } from "./families/routing.ts";
import { TOOLS } from "./families/tools.ts";
import { TRANSLATION } from "./families/translation.ts";
import { TUNNELS } from "./families/tunnels.ts";
import type { Scenario } from "./scenario.ts";

export const SCENARIOS: readonly Scenario[] = [
  ...FILTERING,
  ...ROUTING,
  ...ARRIVAL,
  ...TRANSLATION,
  ...TOOLS,
  ...PATHS,
  ...CROWD,
  ...TUNNELS,
];
