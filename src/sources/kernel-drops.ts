/**
 * The kernel's own word of each drop, in all namespaces at once: the tracepoint `skb:kfree_skb`, read by bpftrace.
 *
 * bpftrace finds tracepoints in tracefs. Where that is not mounted, it is mounted for bpftrace alone, in a mount namespace
 * that ends with it: the host keeps its mounts as they are.
 */
import { existsSync } from "node:fs";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Time } from "../core/base/time.ts";
import {
  decodeDropReasons,
  decodeKernelDrop,
  KERNEL_DROPS_PROGRAM,
} from "../core/events/decode/kernel-drops.ts";
import type { Event } from "../core/events/event.ts";
import { bootNanos } from "../linux/libc.ts";
import { netnsInode } from "../linux/netns-identity.ts";
import { missingProgram } from "../linux/process.ts";
import { findProgram } from "../linux/programs.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";
import { startTiedProcess } from "../linux/tied-process.ts";
import { type BesideSource, type OnEvents, untilReady } from "./beside-source.ts";

const TRACEFS = "/sys/kernel/tracing";
const BTF = "/sys/kernel/btf/vmlinux";

/** Prints the tracepoint's format, which names the reasons, and becomes bpftrace. `$1`: the program. */
const SCRIPT = `
[ -e ${TRACEFS}/events ] || mount -t tracefs tracefs ${TRACEFS} || exit
[ -e /sys/kernel/debug/tracing ] || mount -t debugfs debugfs /sys/kernel/debug || exit
cat ${TRACEFS}/events/skb/kfree_skb/format || exit
exec bpftrace -e "$1"
`;

/** What `--drops` lacks on this host; null when it can be tried. */
export function whatKernelDropsLack(): HostRefusal | null {
  if (findProgram("bpftrace") === null) return missingProgram("bpftrace");
  if (!existsSync(BTF)) {
    return hostRefusal(
      "kernel-lacks",
      `this kernel carries no BTF (${BTF}), without which bpftrace cannot read a packet's headers`,
      "trace without --drops, or use a kernel with CONFIG_DEBUG_INFO_BTF",
    );
  }
  return null;
}

/** Starts listening for drops in these namespaces; resolves when the tracepoint is attached, some seconds later. */
export async function openKernelDrops(
  namespaces: readonly (string | null)[],
  onEvents: OnEvents,
): Promise<Result<BesideSource, HostRefusal>> {
  const lack = whatKernelDropsLack();
  if (lack !== null) return refused(lack);
  const started = startTiedProcess("unshare", [
    "--mount",
    "--propagation",
    "private",
    "--",
    "sh",
    "-c",
    SCRIPT,
    "sh",
    KERNEL_DROPS_PROGRAM,
  ]);
  if (!started.ok) return started;
  const child = started.value;
  const byInode = new Map(namespaces.map((netns) => [Number(netnsInode(netns)), netns]));
  const bootAt = BigInt(Date.now()) * 1_000_000n - bootNanos();
  let format = "";
  let reasons: ReadonlyMap<number, string> | null = null;
  let rest = "";
  let attached = (): void => {};
  const isAttached = new Promise<void>((resolve) => {
    attached = resolve;
  });
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString("latin1")).split("\n");
    rest = lines.pop() ?? "";
    const events: Event[] = [];
    for (const line of lines) {
      if (reasons === null) {
        if (line === "READY") {
          reasons = decodeDropReasons(format);
          attached();
        } else format += `${line}\n`;
        continue;
      }
      const event = decodeKernelDrop(line, {
        reasons,
        netnsOf: (inode) => byInode.get(inode),
        timeOf: (nanos) => timeOf(bootAt + nanos),
        littleEndian: IS_LITTLE_ENDIAN,
      });
      if (event !== null) events.push(event);
    }
    if (events.length > 0) onEvents(events);
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-4096);
  });
  const ready = await untilReady("bpftrace", child, isAttached, () => withoutLimits(said));
  if (!ready.ok) return ready;
  return ok({
    end: async () => {
      child.kill("SIGTERM");
      await child.exited;
    },
  });
}

/** It begins by complaining that it may not raise a limit, which does no harm. */
function withoutLimits(said: string): string {
  return said
    .split("\n")
    .filter((line) => !line.includes("RLIMIT_MEMLOCK"))
    .join("\n");
}

function timeOf(epochNanos: bigint): Time {
  return {
    clock: "arrival",
    epoch: "utc",
    seconds: Number(epochNanos / 1_000_000_000n),
    nanos: Number(epochNanos % 1_000_000_000n),
  };
}

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
