/** A made-up host on which everything is well, to be spoilt one thing at a time. */
import type { NetnsSituation } from "../../src/app/doctor/check.ts";
import { readRulesets } from "../../src/core/rulesets/ruleset-reader.ts";
import type { HostFacts } from "../../src/linux/host-facts.ts";
import type { NetnsFacts } from "../../src/linux/netns-facts.ts";

const HOST: HostFacts = {
  platform: "linux",
  kernel: {
    isLinux: true,
    release: "6.12.1-test",
    nfTables: true,
    nfnetlinkLog: true,
    xtTrace: true,
    loggers: {},
  },
  missingCapabilities: [],
  programs: {
    nft: { path: "/usr/sbin/nft", said: "nftables v1.0.6 (Lester Gooch #5)" },
    nsenter: { path: "/usr/bin/nsenter", said: "nsenter from util-linux 2.38.1" },
    ip: { path: "/usr/sbin/ip", said: "ip utility, iproute2-6.1.0" },
    iptables: { path: "/usr/sbin/iptables", said: "iptables v1.8.9 (nf_tables)" },
    "iptables-legacy": { path: "/usr/sbin/iptables-legacy", said: "iptables v1.8.9 (legacy)" },
    "iptables-nft": { path: "/usr/sbin/iptables-nft", said: "iptables v1.8.9 (nf_tables)" },
    tcpdump: { path: "/usr/bin/tcpdump", said: "tcpdump version 4.99.3" },
    conntrack: { path: "/usr/sbin/conntrack", said: "conntrack v1.4.7 (conntrack-tools)" },
    bpftrace: { path: "/usr/bin/bpftrace", said: "bpftrace v0.17.0" },
  },
  receiveBuffer: { most: 212_992, wanted: 1 << 26, forced: 1 << 26 },
  kernelLog: { consoleLevel: 4, isInJournal: true },
  clock: { now: 1_800_000_000, isSynchronised: true, source: "tsc" },
  hasBtf: true,
  logsAllNetns: false,
  namespaces: [],
};

const NETNS: NetnsFacts = {
  netns: "shop",
  isFirst: false,
  loggers: { 2: "nf_log_ipv4", 10: "nf_log_ipv6" },
  loadedLoggers: { 2: ["nf_log_ipv4", "nfnetlink_log"], 10: ["nf_log_ipv6", "nfnetlink_log"] },
  nflogGroups: [],
  legacyTables: { ip: [], ip6: [] },
  bridges: [],
  bridgeCalls: { ip: null, ip6: null },
};

export interface Spoilt {
  readonly host?: Partial<HostFacts>;
  readonly netns?: Partial<NetnsFacts>;
  readonly situation?: Partial<Omit<NetnsSituation, "host" | "netns" | "rules">>;
  /** Listings by the command that made them, and their text. */
  readonly listings?: Readonly<Record<string, string>>;
  readonly refusals?: NetnsSituation["rules"]["refusals"];
}

export function situationWith(spoilt: Spoilt = {}): NetnsSituation {
  const rulesets = Object.entries(spoilt.listings ?? {}).flatMap(
    ([input, text]) => readRulesets(text, { input, netns: "shop", force: true }).rulesets,
  );
  return {
    host: { ...HOST, ...spoilt.host },
    netns: { ...NETNS, ...spoilt.netns },
    deadRuns: [],
    deadCanaries: [],
    leavesNetns: true,
    rules: { rulesets, texts: [], refusals: spoilt.refusals ?? [], fingerprint: "" },
    ...spoilt.situation,
  };
}
