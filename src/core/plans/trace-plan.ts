/**
 * The changes of one live trace.
 *
 * One nft rule marks a packet for both worlds: `meta nftrace set 1` sets the bit that nf_tables and the legacy
 * ip_tables code look at. So each namespace gets one table of our own, before everything else but defragmentation
 * (conntrack reassembles at -400, iptables' raw runs at -300); no rule of the host's is touched, no rule number shifts.
 *
 * Legacy steps go where `net.netfilter.nf_log.2` and `.10` say, by default to the kernel log. They are sent to netlink for
 * the time of the trace. The LOG target asks for its logger by type and does not follow this setting
 * (`net/netfilter/nf_log.c`, `nf_log_packet`).
 */
import { ok, type Result, refused } from "../base/result.ts";
import { ownTableName } from "./own-table.ts";
import type { Change, Plan } from "./plan.ts";
import { type RawSelectors, ruleChanges } from "./raw-rules.ts";

/** Which packets to trace: per hook, nft match expressions of which one must hold. `""` matches every packet. */
export interface Selectors {
  readonly prerouting: readonly string[];
  readonly output: readonly string[];
}

export const ALL_PACKETS: Selectors = { prerouting: [""], output: [""] };

/** Runs before all rules of the host, and after conntrack has put fragments together. */
export const SELECTOR_PRIORITY = -350;

/**
 * Watch points: base chains of ours at the end of each of these hooks. Marked packets report there even where the host
 * has no rule, and after source NAT (+100), so where a packet got to is seen and not concluded.
 */
export const WATCHED_HOOKS = ["input", "forward", "postrouting"] as const;
export const WATCH_PRIORITY = 350;

/** The chain all selectors lead to; the first counter in it counts the packets meant, the second those marked. */
export const CHOSEN_CHAIN = "chosen";

export const LEGACY_LOGGER = "nfnetlink_log";

/** The loggers that write to the kernel log: where NFLOG group 0 has another reader, steps are read from there. */
export const KERNEL_LOGGERS = { 2: "nf_log_ipv4", 10: "nf_log_ipv6" } as const;

export interface NetnsSituation {
  readonly netns: string | null;
  /** What `net.netfilter.nf_log.N` say now, where legacy tables make them matter: see `LoggerSetting`. */
  readonly loggers: readonly LoggerSetting[];
}

export interface LoggerSetting {
  /** 2 for IPv4, 10 for IPv6: the N of `net.netfilter.nf_log.N`. */
  readonly nfproto: 2 | 10;
  /** `nf_log_ipv4`, `NONE` … as read. */
  readonly current: string;
  /** Where they are to go for the time of the trace; default `LEGACY_LOGGER`. */
  readonly wanted?: string;
}

export interface TracePlanOptions {
  readonly runId: string;
  readonly selectors: Selectors;
  readonly namespaces: readonly NetnsSituation[];
  /** Seconds since 1970-01-01 UTC after which the rules match nothing any more, whatever becomes of us. */
  readonly deadline: number;
  /** Packets a second and namespace that are marked at most. */
  readonly ratePerSecond: number;
  /** Mark with rules in raw and not with a table of our own; then `selectors` are not asked. */
  readonly rawRules?: readonly RawSelectors[] | null;
}

export interface SelectorProblem {
  readonly expression: string;
  readonly reason: string;
}

/** The plan of a trace; refused when an expression could break out of its rule. */
export function planTrace(options: TracePlanOptions): Result<Plan, SelectorProblem> {
  const problem = selectorProblem(options.selectors);
  if (problem !== null) return refused(problem);
  const changes: Change[] = [];
  for (const situation of options.namespaces) {
    for (const logger of situation.loggers) {
      const change = loggerChange(situation.netns, logger);
      if (change !== null) changes.push(change);
    }
  }
  for (const { netns } of options.namespaces) changes.push(...markingChanges(netns, options));
  return ok({ runId: options.runId, changes });
}

