/** How a live trace marks its packets: the mechanism, chosen by looking, and the filter in its words. */
import { ok, type Result, refused } from "../core/base/result.ts";
import type { StepEvent } from "../core/events/event.ts";
import type { Filter } from "../core/filters/filter.ts";
import { ruleTag } from "../core/plans/own-tag.ts";
import type { RawSelectors } from "../core/plans/raw-rules.ts";
import type { TablesWanted } from "../core/plans/trace-plan.ts";
import type { RuleBook } from "../core/rulesets/rule-book.ts";
import type { Ruleset } from "../core/rulesets/ruleset.ts";
import { chooseMechanism, type MechanismWish } from "../tracing/mechanism.ts";
import { ofHost } from "./host-refusal.ts";
import { rawSelectorsOf } from "./raw-selectors.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { beyondTheFilter, type Choice, NO_CHOICE, tablesWanted } from "./trace-tables.ts";

export interface MarkingOptions {
  /** Null: every packet. */
  readonly filter: Filter | null;
  /** Default `auto`: by looking. */
  readonly mechanism?: MechanismWish;
  /** What is said beside the filter. */
  readonly choice?: Choice;
}

/** How packets are marked, and what a person should know of that. */
export interface Marking {
  readonly how: string;
  readonly notes: readonly string[];
  /** The packets that go the other way are marked too. */
  readonly follows: boolean;
}

export interface ChosenMarking extends Marking {
  /** Null: rules in raw. */
  readonly tables: TablesWanted | null;
  /** Null: a table of our own. */
  readonly rawRules: readonly RawSelectors[] | null;
}

/** Refused where these packets cannot be chosen by that mechanism. */
export async function markingOf({
  filter,
  mechanism: wish = "auto",
  choice = NO_CHOICE,
}: MarkingOptions): Promise<Result<ChosenMarking, Refusal>> {
  const mechanism = chooseMechanism(wish);
  if (!mechanism.ok) return refused(ofHost(mechanism.error));
  if (mechanism.value.kind === "nft") {
    const tables = tablesWanted(filter, choice);
    if (!tables.ok) return tables;
    const { follow, families } = tables.value;
    const how = families.length === 1 ? "an nft table of its own" : "nft tables of its own";
    return ok({ how, notes: [], follows: follow, tables: tables.value, rawRules: null });
  }
  const beyond = beyondTheFilter(choice);
  if (beyond !== null)
    return refused(
      refusal(
        wish === "iptables" ? 2 : 3,
        `${beyond} needs tables of nft, and packets are marked by rules of iptables here: ${mechanism.value.why}`,
        `leave ${beyond} out${wish === "iptables" ? ", or --mechanism iptables" : ", or install nft"}`,
      ),
    );
  const raw = await rawSelectorsOf(filter, mechanism.value);
  if (!raw.ok) return raw;
  return ok({
    how: "rules in iptables' raw table",
    notes: [
      `packets are marked by rules in legacy iptables' raw table, behind all others there: ${mechanism.value.why}`,
      ...raw.value.notes,
    ],
    follows: false,
    tables: null,
    rawRules: raw.value.selectors,
  });
}

/** Rules of others in raw come before ours. */
export function hiddenByRaw(
  rawRules: readonly RawSelectors[] | null,
  before: readonly Ruleset[],
): readonly string[] {
  const tables = before
    .filter(({ backend }) => backend === "xtables")
    .flatMap((ruleset) => ruleset.tables.filter(({ name }) => name === "raw"));
  return rawRules !== null && tables.some(({ chains }) => chains.some(({ rules }) => rules.length > 0))
    ? ["packets that another rule of raw accepts or drops before that are not seen"]
    : [];
}

/** Only a packet that is marked already makes them speak: one that comes back by the loopback, say. */
export function isStepOfOwnRule(step: StepEvent, book: RuleBook, runId: string): boolean {
  if (step.tracer !== "xtables" || step.table !== "raw" || step.number === null) return false;
  return book.ruleByNumber(step, step.number)?.rule.text.includes(ruleTag(runId)) === true;
}
