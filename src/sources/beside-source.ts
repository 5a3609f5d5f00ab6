/** What the sources beside the trace have in common: each is a program of others that runs as long as the trace. */
import type { Result } from "../core/base/result.ts";
import type { Event } from "../core/events/event.ts";
import { firstLine, type RunningProcess } from "../linux/process.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";

export interface BesideSource {
  /** Ends it; resolves when all that it had is passed on. */
  readonly end: () => Promise<void>;
}

export type OnEvents = (batch: readonly Event[]) => void;

/** How long a program may take until it says that it listens; bpftrace compiles first. */
const READY_WITHIN_MS = 30_000;

/**
 * Waits until a program has said on standard error or output that it is ready; refused with what it said instead when it
 * ends before.
 */
export async function untilReady(
  name: string,
  child: RunningProcess,
  ready: Promise<void>,
  said: () => string,
): Promise<Result<void, HostRefusal>> {
  const timer = new AbortController();
  const tooLong = new Promise<"late">((resolve) => {
    const timeout = setTimeout(() => resolve("late"), READY_WITHIN_MS);
    timer.signal.addEventListener("abort", () => clearTimeout(timeout), { once: true });
  });
  const first = await Promise.race([
    ready.then(() => "ready" as const),
    child.exited.then(() => "ended" as const),
    tooLong,
  ]);
  timer.abort();
  if (first === "ready") return { ok: true, value: undefined };
  child.kill("SIGKILL");
  const words = firstLine(said());
  return {
    ok: false,
    error: hostRefusal(
      "program-failed",
      `${name} ${first === "late" ? "did not begin" : "ended before it began"}${words === "" ? "" : `: ${words}`}`,
      `trace without it, or see what it says by hand: nfpath doctor tells what it needs`,
    ),
  };
}
