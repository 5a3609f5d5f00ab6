/** A trace that is armed, and how it ends. */
import { setTimeout as sleep } from "node:timers/promises";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Time } from "../core/base/time.ts";
import type { GapEvent } from "../core/events/event.ts";
import { MOST_CONNECTIONS } from "../core/plans/connections.ts";
import { FORGOTTEN_CHAIN } from "../core/plans/own-chains.ts";
import type { Plan, TableCounters } from "../core/plans/plan.ts";
import { hostRefusal } from "../linux/refusal.ts";
import type { JournalFile } from "../linux/undo/journal.ts";
import { revertRun } from "../linux/undo/revert-run.ts";
import type { LiveSource } from "../sources/live.ts";
import type { Listener } from "./listener.ts";
import type { NftSession } from "./nft-session.ts";
import { type Counts, readRuleCounts } from "./rule-counts.ts";
import type { Trace, TraceEnd, TraceRefusal } from "./trace.ts";

/** A packet may wait in a queue between two hooks. */
const QUIET_MS = 100;
const MOST_DRAIN_MS = 1_000;

/** A table of ours, and where it counts. */
export interface HeldTable {
  readonly session: NftSession;
  readonly counts: TableCounters;
}

export interface RunningParts {
  readonly plan: Plan;
  readonly journal: JournalFile;
  readonly source: LiveSource;
  /** Empty where rules in raw mark: those are the guardian's. */
  readonly tables: readonly HeldTable[];
  readonly listener: Listener;
  readonly notes: readonly string[];
}

export class RunningTrace implements Trace {
  readonly plan: Plan;
  readonly readsKernelLog: boolean;
  readonly notes: readonly string[];
  readonly broken: Promise<void>;
  readonly #journal: JournalFile;
  readonly #source: LiveSource;
  readonly #tables: readonly HeldTable[];
  readonly #listener: Listener;
  #stopped: Promise<Result<TraceEnd, TraceRefusal>> | null = null;

  constructor({ plan, journal, source, tables, listener, notes }: RunningParts) {
    this.plan = plan;
    this.notes = notes;
    this.readsKernelLog = notes.length > 0;
    this.#journal = journal;
    this.#source = source;
    this.#tables = tables;
    this.#listener = listener;
    this.broken = Promise.race([source.gone, listener.failed, ...tables.map(({ session }) => session.gone)]);
  }

  readonly heardUntil = (): Time => this.#source.heardUntil();

  readonly stop = (): Promise<Result<TraceEnd, TraceRefusal>> => {
    this.#stopped ??= this.#disarm().catch(async (error: unknown) => {
      // A defect: the guardian undoes what was left undone, tables included.
      await this.#source.end();
      throw error;
    });
    return this.#stopped;
  };

  async #disarm(): Promise<Result<TraceEnd, TraceRefusal>> {
    const sessions = this.#tables.map(({ session }) => session);
    const lostTables = sessions.filter((session) => session.hasEnded()).map(tableLost);
    const rules = await readRuleCounts(this.plan);
    const tables = await Promise.all(this.#tables.map(readCounts));
    const counts = [...tables, ...rules.counts];
    await Promise.all(sessions.map((session) => session.end()));
    // Rules in raw are deleted by the guardian, which waits itself.
    if (sessions.length > 0) await this.#untilQuiet();
    const ended = await this.#source.end();
    const undone = ended.ok ? ended.value : revertRun(this.#journal);
    this.#reportLimits(counts, tables);
    this.#listener.rethrow();
    if (undone.failed.length > 0) return refused(notRestored(undone.failed));
    return ok({
      matched: sum(counts, (count) => count.matched),
      marked: sum(counts, (count) => count.marked),
      lost: this.#source.lost(),
      restored: [...sessions.map(tableGone), ...undone.restored],
      leftAlone: undone.leftAlone,
      handedOn: undone.handedOn,
      problems: [...lostTables, ...rules.problems, ...(ended.ok ? [] : [ended.error])],
    });
  }

  async #untilQuiet(): Promise<void> {
    const start = performance.now();
    await sleep(QUIET_MS);
    while (this.#source.quietFor() < QUIET_MS && performance.now() - start < MOST_DRAIN_MS) await sleep(20);
  }

  #reportLimits(counts: readonly Counts[], tables: readonly TableCounts[]): void {
    const gaps = [
      ...counts.filter((count) => count.matched > count.marked).map(rateLimitGap),
      ...tables.filter((count) => count.forgotten > 0).map(forgottenGap),
    ];
    if (gaps.length > 0) this.#listener.take(gaps);
  }
}

function notRestored(failed: readonly string[]): TraceRefusal {
  return hostRefusal(
    "setting-refused",
    "the trace has ended, but not everything could be put back",
    failed.join("; "),
  );
}

interface TableCounts extends Counts {
  /** Packets of connections for which there was no more room. */
  readonly forgotten: number;
}

/** The counters of our chains. A table that has gone (a namespace that was deleted) counts nothing. */
async function readCounts({ session, counts }: HeldTable): Promise<TableCounts> {
  let [matched, marked] = [0, 0];
  for (const chain of counts.marking) {
    const packets = await packetsCounted(session, chain);
    matched += packets[0] ?? 0;
    marked += packets[1] ?? 0;
  }
  const forgotten = counts.forgotten ? await packetsCounted(session, FORGOTTEN_CHAIN) : [];
  return { netns: session.netns, matched, marked, forgotten: forgotten[0] ?? 0 };
}

async function packetsCounted(session: NftSession, chain: string): Promise<readonly number[]> {
  const listing = await session.listChain(chain);
  if (!listing.ok) return [];
  return [...listing.value.matchAll(/counter packets (\d+)/g)].map((match) => Number(match[1]));
}

function forgottenGap({ netns, forgotten }: TableCounts): GapEvent {
  return {
    kind: "gap",
    origin: { input: "nftrace", line: null, raw: "" },
    time: null,
    netns,
    gap: "selector-limit",
    count: forgotten,
    remedy: `choose fewer packets with a filter: --follow and --first remember ${MOST_CONNECTIONS} connections of each kind, and these were of others`,
  };
}

function rateLimitGap({ netns, matched, marked }: Counts): GapEvent {
  return {
    kind: "gap",
    origin: { input: "nftrace", line: null, raw: "" },
    time: null,
    netns,
    gap: "selector-limit",
    count: matched - marked,
    remedy: "choose fewer packets with a filter, or allow more of them with --rate",
  };
}

function tableGone(session: NftSession): string {
  return `the nft table of this trace is gone${session.netns === null ? "" : ` from namespace ${session.netns}`}`;
}

function tableLost({ netns, pid }: NftSession): TraceRefusal {
  return hostRefusal(
    "program-failed",
    `the nft process ${pid} ended before its time${netns === null ? "" : ` in namespace ${netns}`}: from then on nothing was marked`,
    "see whether something killed it, and trace again",
  );
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
