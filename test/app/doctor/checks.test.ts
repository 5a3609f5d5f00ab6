/** Each fault is named with its mend, from a made-up host that is well but for it. */
import { describe, expect, it, test } from "vitest";
import type { CheckResult } from "../../../src/app/doctor/check.ts";
import { HOST_CHECKS, NETNS_CHECKS } from "../../../src/app/doctor/checks.ts";
import { hostRefusal } from "../../../src/linux/refusal.ts";
import { type Spoilt, situationWith } from "../../support/situation.ts";

const ALL = [...HOST_CHECKS, ...NETNS_CHECKS];

function resultsOf(spoilt: Spoilt = {}): ReadonlyMap<string, CheckResult> {
  const situation = situationWith(spoilt);
  return new Map(ALL.map(({ id, judge }) => [id, judge(situation)]));
}

/** Ids of the checks that are not ok. */
function ill(spoilt: Spoilt): string[] {
  return [...resultsOf(spoilt)].filter(([, { status }]) => status !== "ok").map(([id]) => id);
}

/** Ids of the checks that found a fault; what cannot be asked because of it does not count. */
function faultsIn(spoilt: Spoilt): string[] {
  return [...resultsOf(spoilt)]
    .filter(([, { status }]) => status === "warning" || status === "failed")
    .map(([id]) => id);
}

function nftListing(...entries: unknown[]): Readonly<Record<string, string>> {
  return { "nft -j -a list ruleset": JSON.stringify({ nftables: entries }) };
}

const EARLY = { family: "inet", table: "fw", name: "early", type: "filter", hook: "prerouting", prio: -400 };
const table = { table: { family: "inet", name: "fw" } };
const rule = (chain: string, ...expr: unknown[]) => ({
  rule: { family: "inet", table: "fw", chain, handle: 7, expr },
});
const MARK = { mangle: { key: { meta: { key: "nftrace" } }, value: 1 } };
const LEGACY = {
  "iptables-legacy-save -c (in shop)": "*filter\n:INPUT DROP [0:0]\n[0:0] -A INPUT -j ACCEPT\nCOMMIT\n",
};
const LEGACY_TABLES = { legacyTables: { ip: ["filter", "raw"], ip6: [] } };

test("on a host where all is well, all is ok", () => {
  expect(ill({})).toEqual([]);
});

test("ids are unique: programs look for them", () => {
  expect(new Set(ALL.map(({ id }) => id)).size).toBe(ALL.length);
});

type Fault = readonly [string, string, "warning" | "failed", RegExp, Spoilt];

const programs = situationWith().host.programs;
const kernel = situationWith().host.kernel;
const ulogd = { pid: 812, name: "ulogd", service: "ulogd2.service" };

