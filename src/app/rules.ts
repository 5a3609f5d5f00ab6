/** The rules in force in a namespace, read and parsed. */
import { ok, type Result } from "../core/base/result.ts";
import type { Chain, Ruleset } from "../core/rulesets/ruleset.ts";
import { readRulesets } from "../core/rulesets/ruleset-reader.ts";
import type { HostRefusal } from "../linux/refusal.ts";
import { type RulesetText, readRulesetTexts } from "../linux/ruleset-texts.ts";

export interface RulesNow {
  readonly rulesets: readonly Ruleset[];
  /** As the tools printed them. */
  readonly texts: readonly RulesetText[];
  /** Listing commands that did not work: rules may be missing. */
  readonly refusals: readonly HostRefusal[];
  /** The texts without their counters and dates, for comparing two moments. */
  readonly fingerprint: string;
}

export async function readRules(netns: string | null): Promise<Result<RulesNow, HostRefusal>> {
  const read = await readRulesetTexts(netns);
  if (!read.ok) return read;
  const rulesets = read.value.texts.flatMap(
    ({ text, input }) => readRulesets(text, { input, netns, force: true }).rulesets,
  );
  const { texts, refusals } = read.value;
  const fingerprint = rulesets.map(rulesOf).filter(Boolean).join("\n");
  return ok({ rulesets, texts, refusals, fingerprint });
}

function isEmpty({ base, rules }: Chain): boolean {
  return base?.policy === "accept" && rules.length === 0;
}

function rulesOf(ruleset: Ruleset): string {
  const lines: string[] = [];
  for (const table of ruleset.tables) {
    // A legacy table that our rules have called into being stays, and says nothing.
    if (table.chains.every(isEmpty)) continue;
    for (const chain of table.chains) {
      lines.push(`${table.family} ${table.name} ${chain.name} ${chain.base?.policy ?? "-"}`);
      for (const rule of chain.rules) lines.push(`${rule.handle ?? ""} ${rule.short}`);
    }
  }
  return lines.join("\n");
}
