import { describe, expect, it } from "vitest";
import { describePlan, type Plan } from "../../../src/core/plans/plan.ts";
import { ALL_PACKETS, planTrace, type TracePlanOptions } from "../../../src/core/plans/trace-plan.ts";

const options: TracePlanOptions = {
  runId: "ab12",
  selectors: ALL_PACKETS,
  rawRules: [
    { program: "iptables-legacy", prerouting: [["-p", "17", "--dport", "53"]], output: [] },
    { program: "ip6tables-legacy", prerouting: [], output: [["-m", "bpf", "--bytecode", "1,6 0 0 1"]] },
  ],
  namespaces: [{ netns: "shop", loggers: [{ nfproto: 2, current: "nf_log_ipv4" }] }],
  deadline: 1_900_000_000,
  ratePerSecond: 50_000,
};

function plan(changed: Partial<TracePlanOptions> = {}): Plan {
  const planned = planTrace({ ...options, ...changed });
  if (!planned.ok) throw new Error(planned.error.reason);
  return planned.value;
}

describe("the plan of a trace by rules in raw", () => {
  it("appends, tags, limits and dates each rule, and deletes it by the same words", () => {
    const lines = describePlan(plan())
      .split("\n")
      .filter((line) => /^ {2}/.test(line));
    const counts =
      "PREROUTING -p 17 --dport 53 -m comment --comment nfpath:ab12 -m time --datestop 2030-03-17T17:46:40";
    // More than xt_limit takes is asked of it in vain.
    const marks = `${counts} -m limit --limit 10000/second --limit-burst 10000 -j TRACE`;
    expect(lines.slice(2, 6)).toEqual([
      `  do    iptables-legacy -w -t raw -A ${counts}`,
      `  undo  iptables-legacy -w -t raw -D ${counts}`,
      `  do    iptables-legacy -w -t raw -A ${marks}`,
      `  undo  iptables-legacy -w -t raw -D ${marks}`,
    ]);
    expect(lines[8]).toContain("ip6tables-legacy -w -t raw -A OUTPUT -m bpf --bytecode '1,6 0 0 1' ");
  });

  it("makes them when the loggers are set, and no table", () => {
    expect(plan().changes.map(({ apply }) => apply.kind)).toEqual([
      "write-sysctl",
      ...Array.from({ length: 4 }, () => "append-rule"),
    ]);
    expect(
      plan()
        .changes.map(({ revert }) => revert.kind)
        .slice(1),
    ).toEqual(Array.from({ length: 4 }, () => "delete-rule"));
  });
});

describe("the plan of a trace that reads the kernel log", () => {
  it("sends what goes elsewhere there, and says that it needs what is so already", () => {
    const loggers = [
      { nfproto: 2, current: "nfnetlink_log", wanted: "nf_log_ipv4" },
      { nfproto: 10, current: "nf_log_ipv6", wanted: "nf_log_ipv6" },
    ] as const;
    const { changes } = plan({ namespaces: [{ netns: null, loggers }], rawRules: null });
    expect(changes.map(({ apply, revert }) => [apply, revert]).slice(0, 2)).toEqual([
      [
        {
          kind: "write-sysctl",
          name: "net.netfilter.nf_log.2",
          value: "nf_log_ipv4",
          expected: "nfnetlink_log",
        },
        {
          kind: "write-sysctl",
          name: "net.netfilter.nf_log.2",
          value: "nfnetlink_log",
          expected: "nf_log_ipv4",
        },
      ],
      [
        {
          kind: "write-sysctl",
          name: "net.netfilter.nf_log.10",
          value: "nf_log_ipv6",
          expected: "nf_log_ipv6",
        },
        {
          kind: "write-sysctl",
          name: "net.netfilter.nf_log.10",
          value: "nf_log_ipv6",
          expected: "nf_log_ipv6",
        },
      ],
    ]);
  });
});
