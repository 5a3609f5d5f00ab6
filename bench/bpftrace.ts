/** bpftrace on what the kernel drops: what a host pays, and waits, for that answer. */

import { findProgram } from "../src/linux/programs.ts";
import { type Running, until } from "./listeners.ts";
import { gathered, interrupt, startTied } from "./measure.ts";

export const BPFTRACE = "bpftrace on kfree_skb";

/** It says so when all is attached: BEGIN would come before that. */
const PROGRAM = `
interval:ms:5 /!@isReady/ { @isReady = 1; printf("ready\\n"); }
tracepoint:skb:kfree_skb { @[args->reason] = count(); }
`;

/** Where tracefs is not mounted it is mounted for bpftrace alone, as nfpath does for `--drops`. */
const SCRIPT = `
[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing || exit
[ -e /sys/kernel/debug/tracing ] || mount -t debugfs debugfs /sys/kernel/debug || exit
exec bpftrace -e "$1"
`;

const COMMAND = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", SCRIPT, "sh", PROGRAM];

/** Starts it; rejects with what it said where it may not, or cannot. */
export async function startBpftrace(): Promise<Running> {
  const began = performance.now();
  const child = startTied(COMMAND, ["ignore", "pipe", "pipe"]);
  const [said, failed] = [gathered(child.stdout), gathered(child.stderr)];
  await until(
    child,
    () => said().includes("ready"),
    () => firstError(failed()),
  );
  const readyAfter = (performance.now() - began) / 1000;
  const stop = async () => {
    const asked = performance.now();
    // bpftrace 0.17 sometimes goes on after the first.
    await interrupt(child, 500);
    return { events: 0, saidLost: null, ending: (performance.now() - asked) / 1000 };
  };
  return { child, readyAfter, stop };
}

/** Null where it works; otherwise why it does not. Tried once. */
export function whyNoBpftrace(): Promise<string | null> {
  tried ??= tryIt();
  return tried;
}

let tried: Promise<string | null> | null = null;

async function tryIt(): Promise<string | null> {
  if (findProgram("bpftrace") === null) return "bpftrace is not installed";
  try {
    await (await startBpftrace()).stop();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Its warnings come first. */
function firstError(stderr: string): string {
  return stderr.split("\n").find((line) => /ERROR/.test(line) && !/RLIMIT/.test(line)) ?? stderr;
}