const FAULTS: readonly Fault[] = [
  [
    "an old kernel",
    "kernel-release",
    "warning",
    /uname -r/,
    { host: { kernel: { ...kernel, release: "5.10.0-9" } } },
  ],
  [
    "no nf_tables",
    "nf-tables",
    "warning",
    /grep -i -e NF_TABLES/,
    { host: { kernel: { ...kernel, nfTables: false } } },
  ],
  [
    "neither nft nor legacy iptables",
    "program-nft",
    "failed",
    /apt-get install nftables/,
    { host: { programs: { ...programs, nft: null, "iptables-legacy": null } } },
  ],
  [
    "no CAP_NET_ADMIN",
    "cap-net-admin",
    "failed",
    /sudo nfpath/,
    { host: { missingCapabilities: ["CAP_NET_ADMIN"] } },
  ],
  [
    "no CAP_SYS_ADMIN",
    "cap-sys-admin",
    "failed",
    /sudo nfpath/,
    { host: { missingCapabilities: ["CAP_SYS_ADMIN"] } },
  ],
  [
    "no nft",
    "program-nft",
    "warning",
    /apt-get install nftables/,
    { host: { programs: { ...programs, nft: null } } },
  ],
  [
    "no nsenter",
    "program-nsenter",
    "failed",
    /install util-linux/,
    { host: { programs: { ...programs, nsenter: null } } },
  ],
  [
    "no tcpdump",
    "program-tcpdump",
    "warning",
    /install tcpdump/,
    { host: { programs: { ...programs, tcpdump: null } } },
  ],
  [
    "no bpftrace",
    "drop-reasons",
    "warning",
    /install bpftrace/,
    { host: { programs: { ...programs, bpftrace: null } } },
  ],
  ["no BTF", "drop-reasons", "warning", /uname/, { host: { hasBtf: false } }],
  [
    "small buffers",
    "receive-buffer",
    "warning",
    /sudo/,
    { host: { receiveBuffer: { most: 212_992, wanted: 1 << 26, forced: null } } },
  ],
  [
    "a loud console",
    "kernel-log",
    "warning",
    /^dmesg -n 4$/,
    { host: { kernelLog: { consoleLevel: 7, isInJournal: true } } },
  ],
  [
    "a deaf journal",
    "kernel-log",
    "warning",
    /ReadKMsg=yes/,
    { host: { kernelLog: { consoleLevel: 4, isInJournal: false } } },
  ],
  [
    "a clock of 1970",
    "clock",
    "warning",
    /set-ntp/,
    { host: { clock: { now: 3600, isSynchronised: true, source: null } } },
  ],
  [
    "a clock left alone",
    "clock",
    "warning",
    /set-ntp/,
    { host: { clock: { now: 1_800_000_000, isSynchronised: false, source: null } } },
  ],
  [
    "a dead canary",
    "leftovers",
    "warning",
    /^ip netns delete nfpath-1x00ff-canary$/,
    { situation: { deadCanaries: ["nfpath-1x00ff-canary"] } },
  ],
  [
    "no xt_TRACE where legacy is in use",
    "xt-trace",
    "failed",
    /XT_TARGET_TRACE/,
    { host: { kernel: { ...kernel, xtTrace: false } }, netns: LEGACY_TABLES },
  ],
  [
    "no nfnetlink_log where legacy is in use",
    "nfnetlink-log",
    "failed",
    /^modprobe nfnetlink_log$/,
    { host: { kernel: { ...kernel, nfnetlinkLog: false } }, netns: LEGACY_TABLES },
  ],
  [
    "no logger",
    "log-backend-ip",
    "warning",
    /^ip netns exec shop sysctl -w net.netfilter.nf_log.2=nf_log_ipv4$/,
    { netns: { loggers: { 2: "NONE", 10: "nf_log_ipv6" } } },
  ],
  [
    "no logger loaded",
    "log-backend-ip6",
    "warning",
    /modprobe nf_log_syslog.*nf_log.10=nf_log_ipv6/s,
    { netns: { loggers: { 2: "nf_log_ipv4", 10: "NONE" }, loadedLoggers: { 10: ["nfnetlink_log"] } } },
  ],
  [
    "a logger that nobody reads",
    "log-backend-ip",
    "warning",
    /nf_log.2=nf_log_ipv4$/,
    { netns: { loggers: { 2: "nfnetlink_log", 10: "nf_log_ipv6" } } },
  ],
  [
    "group 0 taken by a service",
    "nflog-group-0",
    "failed",
    /^systemctl stop ulogd2.service$/,
    { netns: { ...LEGACY_TABLES, nflogGroups: [{ group: 0, port: 812, holder: ulogd }] } },
  ],
  [
    "group 0 taken where the kernel log can be read instead",
    "nflog-group-0",
    "warning",
    /^systemctl stop ulogd2.service$/,
    {
      host: { logsAllNetns: true },
      netns: { ...LEGACY_TABLES, nflogGroups: [{ group: 0, port: 812, holder: ulogd }] },
    },
  ],
  [
    "group 0 taken, and not needed",
    "nflog-group-0",
    "warning",
    /^kill 812$/,
    { netns: { nflogGroups: [{ group: 0, port: 812, holder: { ...ulogd, service: null } }] } },
  ],
  [
    "no raw",
    "raw-table",
    "warning",
    /^ip netns exec shop iptables-legacy -t raw -L -n$/,
    { netns: { legacyTables: { ip: ["filter"], ip6: [] } } },
  ],
  [
    "an early chain that drops",
    "early-chains",
    "warning",
    /insert rule inet fw early meta nftrace set 1$/,
    { listings: nftListing(table, { chain: EARLY }, rule("early", { drop: null })) },
  ],
  [
    "an early policy that drops",
    "early-chains",
    "warning",
    /insert rule inet fw early/,
    { listings: nftListing(table, { chain: { ...EARLY, policy: "drop" } }) },
  ],
  [
    "an early chain that jumps to a drop",
    "early-chains",
    "warning",
    /insert rule inet fw early/,
    {
      listings: nftListing(
        table,
        { chain: EARLY },
        { chain: { family: "inet", table: "fw", name: "bad" } },
        rule("early", { jump: { target: "bad" } }),
        rule("bad", { drop: null }),
      ),
    },
  ],
  [
    "an ingress chain that drops",
    "early-chains",
    "warning",
    /insert rule netdev/,
    {
      listings: nftListing(
        { table: { family: "netdev", name: "fw" } },
        { chain: { ...EARLY, family: "netdev", hook: "ingress", prio: 0, dev: "eth0" } },
        { rule: { ...rule("early", { drop: null }).rule, family: "netdev" } },
      ),
    },
  ],
  [
    "a flowtable in use",
    "flowtables",
    "warning",
    /^ip netns exec shop nft delete rule inet fw fwd handle 7$/,
    {
      listings: nftListing(
        table,
        { flowtable: { family: "inet", name: "fast", table: "fw", hook: "ingress", prio: 0, dev: "eth0" } },
        { chain: { ...EARLY, name: "fwd", hook: "forward", prio: 0 } },
        rule("fwd", { flow: { op: "add", flowtable: "@fast" } }),
      ),
    },
  ],
  [
    "a bridge past iptables",
    "bridge-nf-call",
    "warning",
    /sysctl -w net.bridge.bridge-nf-call-iptables=1/,
    {
      netns: {
        bridges: [{ name: "br0", calls: { ip: false, ip6: false } }],
        bridgeCalls: { ip: false, ip6: true },
      },
    },
  ],
  [
    "a bridge without br_netfilter",
    "bridge-nf-call",
    "warning",
    /^modprobe br_netfilter\n/,
    { netns: { bridges: [{ name: "br0", calls: { ip: false, ip6: false } }] } },
  ],
];

