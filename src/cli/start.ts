/** What every start of nfpath looks at, before the words of the command: it must cost next to nothing. */
import { readdirSync } from "node:fs";
import { type Refusal, refusal } from "../app/refusal.ts";
import { isSystemError } from "../linux/sysctl.ts";
import { journalDirectories } from "../linux/undo/directory.ts";

/**
 * A program with a setuid or setgid bit is told by one user what to do with the rights of another: the filter, the files, the
 * command behind `--`, the environment of Node itself. nfpath is not made for that.
 */
export function refuseSetuid(): Refusal | null {
  const isAnother = process.getuid?.() !== process.geteuid?.() || process.getgid?.() !== process.getegid?.();
  if (!isAnother) return null;
  return refusal(
    3,
    "it is run setuid or setgid, which it refuses",
    "take the bit away (chmod u-s,g-s), and run it with sudo, or give a service of yours AmbientCapabilities=CAP_NET_ADMIN",
  );
}

/** One line when a run that was killed has left something. All but the look for journals is loaded only if there is one. */
export async function sayLeftoversAtStart(): Promise<void> {
  if (process.platform !== "linux" || !hasJournals()) return;
  const { sayLeftovers } = await import("./undo.ts");
  sayLeftovers();
}

function hasJournals(): boolean {
  return journalDirectories().some((directory) => {
    try {
      return readdirSync(directory).some((name) => name.endsWith(".json"));
    } catch (error) {
      if (isSystemError(error)) return false;
      throw error;
    }
  });
}
