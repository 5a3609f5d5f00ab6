import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  complement,
  hasNumber,
  intersection,
  isSameSet,
  isSubset,
  type NumberSet,
  setOf,
  union,
} from "../../../src/core/filters/number-set.ts";

const MAX = 20;
const numbers = fc.uniqueArray(fc.integer({ min: 0, max: MAX }));

function members(set: NumberSet): number[] {
  return Array.from({ length: MAX + 1 }, (_, number) => number).filter((number) => hasNumber(set, number));
}

describe("number sets", () => {
  it("do what sets do", () => {
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        const [left, right] = [setOf(a), setOf(b)];
        const all = Array.from({ length: MAX + 1 }, (_, number) => number);
        expect(members(union(left, right))).toEqual(all.filter((n) => a.includes(n) || b.includes(n)));
        expect(members(intersection(left, right))).toEqual(all.filter((n) => a.includes(n) && b.includes(n)));
        expect(members(complement(left, BigInt(MAX)))).toEqual(all.filter((n) => !a.includes(n)));
        expect(isSubset(left, right)).toBe(a.every((n) => b.includes(n)));
        expect(isSameSet(left, right)).toBe(a.length === b.length && a.every((n) => b.includes(n)));
      }),
    );
  });

  it("keep neighbours in one range", () => {
    expect(setOf([3, 1, 2, 7])).toEqual([
      { from: 1n, to: 3n },
      { from: 7n, to: 7n },
    ]);
    expect(union(setOf([1]), setOf([2]))).toHaveLength(1);
    expect(complement(setOf([0, 5]), 5n)).toEqual([{ from: 1n, to: 4n }]);
  });
});