test.each(FAULTS)("%s is named by %s, with its mend", (_name, id, status, command, spoilt) => {
  const result = resultsOf(spoilt).get(id);
  expect(result?.status).toBe(status);
  if (result?.status !== "warning" && result?.status !== "failed") throw new Error("not a fault");
  expect(result.mend.commands.join("\n")).toMatch(command);
  expect(result.cause).not.toBe("");
  expect(faultsIn(spoilt)).toEqual([id]);
});

describe("both kinds of rules in force", () => {
  const both: Spoilt = {
    netns: LEGACY_TABLES,
    listings: {
      ...LEGACY,
      ...nftListing(table, { chain: { ...EARLY, prio: 0 } }, rule("early", { accept: null })),
    },
  };

  it("are named with their tables, and the mend opens nothing before it has listed", () => {
    const result = resultsOf(both).get("both-backends");
    expect(result).toMatchObject({
      status: "warning",
      what: "of both kinds: legacy filter (1 rule); nft inet fw (1 rule)",
      mend: {
        commands: [
          "ip netns exec shop iptables-legacy-save -c",
          "ip netns exec shop iptables-legacy -t filter -P INPUT ACCEPT",
          "ip netns exec shop iptables-legacy -t filter -F",
        ],
        caution: expect.stringContaining("only when the nft rules do their work"),
      },
    });
  });

  it("make an iptables that shows one kind a trap", () => {
    expect(ill(both)).toEqual(["which-iptables", "both-backends"]);
    expect(ill({ netns: LEGACY_TABLES, listings: LEGACY })).toEqual(["which-iptables"]);
  });
});

