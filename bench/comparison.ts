/**
 * Two results side by side. The fourth column is B's median divided by A's, and says whether that is better; the last are each
 * run's ratio to the row's first peer, which survives a machine that was busier.
 */
import type { BenchResult } from "./result-file.ts";
import { isMeasured, median, type Row, ratio, type Unit } from "./row.ts";
import { inUnit, layOut, significant } from "./table.ts";

/** A change that is smaller than this is not called better or worse. */
const NOISE = 0.05;

/** Lines for a person: what differs around the figures, and a line for each row. */
export function compare(a: BenchResult, b: BenchResult): readonly string[] {
  const lines: string[][] = [];
  const byId = new Map(b.rows.map((row) => [row.id, row]));
  for (const row of a.rows) {
    const other = byId.get(row.id);
    byId.delete(row.id);
    if (!isMeasured(row) || other === undefined || !isMeasured(other)) {
      lines.push([`${row.id}: not measured in both`]);
      continue;
    }
    lines.push(compareRow(row, other));
  }
  for (const id of byId.keys()) lines.push([`${id}: in B only`]);
  return [
    ...differences(a, b),
    ...layOut(["", "A", "B", "B / A", "", "A / first peer", "B / first peer"], lines),
  ];
}

function compareRow(a: Row, b: Row): string[] {
  const by = ratio(b.nfpath, a.nfpath);
  return [
    a.id,
    shown(a, a.unit),
    shown(b, b.unit),
    by === null ? "-" : `${significant(by)} ×`,
    by === null ? "" : judged(by, a.better),
    besideFirst(a),
    besideFirst(b),
  ];
}

function shown({ nfpath }: Row, unit: Unit): string {
  return inUnit(median(nfpath.values), unit);
}

function judged(by: number, better: Row["better"]): string {
  if (Math.abs(by - 1) < NOISE) return "";
  return by < 1 === (better === "less") ? "better" : "worse";
}

/** A ratio against a peer of the same run survives a machine that was busier. */
function besideFirst(row: Row): string {
  const peer = row.peers[0];
  const by = peer === undefined ? null : ratio(row.nfpath, peer);
  return by === null ? "" : `${significant(by)} ×`;
}

function differences(a: BenchResult, b: BenchResult): readonly string[] {
  const facts = ({ machine, choices, date, commit }: BenchResult): Record<string, string> => ({
    date,
    commit: commit ?? "none",
    cpu: `${machine.cpus} × ${machine.cpu}`,
    kernel: machine.kernel,
    node: machine.node,
    load: machine.load.join(" → "),
    size: choices.size,
    runs: String(choices.runs),
    seed: String(choices.seed),
    ...Object.fromEntries(Object.entries(machine.tools).map(([tool, said]) => [tool, said ?? "none"])),
  });
  const [ofA, ofB] = [facts(a), facts(b)];
  const differing = Object.keys(ofA).filter((key) => ofA[key] !== ofB[key]);
  return differing.map((key) => `${key}: A ${ofA[key]}; B ${ofB[key]}`);
}
