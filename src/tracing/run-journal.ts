/**
 * A run's plan is made and written down in one go, under the lock of all journals: what other runs hold is known then, and
 * none of them can let go of it in between.
 */
import { dirname } from "node:path";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Plan } from "../core/plans/plan.ts";
import { withFileLock } from "../linux/file-lock.ts";
import type { HostRefusal } from "../linux/refusal.ts";
import { isSystemError } from "../linux/sysctl.ts";
import {
  cannotWriteDown,
  journalDirectories,
  lockFileOf,
  lockTaken,
  openJournalDirectory,
} from "../linux/undo/directory.ts";
import { addProcesses, type JournalFile, listJournals, writeJournal } from "../linux/undo/journal.ts";

/** Makes a plan, told which runs there are, and writes its undo down. Refused, nothing is left behind. */
export function writeDownPlan<Made extends { readonly plan: Plan }>(
  make: (runs: readonly JournalFile[]) => Result<Made, HostRefusal>,
  directories: readonly string[] = journalDirectories(),
): Result<{ readonly made: Made; readonly journal: JournalFile }, HostRefusal> {
  const directory = openJournalDirectory(directories);
  if (!directory.ok) return directory;
  try {
    return withFileLock(lockFileOf(directory.value), (isLocked) => {
      if (!isLocked) return refused(lockTaken(directory.value));
      const made = make(listJournals(directories).runs);
      if (!made.ok) return made;
      return ok({ made: made.value, journal: writeJournal(directory.value, made.value.plan) });
    });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return refused(cannotWriteDown(`${directory.value}: ${error.code}`));
  }
}

/** Writes down the processes that are about to make the run's tables. */
export function writeDownHolders(
  { path }: JournalFile,
  pids: readonly number[],
): Result<JournalFile, HostRefusal> {
  try {
    return withFileLock(lockFileOf(dirname(path)), (isLocked) => {
      if (!isLocked) return refused(lockTaken(dirname(path)));
      const journal = addProcesses(path, "table-holder", pids);
      return journal === null ? refused(cannotWriteDown(`${path} is gone`)) : ok(journal);
    });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return refused(cannotWriteDown(`${path}: ${error.code}`));
  }
}
