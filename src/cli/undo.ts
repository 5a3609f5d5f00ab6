/** `nfpath undo`: what was put back, in plain words. */
import type { ExitStatus } from "../app/refusal.ts";
import { leftoverRuns, type UndoReport, undo } from "../app/undo.ts";
import { printable } from "../core/base/text.ts";
import type { UndoFormat } from "./choices.ts";
import { Output } from "./output.ts";
import { say, sayRefusal } from "./say.ts";

export async function undoCommand({ format }: { readonly format: UndoFormat }): Promise<ExitStatus> {
  const done = await undo();
  if (!done.ok) {
    sayRefusal(done.error);
    return done.error.status;
  }
  const output = new Output(process.stdout);
  const report = done.value;
  await output.write(
    format === "json"
      ? `${JSON.stringify({ schema: "nfpath/undone@1", ...report })}\n`
      : undoLines(report)
          .map((line) => `${printable(line)}\n`)
          .join(""),
  );
  return report.undone.some((run) => run.report.failed.length > 0) ? 3 : 0;
}

/** What became of each run, for a person. */
export function undoLines({ undone, leftRunning, unreadable }: UndoReport): readonly string[] {
  const lines: string[] = [];
  for (const { runId, report } of undone) {
    const done = [
      ...report.restored,
      ...report.leftAlone.map((setting) => `${setting} and is left so`),
      ...report.handedOn,
    ];
    const words = done.length === 0 ? "nothing was left to put back" : done.join("; ");
    if (report.failed.length === 0) lines.push(`run ${runId}: ${words}`);
    else lines.push(`run ${runId}: not put back: ${[...report.failed, ...report.restored].join("; ")}`);
  }
  for (const { runId, state, processes } of leftRunning) {
    const pids = processes.map(({ pid }) => pid).join(", ");
    if (state === "alive") lines.push(`run ${runId} is still tracing (process ${pids}): left alone`);
    else if (state === "ending")
      lines.push(`run ${runId} was killed, but a process of it still ends (${pids}): try again in a moment`);
    else lines.push(`run ${runId} belongs to another container: run nfpath undo there`);
  }
  for (const path of unreadable)
    lines.push(`${path} is no journal of nfpath: left alone, look at it by hand`);
  return lines.length === 0 ? ["nothing to undo"] : lines;
}

/** One line at the start of a command, when a killed run has left something. */
export function sayLeftovers(): void {
  const runs = leftoverRuns();
  if (runs.length === 0) return;
  const which = runs.length === 1 ? "a run that was killed" : `${runs.length} runs that were killed`;
  say(`${which} left changes on this host (${runs.join(", ")}); put them back with: nfpath undo`);
}
