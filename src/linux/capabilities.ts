/**
 * What this process may do, from `CapEff` in /proc/self/status: being root is not enough in a container, and not needed
 * where a capability was given.
 */
import { readFileSync } from "node:fs";

/** Bits of `include/uapi/linux/capability.h`. */
const BITS = {
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYSLOG: 34,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;

export type Capability = keyof typeof BITS;

export const CAPABILITIES = Object.keys(BITS) as readonly Capability[];

/** Number of a capability in the kernel's sets. */
export function capabilityBit(capability: Capability): number {
  return BITS[capability];
}

/** Whether the effective set of a `/proc/PID/status` text holds a capability. */
export function statusHasCapability(status: string, capability: Capability): boolean {
  const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(status);
  if (match?.[1] === undefined) return false;
  return ((BigInt(`0x${match[1]}`) >> BigInt(BITS[capability])) & 1n) === 1n;
}

/** Those of `wanted` that this process does not have. */
export function missingCapabilities(wanted: readonly Capability[]): Capability[] {
  const status = readFileSync("/proc/self/status", "utf8");
  return wanted.filter((capability) => !statusHasCapability(status, capability));
}
