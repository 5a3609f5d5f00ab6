/** Asks every manager whether a rule is its own: first by what is surely its own, then by what only points there. */
import { docker } from "./docker.ts";
import { FIREWALLS } from "./firewalls.ts";
import { KUBERNETES } from "./kubernetes.ts";
import type { Manager, RuleOrigin, RulePlace } from "./origin.ts";
import { isBuiltIn, jumpOf } from "./rule-parts.ts";
import { SERVICES } from "./services.ts";

const MANAGERS: readonly Manager[] = [docker, ...KUBERNETES, ...FIREWALLS, ...SERVICES];

/** Null: an administrator may have written it, or a program that is not known here. */
export function originOf(place: RulePlace): RuleOrigin | null {
  for (const isOwn of TESTS) {
    const manager = MANAGERS.find((one) => isOwn(one, place));
    if (manager === undefined) continue;
    const told = manager.tell(place);
    return told === null ? null : { manager: manager.name, ...told };
  }
  return place.rule === null ? originOfPolicy(place) : null;
}

/** Two managers that both set a chain's policy leave it open which of them did. */
function originOfPolicy(place: RulePlace): RuleOrigin | null {
  if (!isBuiltIn(place) || place.table !== "filter") return null;
  const claims = MANAGERS.flatMap((manager) => {
    const isHung = place.listing?.rules.some((rule) => leadsTo(manager, jumpOf(rule))) ?? false;
    const told = isHung && manager.policies?.test(place.chain) === true ? manager.tell(place) : null;
    return told === null ? [] : [{ manager: manager.name, ...told }];
  });
  const [first, ...others] = claims;
  if (first === undefined || others.length === 0) return first ?? null;
  return {
    manager: claims.map(({ manager }) => manager).join(" or "),
    what: "each of them sets this policy",
    object: null,
    change: claims.map(({ change }) => change).join("; "),
  };
}

type Test = (manager: Manager, place: RulePlace) => boolean;

/** The surest first. */
const TESTS: readonly Test[] = [
  ({ tables }, { table, family }) => tables?.test(table) === true && !isIptablesName(family, table),
  ({ comment }, { rule }) => rule?.comment != null && comment?.test(rule.comment) === true,
  ({ chains }, { chain }) => chains?.test(chain) === true,
  ({ shares }, place) => shares?.(place) === true,
  (manager, { rule }) => leadsTo(manager, jumpOf(rule)),
  ({ owns }, place) => place.rule !== null && isBuiltIn(place) && owns?.(place, place.rule) === true,
];

function leadsTo({ chains }: Manager, target: string | null): boolean {
  return target !== null && chains?.test(target) === true;
}

function isIptablesName(family: string, table: string): boolean {
  return /^ip6?$/.test(family) && /^(raw|mangle|nat|filter|security)$/.test(table);
}
