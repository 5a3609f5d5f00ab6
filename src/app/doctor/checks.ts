/** All checks, in the order in which they are shown. */
import type { HostCheck, NetnsCheck } from "./check.ts";
import {
  clock,
  dropReasons,
  leftovers,
  netAdmin,
  programs,
  receiveBuffer,
  sysAdmin,
  syslog,
} from "./host-checks.ts";
import { kernelRelease, nfnetlinkLog, nfTables, xtTrace } from "./kernel-checks.ts";
import { allNetns, groupZero, kernelLog, logBackendIp, logBackendIp6 } from "./log-checks.ts";
import {
  bothBackends,
  bridgeCalls,
  earlyChains,
  flowtableCheck,
  rawTable,
  whichIptables,
} from "./rule-checks.ts";

export const HOST_CHECKS: readonly HostCheck[] = [
  kernelRelease,
  nfTables,
  netAdmin,
  sysAdmin,
  syslog,
  ...programs,
  dropReasons,
  receiveBuffer,
  kernelLog,
  clock,
  leftovers,
];

export const NETNS_CHECKS: readonly NetnsCheck[] = [
  whichIptables,
  bothBackends,
  xtTrace,
  nfnetlinkLog,
  groupZero,
  logBackendIp,
  logBackendIp6,
  allNetns,
  rawTable,
  earlyChains,
  flowtableCheck,
  bridgeCalls,
];
