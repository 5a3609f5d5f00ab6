/** Two results of the bench, side by side. */
import { expect, test } from "vitest";
import { compare } from "../../bench/comparison.ts";
import { BENCH_SCHEMA, type BenchResult } from "../../bench/result-file.ts";
import type { AnyRow, Row } from "../../bench/row.ts";

function result(node: string, rows: readonly AnyRow[]): BenchResult {
  return {
    schema: BENCH_SCHEMA,
    ...{ date: "2026-01-01T00:00:00Z", commit: "abc", seconds: 1, rows, notes: [] },
    machine: { cpu: "one", cpus: 2, memory: 1, kernel: "6.1", node, load: [0, 0], tools: { nft: "v1" } },
    choices: { size: "normal", runs: 1, upTo: 1, seed: 1 },
  };
}

function row(id: string, better: Row["better"], own: number, peer: number): Row {
  const series = (name: string, value: number) => ({ name, values: [value], peakBytes: null });
  return {
    ...{ id, title: id, unit: "s", better, nfpath: series("nfpath", own), peers: [series("peer", peer)] },
    ...{ absent: [], notes: [] },
  };
}

test("each row has both figures, their ratio and what it means, and each one's ratio to its peer", () => {
  const before = result("v1", [row("a", "less", 4, 1), row("b", "more", 4, 1), row("c", "less", 100, 1)]);
  const after = result("v1", [row("a", "less", 2, 1), row("b", "more", 2, 2), row("c", "less", 101, 1)]);
  const lines = compare(before, after).map((line) => line.trim().split(/ {2,}/));
  expect(lines.slice(1)).toEqual([
    ["a", "4 s", "2 s", "0.5 ×", "better", "4 ×", "2 ×"],
    ["b", "4 s", "2 s", "0.5 ×", "worse", "4 ×", "1 ×"],
    ["c", "100 s", "101 s", "1.01 ×", "100 ×", "101 ×"],
  ]);
});

test("what differs around them is said first, and what one of them lacks", () => {
  const failed = { id: "b", title: "b", failed: "no" };
  const before = result("v1", [row("a", "less", 1, 1), failed]);
  const after = result("v2", [failed, row("new", "less", 1, 1)]);
  const lines = compare(before, after);
  expect(lines[0]).toBe("node: A v1; B v2");
  expect(lines.slice(2)).toEqual(["a: not measured in both", "b: not measured in both", "new: in B only"]);
});
