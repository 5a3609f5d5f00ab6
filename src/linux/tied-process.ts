/**
 * A program that must not outlive nfpath and does not read its standard input: the kernel ends it when nfpath dies, SIGKILL
 * included (`PR_SET_PDEATHSIG`, which `setpriv` of util-linux sets and which programs that it becomes keep).
 */
import { type Result, refused } from "../core/base/result.ts";
import { missingProgram, type ProcessOptions, type RunningProcess, startProcess } from "./process.ts";
import { findProgram } from "./programs.ts";
import type { HostRefusal } from "./refusal.ts";

export function startTiedProcess(
  program: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Result<RunningProcess, HostRefusal> {
  const path = findProgram(program);
  if (path === null) return refused(missingProgram(program));
  return startProcess("setpriv", ["--pdeathsig", "TERM", "--", path, ...args], options);
}
