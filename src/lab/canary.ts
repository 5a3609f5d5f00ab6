/**
 * A canary: one datagram over loopback, really traced, through the whole pipe.
 *
 * What a kernel, a container or a security module allows is only known once it has been tried. So a scratch namespace is
 * made, one packet is marked, logged and read there for each kind of rules, and the namespace is removed whatever happens.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Event } from "../core/events/event.ts";
import { sendDatagram } from "../linux/datagram.ts";
import { isLegacyLoaded, legacyTables } from "../linux/legacy-tables.ts";
import { SystemCallError } from "../linux/libc.ts";
import { inNetns, listNetns } from "../linux/netns.ts";
import { runSuccessfully } from "../linux/process.ts";
import { findProgram } from "../linux/programs.ts";
import { chooseMechanism } from "../tracing/mechanism.ts";
import { startTrace, type Trace, type TraceEnd } from "../tracing/trace.ts";
import type { Backend } from "./requirements.ts";

export type Flight =
  /** The packet was marked, logged and read. `steps`: events of this backend; `milliseconds`: from sending to reading. */
  | { readonly kind: "arrived"; readonly steps: number; readonly milliseconds: number }
  /** It could not be tried here. */
  | { readonly kind: "not-tried"; readonly why: string }
  /** It was tried, and this is how far the packet got. */
  | { readonly kind: "lost"; readonly how: Loss };

export type Loss =
  /** The trace itself was refused. */
  | { readonly stage: "arming"; readonly message: string; readonly hint: string }
  /** The packet could not be sent (errno's name), or no selector saw it: something took it before. */
  | { readonly stage: "sending"; readonly errno: string }
  | { readonly stage: "selecting" }
  /** A selector saw it, but it was not marked: the deadline of the rule is in the past. */
  | { readonly stage: "marking" }
  /** Marked, but this backend said nothing of it. */
  | { readonly stage: "logging"; readonly lost: number }
  /** What the trace changed could not be put back. */
  | { readonly stage: "disarming"; readonly message: string; readonly hint: string };

export interface CanaryFlight {
  readonly backend: Backend;
  readonly flight: Flight;
}

export interface CanaryRun {
  /** The namespace it flew in. */
  readonly netns: string;
  readonly flights: readonly CanaryFlight[];
}

const ADDRESS = "127.0.0.1";
/** The discard service of RFC 863: nobody is disturbed. */
const PORT = 9;
const WORDS = `ip daddr ${ADDRESS} udp dport ${PORT}`;
/** The same in iptables' words. */
const MATCH = ["-d", ADDRESS, "-p", "17", "--dport", `${PORT}`];
const MOST_WAIT_MS = 5_000;
/** The steps of one packet come within microseconds of each other. */
const AFTER_FIRST_MS = 50;

/** Flies one canary for each backend in a namespace of its own, which does not outlive it. */
export async function flyCanaries(signal: AbortSignal): Promise<CanaryRun> {
  const netns = `nfpath-${process.pid}x${randomBytes(2).toString("hex")}-canary`;
  const made = await runSuccessfully("ip", ["netns", "add", netns]);
  if (!made.ok) return { netns, flights: bothNotTried(made.error.message) };
  try {
    const up = await runSuccessfully("ip", ["-netns", netns, "link", "set", "lo", "up"]);
    if (!up.ok) return { netns, flights: bothNotTried(up.error.message) };
    const nft: CanaryFlight = { backend: "nft", flight: await fly(netns, "nft", signal) };
    return { netns, flights: [nft, { backend: "legacy", flight: await flyLegacy(netns, signal) }] };
  } finally {
    await runSuccessfully("ip", ["netns", "delete", netns]);
  }
}

/** Flies in a namespace that is in use, over its loopback, with the rules there are. */
export async function flyCanariesIn(netns: string, signal: AbortSignal): Promise<CanaryRun> {
  const nft: CanaryFlight = { backend: "nft", flight: await fly(netns, "nft", signal) };
  const isLegacy = inNetns(netns, () => legacyTables("ip").length > 0);
  const legacy: Flight = isLegacy
    ? await fly(netns, "legacy", signal)
    : { kind: "not-tried", why: "no legacy table is in use here" };
  return { netns, flights: [nft, { backend: "legacy", flight: legacy }] };
}

