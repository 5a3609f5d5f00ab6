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
import {
  type Devices,
  type Follow,
  markingChains,
  type Selectors,
  type TableFamily,
  tableCommand,
} from "./trace-table.ts";

export const ALL_PACKETS: Selectors = { prerouting: [""], output: [""] };

export const LEGACY_LOGGER = "nfnetlink_log";

/** The loggers that write to the kernel log: where NFLOG group 0 has another reader, steps are read from there. */
export const KERNEL_LOGGERS = { 2: "nf_log_ipv4", 10: "nf_log_ipv6" } as const;

export interface NetnsSituation {
  readonly netns: string | null;
  /** What `net.netfilter.nf_log.N` say now, where legacy tables make them matter: see `LoggerSetting`. */
  readonly loggers: readonly LoggerSetting[];
  /** For which packets conntrack is in use; null or absent where that is not known. */
  readonly conntrack?: ConntrackInUse | null;
}

export interface ConntrackInUse {
  readonly ip: boolean;
  readonly ip6: boolean;
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
  /** Of an inet table, where there are no `tables`. */
  readonly selectors?: Selectors;
  /** What the tables are, and how they choose. */
  readonly tables?: TablesWanted;
  readonly namespaces: readonly NetnsSituation[];
  /** Seconds since 1970-01-01 UTC after which the rules match nothing any more, whatever becomes of us. */
  readonly deadline: number;
  /** Packets a second and namespace that are marked at most. */
  readonly ratePerSecond: number;
  /** Mark with rules in raw and not with a table of our own; then `selectors` are not asked. */
  readonly rawRules?: readonly RawSelectors[] | null;
}

/** Tables of other families, and choices by connection. */
export interface TablesWanted {
  /** At least one. */
  readonly families: readonly FamilyWanted[];
  /** Mark the packets that go the other way in the connections of chosen ones, in the IP families. */
  readonly follow: boolean;
  /** Mark so many packets of each connection and direction at most; null: all. */
  readonly first: number | null;
  /** Mark the packets of one in so many connections; null: of all. */
  readonly sampleOneIn: number | null;
  /** In the IP families, choose before fragments are put together. */
  readonly fragments: boolean;
}

export interface FamilyWanted {
  readonly family: TableFamily;
  readonly selectors: Selectors;
  /** For inet: the same for a table of each version, for where conntrack is in use for one of them alone. */
  readonly apart?: Readonly<Record<"ip" | "ip6", Selectors>>;
  /** For netdev. */
  readonly devices?: Devices;
}

export interface SelectorProblem {
  readonly expression: string;
  readonly reason: string;
}

/** The plan of a trace; refused when an expression could break out of its rule. */
export function planTrace(options: TracePlanOptions): Result<Plan, SelectorProblem> {
  for (const { selectors, apart } of familiesOf(options)) {
    for (const some of [selectors, ...Object.values(apart ?? {})]) {
      const problem = selectorProblem(some);
      if (problem !== null) return refused(problem);
    }
  }
  const changes: Change[] = [];
  for (const situation of options.namespaces) {
    for (const logger of situation.loggers) {
      const change = loggerChange(situation.netns, logger);
      if (change !== null) changes.push(change);
    }
  }
  for (const situation of options.namespaces) changes.push(...markingChanges(situation, options));
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

function markingChanges(situation: NetnsSituation, options: TracePlanOptions): readonly Change[] {
  const { rawRules = null } = options;
  const { netns } = situation;
  if (rawRules !== null) return ruleChanges(netns, { ...options, rawRules });
  return tablesIn(situation, options).map(({ wanted, follow }) =>
    tableChange(netns, options, wanted, follow),
  );
}

interface TableHere {
  readonly wanted: FamilyWanted;
  readonly follow: Follow | null;
}

function familiesOf({ selectors, tables }: TracePlanOptions): readonly FamilyWanted[] {
  return tables?.families ?? [{ family: "inet", selectors: selectors ?? {} }];
}

/**
 * A rule that asks conntrack switches it on, for all versions of IP that its table has: so none asks where it is not in use,
 * and where it is for one version alone, each has a table of its own.
 */
function tablesIn(situation: NetnsSituation, options: TracePlanOptions): readonly TableHere[] {
  const { follow = false } = options.tables ?? {};
  const inUse = situation.conntrack ?? { ip: false, ip6: false };
  const how = (isInUse: boolean): Follow | null => (follow ? (isInUse ? "conntrack" : "mirrored") : null);
  return familiesOf(options).flatMap((wanted): TableHere[] => {
    switch (wanted.family) {
      case "ip":
      case "ip6":
        return [{ wanted, follow: how(inUse[wanted.family]) }];
      case "inet": {
        const { apart } = wanted;
        if (!follow || inUse.ip === inUse.ip6 || apart === undefined)
          return [{ wanted, follow: how(inUse.ip && inUse.ip6) }];
        return (["ip", "ip6"] as const).map((family) => ({
          wanted: { family, selectors: apart[family] },
          follow: how(inUse[family]),
        }));
      }
      default:
        return [{ wanted, follow: null }];
    }
  });
}

function tableChange(
  netns: string | null,
  options: TracePlanOptions,
  { family, selectors, devices }: FamilyWanted,
  follow: Follow | null,
): Change {
  const table = ownTableName(options.runId);
  const { first = null, sampleOneIn = null, fragments = false } = options.tables ?? {};
  const { deadline, ratePerSecond } = options;
  const isOfIp = family === "inet" || family === "ip" || family === "ip6";
  const command = tableCommand({
    family,
    table,
    selectors,
    deadline,
    ratePerSecond,
    ...(devices === undefined ? {} : { devices }),
    follow,
    first,
    sampleOneIn,
    fragments: fragments && isOfIp,
  });
  const marking = markingChains({ follow, fragments: fragments && isOfIp });
  const counts = { marking, forgotten: first !== null || follow !== null };
  return {
    says: `add the nft table ${family} ${table}, which marks the chosen packets for tracing and vanishes with nfpath`,
    netns,
    apply: { kind: "hold-table", family, table, command, counts },
    revert: { kind: "release-table", family, table },
  };
}

/** `nft` would take these for the end of the rule, a comment or a quotation, and what follows for a command. */
const BREAKS_OUT = /[;\n\r\0#\\]/;

function selectorProblem(selectors: Selectors): SelectorProblem | null {
  for (const expression of Object.values(selectors).flat()) {
    if (BREAKS_OUT.test(expression)) {
      return { expression, reason: "an nft match expression holds none of ; # \\ and no line end" };
    }
  }
  return null;
}
