/**
 * What is known to have changed in the nftables rules since they were listed, for each namespace.
 *
 * A journey's steps are read against the listing. So it keeps what had changed by the time of its last step; a change
 * of nfpath's own table is none.
 */
import type { RulesChangedEvent } from "../events/event.ts";
import type { Family } from "../netfilter/family.ts";
import { isOwnTable } from "../plans/own-table.ts";

/** An immutable state: a later change makes a new one. */
export interface RulesChanged {
  /** Transactions that changed something of the host's. */
  readonly count: number;
  /** The first change of each table, by `family table`. */
  readonly tables: ReadonlyMap<string, RulesChangedEvent>;
  /** The first change of which nobody knows the tables. */
  readonly anywhere: RulesChangedEvent | null;
}

/** Whoever may change rules may also invent any number of tables. */
const MOST_TABLES = 1024;

const NOTHING_YET: RulesChanged = { count: 0, tables: new Map(), anywhere: null };

export class RuleChanges {
  readonly #byNetns = new Map<string | null, RulesChanged>();

  add(event: RulesChangedEvent): void {
    if (isOwnChange(event)) return;
    const names = event.tables.filter((name) => !isOwn(name));
    const before = this.#byNetns.get(event.netns) ?? NOTHING_YET;
    const tables = new Map(before.tables);
    for (const name of names) if (!tables.has(name) && tables.size < MOST_TABLES) tables.set(name, event);
    const isUnknown = event.tables.length === 0 || tables.size === MOST_TABLES;
    const anywhere = before.anywhere ?? (isUnknown ? event : null);
    this.#byNetns.set(event.netns, { count: before.count + 1, tables, anywhere });
  }

  /** What had changed by now; null for nothing. */
  in(netns: string | null): RulesChanged | null {
    return this.#byNetns.get(netns) ?? null;
  }
}

/** Whether a transaction touched nothing but tables of nfpath's. */
export function isOwnChange(event: RulesChangedEvent): boolean {
  return event.tables.length > 0 && event.tables.every(isOwn);
}

function isOwn(familyAndTable: string): boolean {
  return isOwnTable(familyAndTable.slice(familyAndTable.indexOf(" ") + 1));
}

/** The first change that may concern a table of nftables; null where it is as it was listed. */
export function changeOf(
  changed: RulesChanged | null,
  family: Family,
  table: string,
): RulesChangedEvent | null {
  if (changed === null || isOwnTable(table)) return null;
  return changed.tables.get(`${family} ${table}`) ?? changed.anywhere;
}