/** Canaries' namespaces whose doctor does not live any more. */
export function deadCanaries(): readonly string[] {
  return listNetns().filter((name) => {
    const [, pid] = /^nfpath-(\d+)x[0-9a-f]{4}-canary$/.exec(name) ?? [];
    return pid !== undefined && !isRunning(Number(pid));
  });
}

async function flyLegacy(netns: string, signal: AbortSignal): Promise<Flight> {
  if (findProgram("iptables-legacy") === null)
    return { kind: "not-tried", why: "iptables-legacy is not installed" };
  if (!inNetns(netns, () => isLegacyLoaded("ip")))
    return { kind: "not-tried", why: "legacy iptables is not loaded, and trying it would load it" };
  // Asking for a table makes it, and an empty one speaks: its policy is a step.
  const raw = await runSuccessfully("iptables-legacy", ["--wait", "10", "-t", "raw", "-S"], { netns });
  return raw.ok ? fly(netns, "legacy", signal) : { kind: "not-tried", why: raw.error.message };
}

async function fly(netns: string, backend: Backend, signal: AbortSignal): Promise<Flight> {
  if (signal.aborted) return { kind: "not-tried", why: "interrupted" };
  const reader = new Reader(backend);
  const mechanism = chooseMechanism("auto");
  const rawRules =
    mechanism.ok && mechanism.value.kind === "iptables"
      ? [{ program: mechanism.value.programs.ip, prerouting: [MATCH], output: [MATCH] }]
      : null;
  if (backend === "nft" && rawRules !== null)
    return { kind: "not-tried", why: "packets are marked by iptables' rules here" };
  const trace = await startTrace({
    rawRules,
    selectors: { prerouting: [WORDS], output: [WORDS] },
    netns: [netns],
    deadlineSeconds: 30,
    ratePerSecond: 10,
    onEvents: (batch) => reader.take(batch),
  });
  if (!trace.ok) return lost({ stage: "arming", message: trace.error.message, hint: trace.error.hint });
  const errno = await sendAndWait(netns, reader);
  return judge(errno, reader, await trace.value.stop());
}

/** The errno's name when the datagram could not be sent. */
async function sendAndWait(netns: string, reader: Reader): Promise<string | null> {
  try {
    reader.sentAt = performance.now();
    inNetns(netns, () => sendDatagram(ADDRESS, PORT, "nfpath canary"));
  } catch (error) {
    if (error instanceof SystemCallError) return error.code;
    throw error;
  }
  while (reader.steps === 0 && performance.now() - reader.sentAt < MOST_WAIT_MS) await sleep(1);
  await sleep(AFTER_FIRST_MS);
  return null;
}

function judge(errno: string | null, reader: Reader, end: Awaited<ReturnType<Trace["stop"]>>): Flight {
  if (!end.ok) return lost({ stage: "disarming", message: end.error.message, hint: end.error.hint });
  if (reader.steps > 0) {
    return { kind: "arrived", steps: reader.steps, milliseconds: reader.readAt - reader.sentAt };
  }
  return lost(lossOf(errno, end.value));
}

function lossOf(errno: string | null, { matched, marked, lost: events }: TraceEnd): Loss {
  if (matched === 0) return errno === null ? { stage: "selecting" } : { stage: "sending", errno };
  return marked === 0 ? { stage: "marking" } : { stage: "logging", lost: events };
}

function lost(how: Loss): Flight {
  return { kind: "lost", how };
}

/** Counts what one backend says. */
class Reader {
  sentAt = 0;
  readAt = 0;
  steps = 0;
  readonly #tracer: "nft" | "xtables";

  constructor(backend: Backend) {
    this.#tracer = backend === "nft" ? "nft" : "xtables";
  }

  take(batch: readonly Event[]): void {
    for (const event of batch) {
      if (event.kind !== "step" || event.tracer !== this.#tracer) continue;
      if (this.steps === 0) this.readAt = performance.now();
      this.steps++;
    }
  }
}

function bothNotTried(why: string): readonly CanaryFlight[] {
  const flight: Flight = { kind: "not-tried", why };
  return [
    { backend: "nft", flight },
    { backend: "legacy", flight },
  ];
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
