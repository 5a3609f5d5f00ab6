/** Where journals lie: on a file system that a reboot empties, as it undoes all that they speak of. */
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ok, type Result, refused } from "../../core/base/result.ts";
import { type HostRefusal, hostRefusal } from "../refusal.ts";
import { isSystemError } from "../sysctl.ts";

const SYSTEM = "/run/nfpath";

/** `/run/nfpath`, then that of a user who may change rules but not write there. */
export function journalDirectories(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const own = env.XDG_RUNTIME_DIR;
  return own?.startsWith("/") === true ? [SYSTEM, join(own, "nfpath")] : [SYSTEM];
}

/** The first of them that can be written, made if need be. A full disk is no reason to go elsewhere: it is refused. */
export function openJournalDirectory(
  directories: readonly string[] = journalDirectories(),
): Result<string, HostRefusal> {
  let reason = "";
  for (const directory of directories) {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      accessSync(directory, constants.W_OK | constants.X_OK);
      return ok(directory);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      reason = `${directory}: ${error.code}`;
      if (!MAY_BE_ELSEWHERE.has(error.code)) break;
    }
  }
  return refused(cannotWriteDown(reason));
}

const MAY_BE_ELSEWHERE = new Set(["EACCES", "EPERM", "EROFS"]);

/** Whether all of them are our own user's, and so are the directories they are in. Another's are root's by its capabilities. */
export function ownsJournalDirectories(directories: readonly string[] = journalDirectories()): boolean {
  return directories.every((directory) => isOwn(dirname(directory)) && isOwn(directory));
}

function isOwn(directory: string): boolean {
  try {
    return statSync(directory).uid === process.geteuid?.();
  } catch (error) {
    if (isSystemError(error)) return true;
    throw error;
  }
}

export function cannotWriteDown(reason: string): HostRefusal {
  return hostRefusal(
    "setting-refused",
    `the undo cannot be written down (${reason})`,
    "make room in /run and make it writable (or $XDG_RUNTIME_DIR): nfpath changes nothing whose undo is not on disk",
  );
}

/** Every reader and writer of journals holds it; it is never removed. */
export function lockFileOf(directory: string): string {
  return join(directory, "lock");
}

/** The lock was not to be had in time. */
export function lockTaken(directory: string): HostRefusal {
  return hostRefusal(
    "setting-refused",
    `another nfpath has held ${lockFileOf(directory)} for ten seconds`,
    `see which process that is (fuser ${lockFileOf(directory)}); it was stopped, or waits for a disk`,
  );
}
