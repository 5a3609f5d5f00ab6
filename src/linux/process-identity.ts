/**
 * Which process it is, and whether it still lives.
 *
 * Process numbers come again; a number together with the moment of the start does not (field 22 of /proc/PID/stat, in
 * clock ticks since boot). A zombie has done its last deed: in a container whose first process reaps nobody it stays
 * for ever, and lives no more.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { isSystemError } from "./sysctl.ts";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, in decimal. */
  readonly startedAt: string;
}

/** The identity of a living process; null when there is none of that number. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const stat = readStat(pid);
  return stat === null || stat.hasEnded ? null : { pid, startedAt: stat.startedAt };
}

/** Whether this very process, and not another of its number, still runs. */
export function isAlive({ pid, startedAt }: ProcessIdentity): boolean {
  return identifyProcess(pid)?.startedAt === startedAt;
}

/** Name of the program as the kernel knows it, at most 15 characters; null when it has gone. */
export function processName(pid: number): string | null {
  return readStat(pid)?.name ?? null;
}

/** `pid:[4026531836]`: numbers of processes mean something only to those who share this. */
export function ownPidNamespace(): string {
  return readlinkSync("/proc/self/ns/pid");
}

/** Differs after every boot: what a former one left went with it. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Whether /proc shows others' processes only to those who may trace them (`hidepid`, proc(5)). */
export function hidesProcesses(mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): boolean {
  return mountinfo.split("\n").some((line) => / \/proc .* - proc .*\bhidepid=(?!0\b|off\b)/.test(line));
}

interface Stat {
  readonly name: string;
  readonly hasEnded: boolean;
  readonly startedAt: string;
}

/** `812 (a (funny) name) S 1 …`: the name may hold anything, so the fields are counted from its last bracket. */
function readStat(pid: number): Stat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).split(" ");
  const [state] = fields;
  const startedAt = fields[19];
  if (startedAt === undefined) throw new Error(`/proc/${pid}/stat has too few fields`);
  return {
    name: text.slice(text.indexOf("(") + 1, close),
    hasEnded: state === "Z" || state === "X",
    startedAt,
  };
}
