/**
 * Sets of whole numbers as ranges: ports, addresses, protocol numbers, the values of a header's byte.
 *
 * With them a condition on one field, its opposite, and any mixture of such conditions by `and` and `or` are all one
 * set, and so one match of one rule. Numbers are bigints because IPv6 addresses are among them.
 */

export interface Range {
  readonly from: bigint;
  /** Included. */
  readonly to: bigint;
}

/** In ascending order, with at least one number left out between any two. Empty: no number at all. */
export type NumberSet = readonly Range[];

export function rangeOf(from: number | bigint, to: number | bigint): NumberSet {
  return [{ from: BigInt(from), to: BigInt(to) }];
}

export function setOf(numbers: Iterable<number | bigint>): NumberSet {
  const ranges = [...numbers].map((number) => ({ from: BigInt(number), to: BigInt(number) }));
  return joined(ranges);
}

export function union(left: NumberSet, right: NumberSet): NumberSet {
  return joined([...left, ...right]);
}

export function intersection(left: NumberSet, right: NumberSet): NumberSet {
  const common: Range[] = [];
  let [i, j] = [0, 0];
  for (;;) {
    const [a, b] = [left[i], right[j]];
    if (a === undefined || b === undefined) return common;
    const { from } = a.from > b.from ? a : b;
    const { to } = a.to < b.to ? a : b;
    if (from <= to) common.push({ from, to });
    if (a.to < b.to) i++;
    else j++;
  }
}

/** All numbers from 0 to `max` that are not in the set. */
export function complement(set: NumberSet, max: bigint): NumberSet {
  const rest: Range[] = [];
  let next = 0n;
  for (const { from, to } of set) {
    if (next < from) rest.push({ from: next, to: from - 1n });
    next = to + 1n;
  }
  if (next <= max) rest.push({ from: next, to: max });
  return rest;
}

export function isSubset(inner: NumberSet, outer: NumberSet): boolean {
  return inner.every(({ from, to }) => outer.some((range) => range.from <= from && to <= range.to));
}

export function isSameSet(left: NumberSet, right: NumberSet): boolean {
  return (
    left.length === right.length &&
    left.every((range, i) => range.from === right[i]?.from && range.to === right[i]?.to)
  );
}

export function hasNumber(set: NumberSet, number: number | bigint): boolean {
  const value = BigInt(number);
  return set.some(({ from, to }) => from <= value && value <= to);
}

function joined(ranges: Range[]): NumberSet {
  ranges.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const result: Range[] = [];
  for (const range of ranges) {
    const last = result.at(-1);
    if (last === undefined || range.from > last.to + 1n) result.push(range);
    else if (range.to > last.to) result[result.length - 1] = { from: last.from, to: range.to };
  }
  return result;
}
