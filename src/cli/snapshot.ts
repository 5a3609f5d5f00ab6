/** `nfpath snapshot`: what the host is like, to standard output or a file. */
import { writeFileSync } from "node:fs";
import { type ExitStatus, type Refusal, refusal } from "../app/refusal.ts";
import { snapshotOfHost } from "../app/snapshot.ts";
import type { Snapshot } from "../core/hosts/host.ts";
import { describeSnapshot } from "../core/views/snapshot-tree.ts";
import { isSystemError } from "../linux/sysctl.ts";
import type { SnapshotFormat } from "./choices.ts";
import { Output } from "./output.ts";
import { painter, wantsColour } from "./paint.ts";
import { say, sayRefusal } from "./say.ts";
import { columnsOf } from "./terminal.ts";

export interface SnapshotFlags {
  readonly netns: readonly string[];
  readonly out?: string;
  readonly format: SnapshotFormat;
}

export async function snapshotCommand(flags: SnapshotFlags): Promise<ExitStatus> {
  const taken = await snapshotOfHost(flags.netns.length === 0 ? [null] : flags.netns);
  if (!taken.ok) return fail(taken.error);
  const { value } = taken;
  const output = new Output(process.stdout);
  if (flags.out !== undefined) {
    const refusedBy = write(flags.out, fileOf(value));
    if (refusedBy !== null) return fail(refusedBy);
  }
  // With a file, the terminal gets what a person reads.
  const isTree = flags.format === "tree";
  if (flags.out === undefined || isTree) await output.write(isTree ? treeOf(value, output) : fileOf(value));
  if (!isTree && !output.isClosed) for (const line of absenceLines(value)) say(line);
  return 0;
}

/** Readable by its owner alone: it holds the rules. */
function write(path: string, text: string): Refusal | null {
  try {
    writeFileSync(path, text, { mode: 0o600 });
    return null;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return refusal(2, `${path}: ${error.message}`, "name a file in a directory that you may write to");
  }
}

function fileOf(snapshot: Snapshot): string {
  return `${JSON.stringify(snapshot, null, 1)}\n`;
}

function treeOf(snapshot: Snapshot, output: Output): string {
  const paint = painter(wantsColour(output.stream, process.env));
  return `${describeSnapshot(snapshot, { columns: columnsOf(output.stream) })
    .map(paint)
    .join("\n")}\n`;
}

function absenceLines({ hosts }: Snapshot): readonly string[] {
  return hosts.flatMap(({ netns, absences }) =>
    absences.map(({ section, reason, hint }) => {
      const where = netns === null ? "" : ` in ${netns}`;
      return `not read${where}: ${section}: ${reason}${hint === null ? "" : `; ${hint}`}`;
    }),
  );
}

function fail(error: Refusal): ExitStatus {
  sayRefusal(error);
  return error.status;
}
