/** Rows as a table: a line for each peer, with nfpath's figure divided by the peer's. */
import { type AnyRow, isMeasured, median, type Row, ratio, type Series, type Unit } from "./row.ts";

/** The table's lines; notes stand under the rows that they belong to. */
export function tableOf(rows: readonly AnyRow[]): readonly string[] {
  return layOut(
    ["", "nfpath", "beside", "", "nfpath / it"],
    rows.flatMap((row) => (isMeasured(row) ? linesOf(row) : [[unmeasured(row)]])),
  );
}

/** A line of one cell is a note and widens no column. */
type Cells = readonly string[];

function linesOf(row: Row): readonly Cells[] {
  const { nfpath, peers, absent, better } = row;
  const wanted = `${better} is better`;
  const lines: Cells[] = [];
  const title = `${row.id}: ${row.title} (${wanted})`;
  lines.push([title]);
  const own = figures(nfpath, row.unit);
  if (peers.length === 0) lines.push(["", own, "", "", ""]);
  for (const [place, peer] of peers.entries()) {
    const by = ratio(nfpath, peer);
    const divided = by === null ? "-" : `${significant(by)} ×`;
    lines.push(["", place === 0 ? own : "", peer.name, figures(peer, row.unit), divided]);
    if (peer.note !== undefined) lines.push([`      ${peer.name}: ${peer.note}`]);
  }
  if (nfpath.note !== undefined) lines.push([`      nfpath: ${nfpath.note}`]);
  for (const { name, why } of absent) lines.push([`      not beside ${name}: ${why}`]);
  for (const note of row.notes) lines.push([`      ${note}`]);
  return lines;
}

function unmeasured(row: Exclude<AnyRow, Row>): string {
  const what = "failed" in row ? `FAILED: ${row.failed}` : `left out: ${row.skipped}`;
  return `${row.id}: ${row.title}: ${what}`;
}

/** Columns as wide as their widest cell. */
export function layOut(head: Cells, lines: readonly Cells[]): readonly string[] {
  const tabular = lines.filter((cells) => cells.length > 1);
  const widths = head.map((cell, at) =>
    Math.max(cell.length, ...tabular.map((cells) => (cells[at] ?? "").length)),
  );
  const one = (cells: Cells) =>
    cells.length === 1
      ? (cells[0] ?? "")
      : cells
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join("  ")
          .trimEnd();
  return [one(["    ", ...head.slice(1)]), ...lines.map(one)];
}

/** The median, and the least and the most where there are several. */
function figures({ values }: Series, unit: Unit): string {
  const middle = inUnit(median(values), unit);
  if (values.length < 2) return middle;
  const least = bare(inUnit(Math.min(...values), unit));
  const most = bare(inUnit(Math.max(...values), unit));
  return `${middle} (${least}–${most})`;
}

function bare(text: string): string {
  return text.replaceAll(" ", "");
}

const STEPS = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
] as const;

/** A figure for a person: `31.2 s`, `420 µs`, `1.9 M/s`, `212 MB`, `4.1 %`. */
export function inUnit(value: number, unit: Unit): string {
  switch (unit) {
    case "s":
      if (value >= 1 || value === 0) return `${significant(value)} s`;
      if (value >= 1e-3) return `${significant(value * 1e3)} ms`;
      return value >= 1e-6 ? `${significant(value * 1e6)} µs` : `${significant(value * 1e9)} ns`;
    case "share":
      return `${significant(value * 100)} %`;
    case "count":
      return value.toLocaleString("en-US", { maximumFractionDigits: 1 });
    default: {
      const [step, letter] = STEPS.find(([least]) => Math.abs(value) >= least) ?? STEPS[3];
      return `${significant(value / step)} ${letter}${unit === "bytes" ? "B" : unit}`;
    }
  }
}

/** Three digits that count. */
export function significant(value: number): string {
  const text = value.toPrecision(3);
  return String(Number(text));
}
