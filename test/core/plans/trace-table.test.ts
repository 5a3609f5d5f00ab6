import { describe, expect, it } from "vitest";
import { placeOfOwnChain } from "../../../src/core/plans/own-chains.ts";
import { type FamilyWanted, planTrace, type TablesWanted } from "../../../src/core/plans/trace-plan.ts";
import { markingChains, type TraceTable, tableCommand } from "../../../src/core/plans/trace-table.ts";

const selectors = { prerouting: ["udp dport 53"], output: ["udp dport 53"] };
const table: TraceTable = {
  family: "inet",
  table: "nfpath_ab12",
  selectors,
  deadline: 1_900_000_000,
  ratePerSecond: 500,
};

function rulesIn(changed: Partial<TraceTable>, chain: string): string[] {
  const prefix = `add rule ${changed.family ?? "inet"} nfpath_ab12 ${chain} `;
  return tableCommand({ ...table, ...changed })
    .split("; ")
    .filter((command) => command.startsWith(prefix))
    .map((command) => command.slice(prefix.length));
}

describe("a table of ours", () => {
  it("shares one limit among all chains that mark", () => {
    const command = tableCommand({ ...table, follow: "conntrack" });
    expect(command.match(/limit name "pace"/g)).toHaveLength(2);
    expect(command).not.toContain("limit rate 500");
    expect(markingChains({ follow: "conntrack", fragments: true })).toEqual([
      "chosen_fragments",
      "chosen_answers",
    ]);
  });

  it.each(["mirrored", null] as const)("never asks conntrack where it is not in use (%s)", (follow) => {
    expect(tableCommand({ ...table, follow, first: 3, sampleOneIn: 2 })).not.toMatch(/ ct /);
  });

  it("asks for what is expected before it asks for the filter", () => {
    const rules = rulesIn({ follow: "mirrored" }, "prerouting");
    expect(rules.at(-1)).toBe("udp dport 53 goto meant");
    expect(rules.slice(0, -1).every((rule) => /@expected_\w+ goto chosen$/.test(rule))).toBe(true);
  });

  it("does not choose again behind conntrack what was chosen before it", () => {
    const rules = rulesIn({ follow: "conntrack", sampleOneIn: 7 }, "other_way_prerouting");
    expect(rules[0]).toBe("udp dport 53 symhash mod 7 0 return");
    expect(rules.slice(1, -1).every((rule) => rule.endsWith("return"))).toBe(true);
    expect(rules.at(-1)).toBe("goto chosen_answers");
  });

  it("counts packets of connections for which there is no more room", () => {
    const rules = rulesIn({ first: 3 }, "first_chosen");
    for (const [index, rule] of rules.entries())
      expect(rule).toMatch(
        index % 2 === 0 ? /limit rate 1\/week burst 3 packets } goto chosen$/ : /goto forgotten$/,
      );
  });

  it("names its devices, and watches nothing there", () => {
    const command = tableCommand({
      ...table,
      family: "netdev",
      selectors: { ingress: [""], egress: [""] },
      devices: { ingress: ["eth0", "eth1"], egress: [] },
    });
    expect(command).toContain('hook ingress devices = { "eth0", "eth1" } priority -350');
    expect(command).not.toMatch(/hook (egress|input)/);
  });

  it("has its chains where they are said to be", () => {
    const came = { in: "eth0" };
    const left = { in: null };
    expect(placeOfOwnChain("chosen", "inet", came)).toEqual({ hook: "prerouting", priority: -350 });
    expect(placeOfOwnChain("chosen_fragments", "ip", left)).toEqual({ hook: "output", priority: -450 });
    expect(placeOfOwnChain("chosen_answers", "ip6", came)).toEqual({ hook: "prerouting", priority: -199 });
    expect(placeOfOwnChain("chosen", "netdev", left)).toEqual({ hook: "egress", priority: -350 });
    expect(placeOfOwnChain("chosen", "arp", came)).toEqual({ hook: "input", priority: -350 });
    expect(placeOfOwnChain("watch_output", "arp", left)).toEqual({ hook: "output", priority: 350 });
    expect(placeOfOwnChain("connections_output", "inet", null)).toEqual({ hook: "output", priority: -199 });
    expect(placeOfOwnChain("chosen", "inet", null)).toBeNull();
    expect(placeOfOwnChain("met", "inet", came)).toBeNull();
  });
});

describe("the tables of a plan", () => {
  const inet: FamilyWanted = { family: "inet", selectors, apart: { ip: selectors, ip6: selectors } };
  const wanted: TablesWanted = {
    families: [inet],
    follow: true,
    first: null,
    sampleOneIn: null,
    fragments: false,
  };

  function families(tables: TablesWanted, conntrack: { ip: boolean; ip6: boolean } | null) {
    const plan = planTrace({
      runId: "ab12",
      tables,
      namespaces: [{ netns: null, loggers: [], conntrack }],
      deadline: 1_900_000_000,
      ratePerSecond: 500,
    });
    if (!plan.ok) throw new Error(plan.error.reason);
    return plan.value.changes.map(({ apply }) =>
      apply.kind === "hold-table" ? [apply.family, apply.command.includes(" ct id")] : [],
    );
  }

  it.each<[{ ip: boolean; ip6: boolean } | null, unknown]>([
    [{ ip: true, ip6: true }, [["inet", true]]],
    [{ ip: false, ip6: false }, [["inet", false]]],
    [null, [["inet", false]]],
    [
      { ip: true, ip6: false },
      [
        ["ip", true],
        ["ip6", false],
      ],
    ],
    [
      { ip: false, ip6: true },
      [
        ["ip", false],
        ["ip6", true],
      ],
    ],
  ])("with conntrack %j", (conntrack, expected) => {
    expect(families(wanted, conntrack)).toEqual(expected);
  });

  it("are one where nothing is followed", () => {
    expect(families({ ...wanted, follow: false }, { ip: true, ip6: false })).toEqual([["inet", false]]);
  });

  it("refuse an expression of any family that could end its rule", () => {
    const bad = { ...inet, apart: { ip: { output: ["tcp; flush ruleset"] }, ip6: {} } };
    const plan = planTrace({
      runId: "ab12",
      tables: { ...wanted, families: [bad] },
      namespaces: [],
      deadline: 1,
      ratePerSecond: 1,
    });
    expect(plan).toMatchObject({ ok: false, error: { expression: "tcp; flush ruleset" } });
  });
});
