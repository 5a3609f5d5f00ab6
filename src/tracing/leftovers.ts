/** Runs that were killed together with their guardian, so that nobody has undone them: finding them, and finishing the job. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Plan } from "../core/plans/plan.ts";
import type { Capability } from "../linux/capabilities.ts";
import { journalDirectories } from "../linux/undo/directory.ts";
import {
  entersNetns,
  type Journal,
  listJournals,
  type RunProcess,
  stateOfRun,
} from "../linux/undo/journal.ts";
import type { RevertReport } from "../linux/undo/revert-report.ts";
import { revertRun } from "../linux/undo/revert-run.ts";

export interface Leftover {
  readonly path: string;
  readonly plan: Plan;
}

/** Runs whose processes are dead and whose journal is there. Reads only. */
export function findLeftovers(directories: readonly string[] = journalDirectories()): readonly Leftover[] {
  return listJournals(directories)
    .runs.filter(({ journal }) => isLeftover(journal))
    .map(({ path, journal }) => ({ path, plan: journal.plan }));
}

function isLeftover(journal: Journal): boolean {
  const state = stateOfRun(journal);
  return state === "dead" || state === "rebooted";
}

/** Capabilities that undoing them takes. */
export function rightsToUndo(directories: readonly string[] = journalDirectories()): readonly Capability[] {
  const enters = listJournals(directories).runs.some(
    ({ journal }) => stateOfRun(journal) !== "alive" && entersNetns(journal),
  );
  return enters ? ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"] : ["CAP_NET_ADMIN"];
}

export interface UndoReport {
  readonly undone: readonly UndoneRun[];
  /** Runs that were left alone. */
  readonly leftRunning: readonly RunningRun[];
  /** Files in a journal directory that are no journal of ours; they were not touched. */
  readonly unreadable: readonly string[];
}

export interface UndoneRun {
  readonly runId: string;
  readonly report: RevertReport;
}

export interface RunningRun {
  readonly runId: string;
  /** `ending`: nfpath is dead, and its guardian has not finished. `elsewhere`: of another container. */
  readonly state: "alive" | "ending" | "elsewhere";
  readonly processes: readonly RunProcess[];
}

/** A guardian needs a moment once nfpath is dead: two seconds are many moments. */
const GUARDIAN_WAIT_MS = 2_000;

/** Undoes every run that is dead; leaves alone those that live. Done twice, the second time finds nothing to do. */
export async function undoLeftovers(
  directories: readonly string[] = journalDirectories(),
): Promise<UndoReport> {
  await untilGuardiansAreDone(directories);
  const { runs, unreadable } = listJournals(directories);
  const undone: UndoneRun[] = [];
  const leftRunning: RunningRun[] = [];
  for (const run of runs) {
    const { runId } = run.journal.plan;
    const state = stateOfRun(run.journal);
    if (state === "dead" || state === "rebooted") undone.push({ runId, report: revertRun(run) });
    else leftRunning.push({ runId, state, processes: run.journal.processes });
  }
  return { undone, leftRunning, unreadable };
}

async function untilGuardiansAreDone(directories: readonly string[]): Promise<void> {
  const deadline = performance.now() + GUARDIAN_WAIT_MS;
  while (listJournals(directories).runs.some(({ journal }) => stateOfRun(journal) === "ending")) {
    if (performance.now() > deadline) return;
    await sleep(20);
  }
}
