/** How figures are put together and shown. */
import { expect, test } from "vitest";
import { inTurn } from "../../bench/measure.ts";
import { median, type Row, ratio, type Series } from "../../bench/row.ts";
import { inUnit, tableOf } from "../../bench/table.ts";

function series(name: string, ...values: number[]): Series {
  return { name, values, peakBytes: null };
}

test("a median is the one in the middle, or the mean of two", () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(() => median([])).toThrow("nothing");
});

test("a ratio is of medians, and there is none by nothing", () => {
  expect(ratio(series("nfpath", 2, 4, 90), series("peer", 1, 2, 3))).toBe(2);
  expect(ratio(series("nfpath", 2), series("peer", 0))).toBeNull();
});

test.each([
  [31.24, "s", "31.2 s"],
  [0.00042, "s", "420 µs"],
  [2.1e-7, "s", "210 ns"],
  [0, "s", "0 s"],
  [1_910_000, "/s", "1.91 M/s"],
  [212e6, "bytes", "212 MB"],
  [0.041, "share", "4.1 %"],
  [495_143, "count", "495,143"],
] as const)("%d %s is shown as %s", (value, unit, text) => {
  expect(inUnit(value, unit)).toBe(text);
});

test("contestants run in turn, and another begins each time", async () => {
  const order: string[] = [];
  const contestant = (name: string) => ({
    name,
    run: async (turn: number) => {
      order.push(`${name}${turn}`);
      return { value: turn, peakBytes: name === "a" ? turn * 10 : null };
    },
  });
  const measured = await inTurn([contestant("a"), contestant("b")], 3);
  expect(order).toEqual(["a0", "b0", "b1", "a1", "a2", "b2"]);
  expect(measured).toEqual([
    { name: "a", values: [0, 1, 2], peakBytes: 20 },
    { name: "b", values: [0, 1, 2], peakBytes: null },
  ]);
});

test("who failed is named", async () => {
  const broken = { name: "peer", run: () => Promise.reject(new Error("it said no")) };
  await expect(inTurn([broken], 1)).rejects.toThrow("peer: it said no");
});

test("the table has a line for each peer, says who is missing, and what failed", () => {
  const row: Row = {
    ...{ id: "offline/log", title: "a log", unit: "s", better: "less" },
    ...{ nfpath: series("nfpath", 3, 1, 2), peers: [series("mawk", 1), series("grep", 0)] },
    absent: [{ name: "gawk", why: "gawk is not installed" }],
    notes: ["a note"],
  };
  const lines = tableOf([row, { id: "live/rate", title: "rate", failed: "no way" }]);
  const words = lines.map((line) => line.trim().replace(/ +/g, " "));
  expect(words).toEqual([
    "nfpath beside nfpath / it",
    "offline/log: a log (less is better)",
    "2 s (1s–3s) mawk 1 s 2 ×",
    "grep 0 s -",
    "not beside gawk: gawk is not installed",
    "a note",
    "live/rate: rate: FAILED: no way",
  ]);
});
