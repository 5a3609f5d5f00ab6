/** What a trace's rules in raw have counted: each pair of them counts the packets meant, then those that were marked. */

import { ruleTag } from "../core/plans/own-tag.ts";
import type { Plan } from "../core/plans/plan.ts";
import type { RuleProgram } from "../core/plans/raw-rules.ts";
import { runSuccessfully } from "../linux/process.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";

export interface Counts {
  readonly netns: string | null;
  readonly matched: number;
  readonly marked: number;
}

export interface RuleCounts {
  readonly counts: readonly Counts[];
  /** Rules that somebody has deleted, or that could not be asked. */
  readonly problems: readonly HostRefusal[];
}

/** Nothing for a plan without such rules, or of a namespace that has gone. */
export async function readRuleCounts(plan: Plan): Promise<RuleCounts> {
  const counts: Counts[] = [];
  const problems: HostRefusal[] = [];
  for (const { netns, program, rules } of tablesOf(plan)) {
    const listing = await runSuccessfully(program, ["-w", "-t", "raw", "-S", "-v"], { netns });
    if (!listing.ok) {
      // A namespace that has gone took them with it.
      if (listing.error.kind !== "missing-netns") problems.push(notCounted(listing.error));
      continue;
    }
    const lines = listing.value.split("\n").filter((line) => line.includes(ruleTag(plan.runId)));
    counts.push({
      netns,
      matched: packets(lines.filter((line) => !isMarking(line))),
      marked: packets(lines.filter(isMarking)),
    });
    if (lines.length < rules) problems.push(deleted(netns, program, rules - lines.length));
  }
  return { counts, problems };
}

interface TableOfRules {
  readonly netns: string | null;
  readonly program: RuleProgram;
  readonly rules: number;
}

function tablesOf(plan: Plan): readonly TableOfRules[] {
  const tables: TableOfRules[] = [];
  for (const { netns, apply } of plan.changes) {
    if (apply.kind !== "append-rule") continue;
    const { program } = apply;
    const at = tables.findIndex((table) => table.netns === netns && table.program === program);
    const rules = (tables[at]?.rules ?? 0) + 1;
    tables.splice(at < 0 ? tables.length : at, 1, { netns, program, rules });
  }
  return tables;
}

function isMarking(line: string): boolean {
  return line.includes("-j TRACE");
}

/** `-A OUTPUT -p udp … -c 3 84` */
function packets(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Number(/ -c (\d+) \d+/.exec(line)?.[1] ?? 0), 0);
}

function notCounted(error: HostRefusal): HostRefusal {
  return {
    ...error,
    message: `how many packets the limit has kept from the trace is not known: ${error.message}`,
  };
}

function deleted(netns: string | null, program: RuleProgram, count: number): HostRefusal {
  return hostRefusal(
    "program-failed",
    `${count} rules of this trace were deleted from raw (${program}) before its end${netns === null ? "" : ` in namespace ${netns}`}: from then on they marked nothing`,
    "see what else writes iptables rules (a firewall that was reloaded?), and trace again",
  );
}
