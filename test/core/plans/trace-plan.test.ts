import { describe, expect, it } from "vitest";
import { isOwnTable, ownTableName } from "../../../src/core/plans/own-table.ts";
import { describePlan, type Plan, revertActions } from "../../../src/core/plans/plan.ts";
import { ALL_PACKETS, planTrace, type TracePlanOptions } from "../../../src/core/plans/trace-plan.ts";

const options: TracePlanOptions = {
  runId: "ab12",
  selectors: { prerouting: ["udp dport 53", "ip saddr 192.0.2.0/24"], output: [""] },
  namespaces: [
    {
      netns: "shop",
      loggers: [
        { nfproto: 2, current: "nf_log_ipv4" },
        { nfproto: 10, current: "nfnetlink_log" },
      ],
    },
    { netns: null, loggers: [] },
  ],
  deadline: 1_900_000_000,
  ratePerSecond: 500,
};

function plan(changed: Partial<TracePlanOptions> = {}): Plan {
  const planned = planTrace({ ...options, ...changed });
  if (!planned.ok) throw new Error(planned.error.reason);
  return planned.value;
}

describe("the plan of a trace", () => {
  it("sets a logger only where it is not set already, and each table after all loggers", () => {
    expect(plan().changes.map(({ netns, apply }) => [netns, apply.kind])).toEqual([
      ["shop", "write-sysctl"],
      ["shop", "hold-table"],
      [null, "hold-table"],
    ]);
  });

  it("puts back exactly what was there, and only while it is ours", () => {
    expect(plan().changes[0]).toMatchObject({
      apply: { name: "net.netfilter.nf_log.2", value: "nfnetlink_log", expected: "nf_log_ipv4" },
      revert: { name: "net.netfilter.nf_log.2", value: "nf_log_ipv4", expected: "nfnetlink_log" },
    });
  });

  it("undoes in the opposite order", () => {
    expect(revertActions(plan()).map(({ netns, action }) => [netns, action.kind])).toEqual([
      [null, "release-table"],
      ["shop", "release-table"],
      ["shop", "write-sysctl"],
    ]);
  });

  it("makes the table in one line, with owner, deadline, limit, one rule for each selector, and watch points", () => {
    const held = plan().changes.at(-1)?.apply;
    if (held?.kind !== "hold-table") throw new Error("no table");
    expect(held.command.split("; ")).toEqual([
      "add table inet nfpath_ab12 { flags owner",
      "}",
      "add chain inet nfpath_ab12 chosen",
      "add rule inet nfpath_ab12 chosen meta time >= 1900000000 return",
      "add rule inet nfpath_ab12 chosen counter",
      "add rule inet nfpath_ab12 chosen limit rate 500/second burst 500 packets counter meta nftrace set 1 accept",
      "add chain inet nfpath_ab12 prerouting { type filter hook prerouting priority -350",
      "}",
      "add rule inet nfpath_ab12 prerouting udp dport 53 goto chosen",
      "add rule inet nfpath_ab12 prerouting ip saddr 192.0.2.0/24 goto chosen",
      "add chain inet nfpath_ab12 output { type filter hook output priority -350",
      "}",
      "add rule inet nfpath_ab12 output goto chosen",
      ...["input", "forward", "postrouting"].flatMap((hook) => [
        `add chain inet nfpath_ab12 ${hook} { type filter hook ${hook} priority 350`,
        "}",
        `add rule inet nfpath_ab12 ${hook} accept`,
      ]),
    ]);
  });

  it("hangs nothing on a hook without selectors", () => {
    const held = plan({ selectors: { prerouting: [], output: ["udp dport 53"] } }).changes.at(-1)?.apply;
    expect(held?.kind === "hold-table" ? held.command : "").not.toContain("hook prerouting");
  });

  it.each([
    "udp dport 53; flush ruleset",
    "udp dport 53\nflush ruleset",
    "udp dport 53 # rest",
    "udp dport \\",
  ])("refuses an expression that could end its rule: %j", (expression) => {
    const planned = planTrace({ ...options, selectors: { prerouting: [expression], output: [] } });
    expect(planned).toMatchObject({ ok: false, error: { expression } });
  });

  it("says every change, how it is done and how it is undone", () => {
    const text = describePlan(plan({ selectors: ALL_PACKETS }));
    expect(text).toContain(
      "in namespace shop: send the TRACE events of legacy iptables (IPv4) to nfpath instead of nf_log_ipv4",
    );
    expect(text).toContain("do    sysctl -w net.netfilter.nf_log.2=nfnetlink_log");
    expect(text).toContain("undo  sysctl -w net.netfilter.nf_log.2=nf_log_ipv4");
    expect(text).toContain("undo  end the nft -i that holds table inet nfpath_ab12");
  });
});

describe("our own tables", () => {
  it("are known by their names, of whatever run", () => {
    expect(isOwnTable(ownTableName("ab12"))).toBe(true);
    expect(isOwnTable("filter")).toBe(false);
    expect(isOwnTable("nfpathology")).toBe(false);
  });

  it("take no name that nft would read otherwise", () => {
    expect(() => ownTableName("a b")).toThrow("run id");
    expect(() => ownTableName("")).toThrow("run id");
  });
});
