/** Short ways to read and point, for the tests of this folder. */

import type { Chain, Rule, Ruleset, Table } from "../../../src/core/rulesets/ruleset.ts";
import { readRulesets } from "../../../src/core/rulesets/ruleset-reader.ts";

export function read(text: string): readonly Ruleset[] {
  return readRulesets(text, { input: "test" }).rulesets;
}

export function readOne(text: string): Ruleset {
  const rulesets = read(text);
  if (rulesets.length !== 1) throw new Error(`${rulesets.length} rulesets instead of one`);
  return rulesets[0] as Ruleset;
}

export function tableOf(ruleset: Ruleset, name: string): Table {
  const table = ruleset.tables.find((candidate) => candidate.name === name);
  if (table === undefined)
    throw new Error(`no table ${name} in ${ruleset.tables.map((one) => one.name).join()}`);
  return table;
}

export function chainOf(ruleset: Ruleset, table: string, name: string): Chain {
  const chain = tableOf(ruleset, table).chains.find((candidate) => candidate.name === name);
  if (chain === undefined) throw new Error(`no chain ${name} in ${table}`);
  return chain;
}

export function rulesOf(rulesets: readonly Ruleset[]): Rule[] {
  return rulesets.flatMap(({ tables }) =>
    tables.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules)),
  );
}

/** `1 ACCEPT`, `- DROP`: numbers and targets of a chain. */
export function numbered(chain: Chain): string[] {
  return chain.rules.map((rule) => `${rule.number ?? "-"} ${rule.target ?? ""}`.trimEnd());
}
