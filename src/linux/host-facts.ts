/**
 * What a host is like, as far as it matters to tracing and can be seen from here: the kernel, what this process may do,
 * the programs there are, the kernel log and the clock. Nothing is loaded, created or changed by asking.
 *
 * `null` stands for "cannot be told from here" in every field.
 */
import { closeSync, existsSync, readFileSync } from "node:fs";
import { CAPABILITIES, type Capability, missingCapabilities } from "./capabilities.ts";
import { type Kernel, readKernel } from "./kernel.ts";
import { clockState, getsockopt, SO_RCVBUF, SOL_SOCKET, SystemCallError } from "./libc.ts";
import { readU32 } from "./netlink.ts";
import { NETLINK_NETFILTER, openNetlink, setReceiveBuffer } from "./netlink-socket.ts";
import { listNetns } from "./netns.ts";
import { askVersion, type InstalledProgram } from "./program-versions.ts";
import { isSystemError, readSysctl } from "./sysctl.ts";

export const ASKED_PROGRAMS = [
  "nft",
  "nsenter",
  "ip",
  "iptables",
  "iptables-legacy",
  "iptables-nft",
  "tcpdump",
  "conntrack",
  "bpftrace",
] as const;

export type AskedProgram = (typeof ASKED_PROGRAMS)[number];

export interface HostFacts {
  readonly platform: string;
  readonly kernel: Kernel;
  readonly missingCapabilities: readonly Capability[];
  readonly programs: Readonly<Record<AskedProgram, InstalledProgram | null>>;
  readonly receiveBuffer: ReceiveBuffer;
  readonly kernelLog: KernelLog;
  readonly clock: HostClock;
  /** Whether the kernel carries its own types (/sys/kernel/btf/vmlinux), from which a packet freed by it can be read. */
  readonly hasBtf: boolean;
  /** `net.netfilter.nf_log_all_netns`: visible in the first namespace only. */
  readonly logsAllNetns: boolean | null;
  /** Names that `ip netns` knows. */
  readonly namespaces: readonly string[];
}

export interface ReceiveBuffer {
  /** `net.core.rmem_max`: what a process without CAP_NET_ADMIN gets at most. */
  readonly most: number | null;
  readonly wanted: number;
  /** Bytes the kernel granted beyond that limit, on a socket opened for the question; null: it did not. */
  readonly forced: number | null;
}

export interface KernelLog {
  /** Messages of a lower number than this are written to the console as well. */
  readonly consoleLevel: number | null;
  /** `ReadKMsg` of journald's configuration: false when the journal leaves kernel messages out. */
  readonly isInJournal: boolean;
}

export interface HostClock {
  /** Seconds since 1970 UTC. */
  readonly now: number;
  /** Whether something keeps it right, as the kernel was told. */
  readonly isSynchronised: boolean | null;
  /** `tsc`, `kvm-clock` … */
  readonly source: string | null;
}

/** `wanted`: bytes that a trace asks for. */
export async function readHostFacts(wanted: number): Promise<HostFacts> {
  const asked = await Promise.all(
    ASKED_PROGRAMS.map(async (name) => [name, await askVersion(name)] as const),
  );
  const logsAllNetns = readSysctl("net.netfilter.nf_log_all_netns");
  return {
    platform: process.platform,
    kernel: readKernel(),
    missingCapabilities: missingCapabilities(CAPABILITIES),
    programs: Object.fromEntries(asked) as HostFacts["programs"],
    receiveBuffer: readReceiveBuffer(wanted),
    kernelLog: {
      consoleLevel: numberOrNull(readSysctl("kernel.printk")?.split(/\s+/)[0]),
      isInJournal: journalReadsKernel(readConfigurations(JOURNALD)),
    },
    clock: {
      now: Math.floor(Date.now() / 1000),
      isSynchronised: isSynchronised(),
      source: readOrNull("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    },
    hasBtf: existsSync("/sys/kernel/btf/vmlinux"),
    logsAllNetns: logsAllNetns === null ? null : logsAllNetns !== "0",
    namespaces: listNetns(),
  };
}

function readReceiveBuffer(wanted: number): ReceiveBuffer {
  const most = numberOrNull(readSysctl("net.core.rmem_max"));
  try {
    const fd = openNetlink(NETLINK_NETFILTER);
    try {
      setReceiveBuffer(fd, wanted);
      const granted = Buffer.alloc(4);
      getsockopt(fd, SOL_SOCKET, SO_RCVBUF, granted);
      // The kernel counts its own overhead in and gives back twice what was asked (socket(7)).
      return { most, wanted, forced: readU32(granted, 0) / 2 };
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof SystemCallError) return { most, wanted, forced: null };
    throw error;
  }
}

/** Where journald's settings come from, in the order in which later ones win. */
const JOURNALD = ["/usr/lib/systemd/journald.conf", "/etc/systemd/journald.conf"] as const;

function readConfigurations(paths: readonly string[]): string {
  return paths.map((path) => readOrNull(path) ?? "").join("\n");
}

/** The last word on `ReadKMsg` in journald's configuration; a journal that is not told reads the kernel's messages. */
export function journalReadsKernel(configuration: string): boolean {
  const last = [...configuration.matchAll(/^\s*ReadKMsg\s*=\s*(\S+)/gim)].at(-1)?.[1];
  return last === undefined || !/^(no|false|off|0)$/i.test(last);
}

const TIME_ERROR = 5;

function isSynchronised(): boolean | null {
  try {
    return clockState() !== TIME_ERROR;
  } catch (error) {
    if (error instanceof SystemCallError) return null;
    throw error;
  }
}

function numberOrNull(text: string | undefined | null): number | null {
  return text == null || !/^\d+$/.test(text) ? null : Number(text);
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}
