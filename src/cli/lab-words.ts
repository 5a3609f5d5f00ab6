/** Words of `nfpath lab` to what is meant: `list`, `run NAME`, or a lab's name with or without an action. */
import { type Refusal, refusal } from "../app/refusal.ts";
import { ok, type Result, refused } from "../core/base/result.ts";
import { nearestWord } from "../core/filters/suggest.ts";
import { SCENARIOS } from "../lab/scenarios/catalogue.ts";
import { type Scenario, type Variant, variantsOf } from "../lab/scenarios/scenario.ts";
import { LAB_ACTIONS, type LabAction } from "./choices.ts";

export type LabRequest =
  | { readonly kind: "list" }
  | { readonly kind: "docker-udp"; readonly action: LabAction }
  | { readonly kind: "scenario"; readonly action: LabAction; readonly scenario: Scenario };

/** The first lab, which has a topology and a sender of its own. */
export const DOCKER_UDP = "docker-udp";

export function readLabWords(words: readonly string[]): Result<LabRequest, Refusal> {
  const [first = "", second, ...more] = words;
  if (first === "list" && second === undefined) return ok({ kind: "list" });
  const [name, action] = first === "run" && second !== undefined ? [second, "run"] : [first, second ?? "run"];
  if (more.length > 0)
    return refused(refusal(2, `lab: one word too many: ${more[0]}`, "nfpath lab run NAME"));
  const known = LAB_ACTIONS.find((one) => one === action);
  if (known === undefined)
    return refused(refusal(2, `lab: ${action} is not something to do with a lab`, "use run, up or down"));
  if (name === DOCKER_UDP) return ok({ kind: "docker-udp", action: known });
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario !== undefined) return ok({ kind: "scenario", action: known, scenario });
  const near = nearestWord(name, [DOCKER_UDP, ...SCENARIOS.map((one) => one.name)]);
  const hint = "nfpath lab list shows them";
  return refused(
    refusal(2, `lab: there is no lab ${name}`, near === null ? hint : `did you mean ${near}? ${hint}`),
  );
}

/** Whose rules: those asked for, or the first kind that the scenario has. */
export function chooseVariant(scenario: Scenario, wanted: Variant | undefined): Result<Variant, Refusal> {
  const variants = variantsOf(scenario);
  const variant = wanted ?? variants[0];
  if (variant !== undefined && variants.includes(variant)) return ok(variant);
  return refused(
    refusal(2, `lab: ${scenario.name} has no ${wanted} rules`, `--backend ${variants.join(" or ")}`),
  );
}
