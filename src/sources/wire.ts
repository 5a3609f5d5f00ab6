/**
 * What is on the wire: a capture of all interfaces of a namespace by tcpdump, beside the trace.
 *
 * A packet socket sees a frame before every hook on the way in and behind every hook on the way out. It is not bound to
 * promiscuous mode (`-p` is what `any` always is), so nothing changes on the interfaces.
 */
import { ok, type Result } from "../core/base/result.ts";
import { WireCaptureDecoder } from "../core/events/decode/wire-capture.ts";
import type { GapEvent } from "../core/events/event.ts";
import type { Capability } from "../linux/capabilities.ts";
import { readInterfaceNames } from "../linux/interfaces.ts";
import type { HostRefusal } from "../linux/refusal.ts";
import { startTiedProcess } from "../linux/tied-process.ts";
import { type BesideSource, type OnEvents, untilReady } from "./beside-source.ts";

/** A frame of an ordinary link whole, so that its checksum can be told; jumbo frames are cut. */
const SNAP_LENGTH = 2048;
const BUFFER_KIB = 16_384;

/** Starts capturing; `filter` in tcpdump's words, empty for everything. Resolves when it listens. */
export async function openWire(
  netns: string | null,
  filter: string,
  onEvents: OnEvents,
): Promise<Result<BesideSource, HostRefusal>> {
  const args = [
    "-i",
    "any",
    "-y",
    "LINUX_SLL2",
    "-n",
    "-p",
    "-U",
    "--immediate-mode",
    "-s",
    String(SNAP_LENGTH),
  ];
  args.push("-B", String(BUFFER_KIB), "-w", "-");
  // Started by root, it would become the user tcpdump, and Linux ties nobody to nfpath who changes that (`commit_creds`).
  if (process.geteuid?.() === 0) args.push("-Z", "root");
  const rights = rightsOfCapture(netns);
  const started = startTiedProcess("tcpdump", filter === "" ? args : [...args, filter], { netns, rights });
  if (!started.ok) return started;
  const child = started.value;
  let names = readInterfaceNames(netns);
  const decoder = new WireCaptureDecoder({
    input: "wire",
    netns,
    clock: "arrival",
    names: (index) => {
      if (!names.has(index)) names = readInterfaceNames(netns);
      return names.get(index) ?? null;
    },
  });
  child.stdout.on("data", (chunk: Buffer) => {
    const events = decoder.push(chunk);
    if (events.length > 0) onEvents(events);
  });
  let said = "";
  const listening = new Promise<void>((resolve) => {
    child.stderr.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-4096);
      if (said.includes("listening on")) resolve();
    });
  });
  const ready = await untilReady("tcpdump", child, listening, () => said);
  if (!ready.ok) return ready;
  return ok({
    end: async () => {
      child.kill("SIGTERM");
      await child.exited;
      const lost = Number(/(\d+) packets? dropped by kernel/.exec(said)?.[1] ?? 0);
      if (lost > 0) onEvents([lostFrames(netns, lost)]);
    },
  });
}

/** tcpdump needs the first three, the last two of them to become who it is; `nsenter` before it the others. */
function rightsOfCapture(netns: string | null): readonly Capability[] {
  const rights: Capability[] = ["CAP_NET_RAW", "CAP_SETUID", "CAP_SETGID"];
  return netns === null ? rights : [...rights, "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"];
}

function lostFrames(netns: string | null, count: number): GapEvent {
  return {
    kind: "gap",
    origin: { input: "wire", line: null, raw: "" },
    time: null,
    netns,
    gap: "frames-lost",
    count,
    remedy: "trace fewer packets with a filter, or without --wire: frames came faster than tcpdump read them",
  };
}
