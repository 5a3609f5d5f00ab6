/** Other people's programs with their versions, asked of the programs themselves. */
import { runProcess } from "./process.ts";
import { findProgram } from "./programs.ts";

export interface InstalledProgram {
  readonly path: string;
  /** The line in which it names its version, as it wrote it; null when it would not say. */
  readonly said: string | null;
}

const ASK_MS = 5_000;

/** What is installed under a name; null when nothing is. */
export async function askVersion(program: string): Promise<InstalledProgram | null> {
  const path = findProgram(program);
  if (path === null) return null;
  const run = await runProcess(program, [program === "ip" ? "-Version" : "--version"], {
    timeLimitMs: ASK_MS,
    outputLimitBytes: 65_536,
  });
  if (!run.ok) return { path, said: null };
  // tcpdump of some versions answers on standard error.
  const lines = `${run.value.stdout}\n${run.value.stderr}`.split("\n");
  return { path, said: lines.find((line) => /\d+\.\d/.test(line))?.trim() ?? null };
}

/** `1.0.6` out of `nftables v1.0.6 (Lester Gooch #5)`; null where no version stands. */
export function versionNumber(said: string | null): string | null {
  return /\d+(\.\d+)+/.exec(said ?? "")?.[0] ?? null;
}
