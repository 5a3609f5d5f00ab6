/**
 * A lock between processes: `flock` on a file that stays. The kernel frees it with the process, SIGKILL included, so no
 * stale lock is ever left.
 */
import { closeSync, openSync } from "node:fs";
import { tryLock } from "./libc.ts";

/** Holders only read and write small files meanwhile; one that takes longer was stopped. */
const WAIT_MS = 10_000;
const RETRY_MS = 5;

/**
 * Runs `work` while no other process holds the lock, creating the file if need be; throws what `open` throws. `work` is told
 * whether the lock was had: after ten seconds without it, somebody was stopped while holding it, and going on is the caller's
 * decision. It is also given the lock's file: a program that inherits it holds the lock until it ends, whatever becomes of us.
 * Blocks the thread.
 */
export function withFileLock<Value>(path: string, work: (isLocked: boolean, fd: number) => Value): Value {
  const fd = openSync(path, "a", 0o600);
  try {
    return work(waitForLock(fd), fd);
  } finally {
    closeSync(fd);
  }
}

function waitForLock(fd: number): boolean {
  const deadline = performance.now() + WAIT_MS;
  while (!tryLock(fd)) {
    if (performance.now() > deadline) return false;
    sleepSync(RETRY_MS);
  }
  return true;
}

/** Blocks the thread. */
export function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
