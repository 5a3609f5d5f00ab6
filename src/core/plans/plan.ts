/**
 * What nfpath would do to a host, as data: printable before it is done, and with its own undo.
 *
 * Every kind of change that nfpath can make is a kind of `Action` in this file; there is no other way to change a host.
 */

import { type RawRule, ruleArguments } from "./raw-rules.ts";
import { shellWords } from "./script/shell-words.ts";
import type { TableFamily } from "./trace-table.ts";

export interface Plan {
  /** The run's id; all names that the plan gives carry it, so two runs cannot undo each other. */
  readonly runId: string;
  /** In the order of applying; reverting goes the other way. */
  readonly changes: readonly Change[];
}

export interface Change {
  /** One plain sentence for a person. */
  readonly says: string;
  /** Where: a namespace's name, or null for the one nfpath runs in. */
  readonly netns: string | null;
  readonly apply: Action;
  /** Leaves the host as it was, whether `apply` ran, half ran or never ran. */
  readonly revert: Action;
}

export type Action =
  /**
   * Run `command` (one line, hence one transaction) in an `nft -i` that is kept running. The table has `flags owner`:
   * the kernel removes it when that process ends, however it ends.
   */
  | {
      readonly kind: "hold-table";
      readonly family: TableFamily;
      readonly table: string;
      readonly command: string;
      /** Where the table counts: see `TableCounters`. */
      readonly counts: TableCounters;
    }
  /** End the `nft -i` that holds the table. */
  | { readonly kind: "release-table"; readonly family: TableFamily; readonly table: string }
  /** Write `value` to a sysctl, but only while it is `expected`: what somebody else set meanwhile is theirs. */
  | {
      readonly kind: "write-sysctl";
      readonly name: string;
      readonly value: string;
      readonly expected: string;
    }
  /** Append a rule to a chain of legacy iptables' raw table, which comes into being if need be. */
  | ({ readonly kind: "append-rule" } & RawRule)
  /** Delete a rule by its exact words, as often as it is there; nothing to do where it or its table is not. */
  | ({ readonly kind: "delete-rule" } & RawRule);

export interface TableCounters {
  /** Chains whose first counter counts the packets meant, and whose second those marked. */
  readonly marking: readonly string[];
  /** Whether there is a chain that counts packets of connections for which there was no more room. */
  readonly forgotten: boolean;
}

const KINDS: Readonly<Record<Action["kind"], true>> = {
  "hold-table": true,
  "release-table": true,
  "write-sysctl": true,
  "append-rule": true,
  "delete-rule": true,
};

/** Every kind of `Action`: docs/host-changes.md speaks of each. */
export const ACTION_KINDS = Object.keys(KINDS) as readonly Action["kind"][];

/** What a person would type to do the same by hand. */
export function commandOf(action: Action): string {
  switch (action.kind) {
    case "hold-table":
      return `nft -i   (kept running)   ${action.command}`;
    case "release-table":
      return `end the nft -i that holds table ${action.family} ${action.table}`;
    case "write-sysctl":
      return `sysctl -w ${action.name}=${action.value}`;
    case "append-rule":
      return shellWords([action.program, ...ruleArguments("-A", action)]);
    case "delete-rule":
      return shellWords([action.program, ...ruleArguments("-D", action)]);
  }
}

/** The whole plan for a person: each change, the command it amounts to and the one that undoes it. */
export function describePlan(plan: Plan): string {
  const lines: string[] = [];
  for (const change of plan.changes) {
    const where = change.netns === null ? "" : `in namespace ${change.netns}: `;
    lines.push(`${where}${change.says}`);
    lines.push(`  do    ${commandOf(change.apply).split("; add ").join(";\n          add ")}`);
    lines.push(`  undo  ${commandOf(change.revert)}`);
  }
  return lines.join("\n");
}

/** The reverting actions in the order in which they are to be carried out. */
export function revertActions(
  plan: Plan,
): readonly { readonly netns: string | null; readonly action: Action }[] {
  return plan.changes.map((change) => ({ netns: change.netns, action: change.revert })).reverse();
}
