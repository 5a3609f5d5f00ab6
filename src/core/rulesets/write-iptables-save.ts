/**
 * Writes a ruleset as `iptables-restore` reads it.
 *
 * Every rule is put together from its parts, so what comes out shows what was understood. Only rulesets from
 * `iptables-save`, `-S` and commands can be written whole: a listing hides parts of its rules.
 */
import { targetOptionText } from "./iptables-targets.ts";
import type { Chain, Rule, Ruleset } from "./ruleset.ts";

/** The text of all tables, each ended by `COMMIT`; counters in front of rules where any rule has them. */
export function writeIptablesSave(ruleset: Ruleset): string {
  const lines: string[] = [];
  for (const table of ruleset.tables) {
    lines.push(`*${table.name}`);
    const isCounted = table.chains.some((chain) => chain.rules.some((rule) => rule.counters !== null));
    for (const chain of table.chains) lines.push(chainLine(chain));
    for (const chain of table.chains) {
      for (const rule of chain.rules)
        lines.push(isCounted ? countedLine(chain, rule) : ruleLine(chain, rule));
    }
    lines.push("COMMIT");
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/** `-A CHAIN …` from a rule's parts, without counters. */
export function ruleLine(chain: Chain, rule: Rule): string {
  const parts = ["-A", chain.name, ...rule.matches.map((match) => match.text)];
  if (rule.target !== null) {
    parts.push(rule.statements[0]?.kind === "goto" ? "-g" : "-j", rule.target);
    parts.push(targetOptionText(rule.target, rule.statements));
  }
  return parts.filter((part) => part !== "").join(" ");
}

function countedLine(chain: Chain, rule: Rule): string {
  return `[${rule.counters?.packets ?? 0}:${rule.counters?.bytes ?? 0}] ${ruleLine(chain, rule)}`;
}

function chainLine(chain: Chain): string {
  const policy = chain.base?.policy?.toUpperCase() ?? "-";
  const { counters } = chain;
  return `:${chain.name} ${policy}${counters === null ? "" : ` [${counters.packets ?? 0}:${counters.bytes ?? 0}]`}`;
}
