/**
 * Which labs exist on this host, so that `lab docker-udp down` finds them, also those of a run that was killed.
 *
 * One small file a lab, named after it and written before the first namespace is made: two labs never write the
 * same file, and whatever goes wrong later, the way back is on disk. The file holds the process that owns the lab
 * and will remove it, or nothing when a person does.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ok, type Result, refused } from "../core/base/result.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";
import { isSystemError } from "../linux/sysctl.ts";

export interface RegisteredLab {
  /** Six hexadecimal digits. */
  readonly id: string;
  /** The process that will remove the lab; null when a person keeps it. */
  readonly owner: number | null;
}

export class LabRegister {
  readonly directory: string;

  /** @param directory another place than the host's own register, for tests */
  constructor(directory: string = hostRegister()) {
    this.directory = directory;
  }

  /** Refused where the register cannot be written: a lab that nobody can find again must not be built. */
  add({ id, owner }: RegisteredLab): Result<void, HostRefusal> {
    try {
      mkdirSync(this.directory, { recursive: true });
      writeFileSync(join(this.directory, id), owner === null ? "" : String(owner));
      return ok(undefined);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return refused(
        hostRefusal(
          "not-permitted",
          `the lab cannot be noted down in ${this.directory} (${error.code})`,
          "run as the root user of the host",
        ),
      );
    }
  }

  remove(id: string): void {
    rmSync(join(this.directory, id), { force: true });
  }

  labs(): readonly RegisteredLab[] {
    if (!existsSync(this.directory)) return [];
    return readdirSync(this.directory)
      .filter((name) => /^[0-9a-f]{6}$/.test(name))
      .flatMap((id) => this.#read(id));
  }

  /** Labs that nobody is going to remove: a person's, and those whose owner died. */
  abandoned(): readonly RegisteredLab[] {
    return this.labs().filter(({ owner }) => owner === null || !isAlive(owner));
  }

  #read(id: string): RegisteredLab[] {
    try {
      return [{ id, owner: Number(readFileSync(join(this.directory, id), "utf8")) || null }];
    } catch (error) {
      // Its owner removed it between the listing and now.
      if (isSystemError(error) && error.code === "ENOENT") return [];
      throw error;
    }
  }
}

/** Where things live that a reboot removes, as it removes namespaces. */
function hostRegister(): string {
  const runtime = process.getuid?.() === 0 ? "/run" : (process.env.XDG_RUNTIME_DIR ?? tmpdir());
  return join(runtime, "nfpath", "labs");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return isSystemError(error) && error.code === "EPERM";
  }
}
