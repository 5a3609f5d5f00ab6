/**
 * A live trace: arm, listen, disarm.
 *
 * Ears first, then mouth: the sockets are open and the settings made before the first packet is marked, and the marks stop
 * before the sockets close. So a traced packet's steps are seen from its first to its last, and none of them falls into the
 * kernel log of the host when the settings are back.
 */
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Time } from "../core/base/time.ts";
import type { Event } from "../core/events/event.ts";
import type { Change, Plan } from "../core/plans/plan.ts";
import type { HostRefusal } from "../linux/refusal.ts";
import type { RuleAppend } from "../linux/rule-action.ts";
import type { SettingAction } from "../linux/setting-action.ts";
import type { JournalFile } from "../linux/undo/journal.ts";
import { revertRun } from "../linux/undo/revert-run.ts";
import { type LiveSource, openLiveSource } from "../sources/live.ts";
import { Listener } from "./listener.ts";
import { startNftSession } from "./nft-session.ts";
import { type HostSituation, type PlannedTrace, type PlanOptions, planHere } from "./plan-here.ts";
import { checkHost } from "./preflight.ts";
import { writeDownHolders, writeDownPlan } from "./run-journal.ts";
import { type HeldTable, RunningTrace } from "./running-trace.ts";

export interface TraceOptions extends PlanOptions {
  /**
   * Called with what has come, in order; several times a second under load. When it throws, the trace is `broken` and
   * `stop` throws the same.
   */
  readonly onEvents: (batch: readonly Event[]) => void;
  /** Bytes of each packet that legacy events carry. Default 256: headers, and those an ICMP error quotes. */
  readonly copyBytes?: number;
  /** Whether to hear of connections too, where conntrack is there. Never switches it on. Default false. */
  readonly conntrack?: boolean;
  /** NFLOG groups of the host's own rules to read beside the trace; each has one reader. */
  readonly nflogGroups?: readonly number[];
}

export type TraceRefusal = HostRefusal;

export interface Trace {
  /** What was changed on the host, and how it is undone. */
  readonly plan: Plan;
  /** Whether steps come from the kernel log, where those of other people's traces come too. */
  readonly readsKernelLog: boolean;
  /** How it is read where that is not as usual, for a person. */
  readonly notes: readonly string[];
  /**
   * Disarms, waits for what is in flight, puts everything back. A second call gives the result of the first. Refused when
   * something could not be put back: the hint has the commands that finish it.
   */
  readonly stop: () => Promise<Result<TraceEnd, TraceRefusal>>;
  /** Until when everything has been heard: now, or, while events wait to be read, the time of the last that was. */
  readonly heardUntil: () => Time;
  /** Resolves when no event can come any more, `stop` apart: a process of ours was killed, or `onEvents` threw. */
  readonly broken: Promise<void>;
}

export interface TraceEnd {
  /** Packets that the selectors matched and those that were marked: the rest ran into the rate limit. */
  readonly matched: number;
  readonly marked: number;
  /** Events that the kernel is known to have dropped. */
  readonly lost: number;
  /** What was put back, for a person. */
  readonly restored: readonly string[];
  /** Settings that somebody else has changed meanwhile, and that were left alone. */
  readonly leftAlone: readonly string[];
  /** Settings that another run of nfpath still needs, and puts back when it ends. */
  readonly handedOn: readonly string[];
  /** What went wrong on the way, the trace being usable all the same: each is also a gap among the events. */
  readonly problems: readonly TraceRefusal[];
}

/** Of events, for each namespace. An upper bound, not an allocation. */
const RECEIVE_BUFFER = 64 * 1024 * 1024;
const COPY_BYTES = 256;

/** Starts a trace; refused, with nothing changed, when the host does not allow it. */
export async function startTrace(options: TraceOptions): Promise<Result<Trace, TraceRefusal>> {
  const host = checkHost(options.netns, options.rawRules ?? null);
  if (!host.ok) return host;
  const written = writeDownPlan((runs) => planHere(options, runs));
  if (!written.ok) return written;
  const { made, journal } = written.value;
  try {
    const trace = await arm(options, made, journal);
    return trace.ok ? trace : refused(undone(trace.error, journal));
  } catch (error) {
    revertRun(journal);
    throw error;
  }
}

