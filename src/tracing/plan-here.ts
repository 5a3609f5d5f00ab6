/** The plan of a trace on this host, as it is now. */
import { randomBytes } from "node:crypto";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Plan } from "../core/plans/plan.ts";
import type { RawSelectors } from "../core/plans/raw-rules.ts";
import {
  type ConntrackInUse,
  KERNEL_LOGGERS,
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
import { hasTablesOfOthers } from "../linux/nft-tables.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";
import { familyOf } from "../linux/rule-action.ts";
import { journalDirectories } from "../linux/undo/directory.ts";
import { type JournalFile, listJournals, rememberedValue } from "../linux/undo/journal.ts";
import { chooseLegacyReader, type LegacyReader } from "./legacy-reader.ts";
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
  /** Packets a second and namespace that are marked at most; of rules in raw, each has this limit. */
  readonly ratePerSecond: number;
  /** Mark with rules in legacy iptables' raw table instead of a table of our own. */
  readonly rawRules?: readonly RawSelectors[] | null;
}

export interface PlannedTrace {
  readonly plan: Plan;
  readonly situations: readonly HostSituation[];
}

export interface HostSituation extends NetnsSituation {
  readonly reader: LegacyReader;
  /**
   * Whether nftables' steps are heard. Beside the kernel log only where others have nft rules: the two have no order in common,
   * and what our own table would say the kernel log says too.
   */
  readonly hearsNft: boolean;
}

/** `runs`: what other runs of nfpath have changed here and remember. */
export function planHere(
  options: PlanOptions,
  runs: readonly JournalFile[],
): Result<PlannedTrace, HostRefusal> {
  const situations: HostSituation[] = [];
  for (const netns of options.netns) {
    const situation = situationOf(netns, options, runs);
    if (!situation.ok) return situation;
    situations.push(situation.value);
  }
  const fromLog = situations.filter(({ reader }) => reader.kind === "kernel-log");
  return fromLog.length > 1 ? refused(tooManyInOneLog(fromLog)) : planFor(options, situations);
}

function tooManyInOneLog(situations: readonly HostSituation[]): HostRefusal {
  const names = situations.map(({ netns }) => netns ?? "this one").join(", ");
  return hostRefusal(
    "nflog-group-taken",
    `NFLOG group 0 has another reader in more than one namespace (${names}), and the kernel log does not name them`,
    "trace them one after the other, or end those readers",
  );
}

export interface DryRun {
  readonly plan: Plan;
  /** What cannot be seen without the rights that a trace needs, and what would follow from it; each a sentence. */
  readonly notKnown: readonly string[];
}

/** What a trace would do here, without doing it. Without rights, as much of it as can be known. */
export function planDryRun(options: PlanOptions): Result<DryRun, HostRefusal> {
  const possible = checkPossible(options.netns, options.rawRules ?? null);
  if (!possible.ok) return possible;
  const missing = missingRights(options.netns);
  if (missing.length === 0) {
    const planned = planHere(options, listJournals(journalDirectories()).runs);
    return planned.ok ? ok({ plan: planned.value.plan, notKnown: [] }) : planned;
  }
  const planned = planFor(
    options,
    options.netns.map((netns) => ({ netns, loggers: [], reader: { kind: "netlink" }, hearsNft: true })),
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
  situations: readonly HostSituation[],
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
    rawRules: options.rawRules ?? null,
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
 * Legacy loggers matter only where legacy tables are in use, or will be: elsewhere nothing is set and group 0 is left to
 * others. Where it cannot be seen they may be, and no step of theirs is to be missed.
 */
function situationOf(
  netns: string | null,
  { rawRules }: PlanOptions,
  runs: readonly JournalFile[],
): Result<HostSituation, HostRefusal> {
  const loggers = inNetns(netns, () => {
    const found: LoggerSetting[] = [];
    for (const [family, nfproto] of LEGACY) {
      const isMarked = (rawRules ?? []).some(({ program }) => familyOf(program) === family);
      const current = isMarked || isLegacyInUse(family) !== false ? readLogger(nfproto) : null;
      if (current !== null) found.push({ nfproto, current });
    }
    return found;
  });
  const reader =
    loggers.length === 0 ? ok<LegacyReader>({ kind: "netlink" }) : chooseLegacyReader(netns, runs);
  if (!reader.ok) return reader;
  const isLog = reader.value.kind === "kernel-log";
  const known = loggers.map((logger) => beforeOtherRuns(netns, logger, runs));
  return ok({
    netns,
    loggers: isLog ? known.map((logger) => ({ ...logger, wanted: KERNEL_LOGGERS[logger.nfproto] })) : known,
    reader: reader.value,
    hearsNft: !isLog || hasTablesOfOthers(netns),
  });
}

/** What another run has set is not the host's own: what that run found is. */
function beforeOtherRuns(
  netns: string | null,
  logger: LoggerSetting,
  runs: readonly JournalFile[],
): LoggerSetting {
  const remembered = rememberedValue(runs, netns, loggerSetting(logger.nfproto), logger.current);
  return remembered === null ? logger : { ...logger, current: remembered };
}

const LEGACY = [
  ["ip", 2],
  ["ip6", 10],
] as const;
