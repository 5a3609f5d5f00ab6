/** The options of `nfpath trace` that choose packets beside the filter, as a choice and in words. */
import type { Choice } from "../app/trace-tables.ts";
import type { TableFamily } from "../core/plans/trace-table.ts";

export interface ChoiceFlags {
  readonly family: readonly TableFamily[];
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
  readonly follow?: boolean;
  readonly first?: number;
  readonly sample?: number;
  readonly fragments: boolean;
}

export function choiceOf(flags: ChoiceFlags): Choice {
  const { family, ingress, egress, fragments } = flags;
  return {
    families: family,
    ingress,
    egress,
    follow: flags.follow ?? null,
    first: flags.first ?? null,
    sampleOneIn: flags.sample ?? null,
    fragments,
  };
}

/** What is traced that the filter's own words do not say, and what of it is not. */
export function whatElse(choice: Choice, follows: boolean): string {
  const parts: string[] = [];
  if (follows)
    parts.push(choice.follow === null ? ", replies too (--no-follow leaves them out)" : ", replies too");
  if (choice.first !== null)
    parts.push(`, the first ${choice.first} packets of a connection's each direction`);
  if (choice.sampleOneIn !== null) parts.push(`, of one in ${choice.sampleOneIn} connections`);
  if (choice.fragments) parts.push(", fragments as they come");
  return parts.join("");
}