async function arm(
  options: TraceOptions,
  { plan, situations }: PlannedTrace,
  journal: JournalFile,
): Promise<Result<Trace, TraceRefusal>> {
  const listener = new Listener(options.onEvents);
  const namespaces = situations.map(({ netns, loggers, reader, hearsNft }) => {
    const changes = plan.changes.filter((change) => change.netns === netns);
    const isLog = reader.kind === "kernel-log";
    return {
      netns,
      nflog: loggers.length > 0 && !isLog,
      kernelLog: isLog,
      nftrace: hearsNft,
      rules: changes.map(({ apply }) => apply).filter(isAppend),
      nflogGroups: options.nflogGroups ?? [],
      conntrack: options.conntrack ?? false,
      apply: settingActions(changes, (change) => change.apply),
      revert: settingActions(changes, (change) => change.revert).reverse(),
    };
  });
  const copyBytes = options.copyBytes ?? COPY_BYTES;
  const config = { namespaces, copyBytes, receiveBuffer: RECEIVE_BUFFER, undoFile: journal.path };
  const source = await openLiveSource(config, listener.take);
  if (!source.ok) return source;
  const tables = await holdTables(plan, journal, source.value).catch(async (error: unknown) => {
    await source.value.end();
    throw error;
  });
  if (!tables.ok) return tables;
  const notes = situations.flatMap(readerNote);
  return ok(new RunningTrace({ plan, journal, source: source.value, tables: tables.value, listener, notes }));
}

function readerNote({ netns, reader, hearsNft }: HostSituation): readonly string[] {
  if (reader.kind === "netlink") return [];
  const whose = netns === null ? "" : ` of namespace ${netns}`;
  const order = hearsNft
    ? "; nft's steps have no order in common with it, so a packet that meets both may be shown in parts"
    : "";
  return [`${reader.why}; legacy steps${whose} are read from the kernel log${order}`];
}

function isAppend(action: Change["apply"]): action is RuleAppend {
  return action.kind === "append-rule";
}

function settingActions(
  changes: readonly Change[],
  pick: (change: Change) => Change["apply"],
): SettingAction[] {
  return changes.map(pick).filter((action): action is SettingAction => action.kind === "write-sysctl");
}

/** All tables, or none and the source ended. The processes are written down before they make anything. */
async function holdTables(
  plan: Plan,
  journal: JournalFile,
  source: LiveSource,
): Promise<Result<readonly HeldTable[], TraceRefusal>> {
  const tables: HeldTable[] = [];
  const held = await makeTables(plan, journal, tables);
  if (held.ok) return ok(tables);
  await Promise.all(tables.map(({ session }) => session.end()));
  await source.end();
  return held;
}

async function makeTables(
  plan: Plan,
  journal: JournalFile,
  tables: HeldTable[],
): Promise<Result<void, TraceRefusal>> {
  const commands: string[] = [];
  for (const { netns, apply } of plan.changes) {
    if (apply.kind !== "hold-table") continue;
    const session = startNftSession(netns, `${apply.family} ${apply.table}`);
    if (!session.ok) return session;
    tables.push({ session: session.value, counts: apply.counts });
    commands.push(apply.command);
  }
  if (tables.length === 0) return ok(undefined);
  const written = writeDownHolders(
    journal,
    tables.map(({ session }) => session.pid),
  );
  if (!written.ok) return written;
  for (const [index, { session }] of tables.entries()) {
    const made = await session.make(commands[index] ?? "");
    if (!made.ok) return made;
  }
  return ok(undefined);
}

/** The guardian has undone everything already, unless it died: then this does. */
function undone(refusal: TraceRefusal, journal: JournalFile): TraceRefusal {
  const { failed } = revertRun(journal);
  return failed.length === 0
    ? refusal
    : { ...refusal, hint: `${refusal.hint}; not put back: ${failed.join("; ")}` };
}
