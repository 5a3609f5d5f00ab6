/** The plan of a trace on this host, as it is now. */
import { randomBytes } from "node:crypto";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Plan } from "../core/plans/plan.ts";
import {
  type ConntrackInUse,
  LEGACY_LOGGER,
  type LoggerSetting,
  type NetnsSituation,
  planTrace,
  type TablesWanted,
} from "../core/plans/trace-plan.ts";
import type { Selectors } from "../core/plans/trace-table.ts";
import { isLegacyInUse } from "../linux/legacy-tables.ts";
import { inNetns } from "../linux/netns.ts";
import { loggerSetting, readLogger } from "../linux/nf-log.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";
import { journalDirectories } from "../linux/undo/directory.ts";
import { type JournalFile, listJournals, rememberedValue } from "../linux/undo/journal.ts";
import { checkPossible, missingRights } from "./preflight.ts";

export interface PlanOptions {
  /** Of an inet table, where there are no `tables`. */
  readonly selectors?: Selectors;
  readonly tables?: TablesWanted;
  /** For each of `netns`; where it is absent conntrack is not asked, because that would switch it on. */
  readonly conntrackInUse?: readonly (ConntrackInUse | null)[];
  /** Names, paths, `pid:N`; null for the namespace nfpath runs in. At least one. */
  readonly netns: readonly (string | null)[];
  /** After so many seconds the rules mark nothing any more. The trace itself ends when `stop` is called. */
  readonly deadlineSeconds: number;
  /** Packets a second and namespace that are marked at most. */
  readonly ratePerSecond: number;
}

export interface PlannedTrace {
  readonly plan: Plan;
  readonly situations: readonly NetnsSituation[];
}

/** `runs`: what other runs of nfpath have changed here and remember. */
export function planHere(
  options: PlanOptions,
  runs: readonly JournalFile[],
): Result<PlannedTrace, HostRefusal> {
  return planFor(
    options,
    options.netns.map((netns) => situationOf(netns, runs)),
  );
}

export interface DryRun {
  readonly plan: Plan;
  /** What cannot be seen without the rights that a trace needs, and what would follow from it; each a sentence. */
  readonly notKnown: readonly string[];
}

/** What a trace would do here, without doing it. Without rights, as much of it as can be known. */
export function planDryRun(options: PlanOptions): Result<DryRun, HostRefusal> {
  const possible = checkPossible(options.netns);
  if (!possible.ok) return possible;
  const missing = missingRights(options.netns);
  if (missing.length === 0) {
    const planned = planHere(options, listJournals(journalDirectories()).runs);
    return planned.ok ? ok({ plan: planned.value.plan, notKnown: [] }) : planned;
  }
  const planned = planFor(
    options,
    options.netns.map((netns) => ({ netns, loggers: [] })),
  );
  if (!planned.ok) return planned;
  const notKnown = [
    `not known without ${missing.join(" and ")}: whether legacy iptables tables are in use; where they are, ` +
      `net.netfilter.nf_log.2 and .10 are also set to ${LEGACY_LOGGER} for the time of the trace, and put back`,
  ];
  return ok({ plan: planned.value.plan, notKnown });
}

function planFor(
  options: PlanOptions,
  situations: readonly NetnsSituation[],
): Result<PlannedTrace, HostRefusal> {
  if (situations.length === 0) throw new Error("a trace needs a namespace");
  const plan = planTrace({
    runId: randomBytes(4).toString("hex"),
    ...(options.selectors === undefined ? {} : { selectors: options.selectors }),
    ...(options.tables === undefined ? {} : { tables: options.tables }),
    namespaces: situations.map((situation, index) => ({
      ...situation,
      conntrack: options.conntrackInUse?.[index] ?? null,
    })),
    deadline: Math.ceil(Date.now() / 1000 + options.deadlineSeconds),
    ratePerSecond: options.ratePerSecond,
  });
  if (plan.ok) return ok({ plan: plan.value, situations });
  return refused(
    hostRefusal(
      "program-failed",
      `the selector "${plan.error.expression}" cannot be used: ${plan.error.reason}`,
      "change the filter",
    ),
  );
}

/**
 * Legacy loggers matter only where legacy tables are in use: elsewhere nothing is set and group 0 is left to others. Where it
 * cannot be seen they may be, and no step of theirs is to be missed.
 */
function situationOf(netns: string | null, runs: readonly JournalFile[]): NetnsSituation {
  const loggers = inNetns(netns, () => {
    const found: LoggerSetting[] = [];
    for (const [family, nfproto] of LEGACY) {
      const current = isLegacyInUse(family) !== false ? readLogger(nfproto) : null;
      if (current !== null) found.push({ nfproto, current });
    }
    return found;
  });
  return { netns, loggers: loggers.map((logger) => beforeOtherRuns(netns, logger, runs)) };
}

/** What another run has set is not the host's own: what that run found is. */
function beforeOtherRuns(
  netns: string | null,
  logger: LoggerSetting,
  runs: readonly JournalFile[],
): LoggerSetting {
  if (logger.current !== LEGACY_LOGGER) return logger;
  const remembered = rememberedValue(runs, netns, loggerSetting(logger.nfproto));
  return remembered === null ? logger : { ...logger, current: remembered };
}

const LEGACY = [
  ["ip", 2],
  ["ip6", 10],
] as const;
