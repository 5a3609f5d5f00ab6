/** Finds the word that a typo was meant to be. */

/**
 * The candidate nearest to `word`, case ignored; null when none is near: at most one slip (a letter wrong, missing, too
 * many, or two swapped) in short words, two in words of six letters and more.
 */
export function nearestWord(word: string, candidates: Iterable<string>): string | null {
  const wanted = word.toLowerCase();
  if (wanted.length < 2 || wanted.length > 40) return null;
  let limit = wanted.length < 6 ? 1 : 2;
  let nearest: string | null = null;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - wanted.length) > limit) continue;
    const slips = countSlips(wanted, candidate);
    if (slips > limit || (slips === limit && nearest !== null)) continue;
    nearest = candidate;
    limit = slips;
  }
  return nearest;
}

/** Optimal string alignment distance: insert, delete, replace, swap of neighbours. */
function countSlips(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      let slips = Math.min(cell(row, j - 1) + 1, cell(last, j) + 1, cell(last, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        slips = Math.min(slips, cell(beforeLast, j - 2) + 1);
      }
      row.push(slips);
    }
    beforeLast = last;
    last = row;
  }
  return cell(last, to.length);
}

function cell(row: readonly number[], at: number): number {
  return row[at] ?? Number.POSITIVE_INFINITY;
}