/**
 * Null where nothing is to be set. A run that reads the kernel log says that it needs the setting even where it is so
 * already: another run that comes later must not take it away.
 */
function loggerChange(netns: string | null, logger: LoggerSetting): Change | null {
  const { nfproto, current, wanted = LEGACY_LOGGER } = logger;
  const isKept = current === wanted;
  if (isKept && wanted === LEGACY_LOGGER) return null;
  const name = `net.netfilter.nf_log.${nfproto}`;
  const version = nfproto === 2 ? "IPv4" : "IPv6";
  const whereTo = wanted === LEGACY_LOGGER ? "nfpath" : "the kernel log, which nfpath reads,";
  return {
    says: isKept
      ? `leave the TRACE events of legacy iptables (${version}) to the kernel log, which nfpath reads`
      : `send the TRACE events of legacy iptables (${version}) to ${whereTo} instead of ${current}`,
    netns,
    apply: { kind: "write-sysctl", name, value: wanted, expected: current },
    revert: { kind: "write-sysctl", name, value: current, expected: wanted },
  };
}

function markingChanges(netns: string | null, options: TracePlanOptions): readonly Change[] {
  const { rawRules = null } = options;
  return rawRules === null ? [tableChange(netns, options)] : ruleChanges(netns, { ...options, rawRules });
}

function tableChange(netns: string | null, options: TracePlanOptions): Change {
  const table = ownTableName(options.runId);
  return {
    says: `add the nft table inet ${table}, which marks the chosen packets for tracing and vanishes with nfpath`,
    netns,
    apply: { kind: "hold-table", table, command: tableCommand(table, options) },
    revert: { kind: "release-table", table },
  };
}

/**
 * The whole table on one line, because `nft -i` takes a line as one transaction: all of it or nothing.
 *
 * Matching rules `goto` one chain, so one limit and one pair of counters serve both hooks. Its `accept` ends only our own
 * base chain, and saves the trace two events a packet.
 */
function tableCommand(table: string, options: TracePlanOptions): string {
  const { selectors, deadline, ratePerSecond } = options;
  const commands = [`add table inet ${table} { flags owner; }`, `add chain inet ${table} ${CHOSEN_CHAIN}`];
  // A number is read as seconds since 1970 UTC; a date would be read in the time zone of the process.
  commands.push(`add rule inet ${table} ${CHOSEN_CHAIN} meta time >= ${deadline} return`);
  commands.push(`add rule inet ${table} ${CHOSEN_CHAIN} counter`);
  commands.push(
    `add rule inet ${table} ${CHOSEN_CHAIN} limit rate ${ratePerSecond}/second burst ${ratePerSecond} packets ` +
      "counter meta nftrace set 1 accept",
  );
  for (const hook of ["prerouting", "output"] as const) {
    if (selectors[hook].length === 0) continue;
    commands.push(
      `add chain inet ${table} ${hook} { type filter hook ${hook} priority ${SELECTOR_PRIORITY}; }`,
    );
    for (const expression of selectors[hook]) {
      const match = expression.trim();
      commands.push(`add rule inet ${table} ${hook} ${match === "" ? "" : `${match} `}goto ${CHOSEN_CHAIN}`);
    }
  }
  for (const hook of WATCHED_HOOKS) {
    commands.push(`add chain inet ${table} ${hook} { type filter hook ${hook} priority ${WATCH_PRIORITY}; }`);
    // An empty chain reports its end and its policy: two events a packet, where a rule makes one.
    commands.push(`add rule inet ${table} ${hook} accept`);
  }
  return commands.join("; ");
}

/** `nft` would take these for the end of the rule, a comment or a quotation, and what follows for a command. */
const BREAKS_OUT = /[;\n\r\0#\\]/;

function selectorProblem(selectors: Selectors): SelectorProblem | null {
  for (const expression of [...selectors.prerouting, ...selectors.output]) {
    if (BREAKS_OUT.test(expression)) {
      return { expression, reason: "an nft match expression holds none of ; # \\ and no line end" };
    }
  }
  return null;
}