describe("what is not known is said to be so", () => {
  const denied = hostRefusal(
    "program-failed",
    "nft -j -a list ruleset ended with status 1: Operation not permitted",
    "",
  );

  it.each<[string, readonly string[], Spoilt]>([
    ["rules that may not be read", ["both-backends", "early-chains", "flowtables"], { refusals: [denied] }],
    ["a kernel without a configuration", ["xt-trace"], { host: { kernel: { ...kernel, xtTrace: null } } }],
    ["groups that only root sees", ["nflog-group-0"], { netns: { nflogGroups: null } }],
    [
      "legacy tables that only root sees",
      ["which-iptables", "both-backends", "raw-table"],
      { netns: { legacyTables: { ip: null, ip6: null } } },
    ],
    ["bridges that cannot be listed", ["bridge-nf-call"], { netns: { bridges: null } }],
  ])("%s", (_name, ids, spoilt) => {
    const results = resultsOf(spoilt);
    expect(ill(spoilt)).toEqual(ids);
    for (const id of ids) expect(results.get(id)?.status).toBe("skipped");
  });
});

describe("an early chain", () => {
  it("that marks what it takes is no fault: its end is told", () => {
    expect(
      ill({
        listings: nftListing(table, { chain: EARLY }, rule("early", MARK), rule("early", { drop: null })),
      }),
    ).toEqual([]);
  });

  it("that runs after ours, at output's end or in the bridge's middle is none", () => {
    for (const place of [{ prio: -349 }, { hook: "postrouting" }, { hook: "input" }]) {
      expect(
        ill({
          listings: nftListing(table, { chain: { ...EARLY, ...place } }, rule("early", { drop: null })),
        }),
      ).toEqual([]);
    }
  });

  it("that calls itself in a circle is read once", () => {
    expect(
      ill({ listings: nftListing(table, { chain: EARLY }, rule("early", { jump: { target: "early" } })) }),
    ).toEqual([]);
  });
});

test("a dead run is undone by one command, and its settings are named", () => {
  const plan = {
    runId: "ab12",
    changes: [
      {
        says: "",
        netns: "shop",
        apply: {
          kind: "write-sysctl",
          name: "net.netfilter.nf_log.2",
          value: "nfnetlink_log",
          expected: "NONE",
        },
        revert: {
          kind: "write-sysctl",
          name: "net.netfilter.nf_log.2",
          value: "NONE",
          expected: "nfnetlink_log",
        },
      },
    ],
  } as const;
  const result = resultsOf({ situation: { deadRuns: [{ path: "/run/nfpath/ab12.json", plan }] } }).get(
    "leftovers",
  );
  expect(result).toMatchObject({
    what: "left by run ab12 (/run/nfpath/ab12.json)",
    cause: expect.stringContaining("ip netns exec shop sysctl -w net.netfilter.nf_log.2=NONE"),
    mend: { commands: ["nfpath undo"] },
  });
});

test("names of the host are quoted where a shell would read them otherwise", () => {
  const result = resultsOf({ netns: { netns: "a b;c", loggers: { 2: "NONE", 10: "nf_log_ipv6" } } }).get(
    "log-backend-ip",
  );
  expect(result).toMatchObject({
    mend: { commands: ["ip netns exec 'a b;c' sysctl -w net.netfilter.nf_log.2=nf_log_ipv4"] },
  });
});
