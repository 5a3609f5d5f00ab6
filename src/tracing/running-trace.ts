/** A trace that is armed, and how it ends. */
import { setTimeout as sleep } from "node:timers/promises";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { GapEvent } from "../core/events/event.ts";
import type { Plan } from "../core/plans/plan.ts";
import { CHOSEN_CHAIN } from "../core/plans/trace-plan.ts";
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

export interface RunningParts {
  readonly plan: Plan;
  readonly journal: JournalFile;
  readonly source: LiveSource;
  /** Empty where rules in raw mark: those are the guardian's. */
  readonly sessions: readonly NftSession[];
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
  readonly #sessions: readonly NftSession[];
  readonly #listener: Listener;
  #stopped: Promise<Result<TraceEnd, TraceRefusal>> | null = null;

  constructor({ plan, journal, source, sessions, listener, notes }: RunningParts) {
    this.plan = plan;
    this.notes = notes;
    this.readsKernelLog = notes.length > 0;
    this.#journal = journal;
    this.#source = source;
    this.#sessions = sessions;
    this.#listener = listener;
    this.broken = Promise.race([source.gone, listener.failed, ...sessions.map(({ gone }) => gone)]);
  }

  readonly stop = (): Promise<Result<TraceEnd, TraceRefusal>> => {
    this.#stopped ??= this.#disarm().catch(async (error: unknown) => {
      // A defect: the guardian undoes what was left undone, tables included.
      await this.#source.end();
      throw error;
    });
    return this.#stopped;
  };

  async #disarm(): Promise<Result<TraceEnd, TraceRefusal>> {
    const lostTables = this.#sessions.filter((session) => session.hasEnded()).map(tableLost);
    const rules = await readRuleCounts(this.plan);
    const counts = [...(await Promise.all(this.#sessions.map(readCounts))), ...rules.counts];
    await Promise.all(this.#sessions.map((session) => session.end()));
    // Rules in raw are deleted by the guardian, which waits itself.
    if (this.#sessions.length > 0) await this.#untilQuiet();
    const ended = await this.#source.end();
    const undone = ended.ok ? ended.value : revertRun(this.#journal);
    this.#reportRateLimit(counts);
    this.#listener.rethrow();
    if (undone.failed.length > 0) return refused(notRestored(undone.failed));
    return ok({
      matched: sum(counts, (count) => count.matched),
      marked: sum(counts, (count) => count.marked),
      lost: this.#source.lost(),
      restored: [...this.#sessions.map(tableGone), ...undone.restored],
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

  #reportRateLimit(counts: readonly Counts[]): void {
    const gaps = counts.filter((count) => count.matched > count.marked).map(rateLimitGap);
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

/** The two counters of our chain. A table that has gone (a namespace that was deleted) counts nothing. */
async function readCounts(session: NftSession): Promise<Counts> {
  const listing = await session.listChain(CHOSEN_CHAIN);
  const packets = listing.ok
    ? [...listing.value.matchAll(/counter packets (\d+)/g)].map((match) => Number(match[1]))
    : [];
  return { netns: session.netns, matched: packets[0] ?? 0, marked: packets[1] ?? 0 };
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
