/**
 * Keeps a long run small.
 *
 * What is alive while a log is explained is bounded, whatever the log's length. But V8 lets garbage grow to several times of what
 * is alive, more so on a machine with much memory, before it looks for it.
 */
import { setFlagsFromString } from "node:v8";

/** Percent of what is alive by which the heap may grow until the next look. */
const MOST_GARBAGE = 40;

let isSparing = false;

/** For the rest of the process; of the calls, the first counts. */
export function spareMemory(): void {
  if (isSparing) return;
  isSparing = true;
  setFlagsFromString(`--heap-growing-percent=${MOST_GARBAGE}`);
}
