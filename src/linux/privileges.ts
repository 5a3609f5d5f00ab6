/**
 * Giving privileges up.
 *
 * Linux keeps capabilities for each thread, and `capset` changes the calling one alone (`kernel/capability.c`). Here that is
 * the thread that runs all of our code and from which all programs are started. Node's helpers (V8's compiler and collector,
 * libuv's pool) keep what they were born with: so this guards against our own mistakes and for what we start, and not against
 * somebody who runs machine code inside the process.
 */
import { type Capability, capabilityBit } from "./capabilities.ts";
import {
  capget,
  capset,
  PR_CAP_AMBIENT,
  PR_CAPBSET_DROP,
  PR_CAPBSET_READ,
  PR_GET_SECUREBITS,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_SECUREBITS,
  prctl,
  SystemCallError,
} from "./libc.ts";

/** The highest that a set of 64 bits could hold; the kernel says EINVAL to those it does not know. */
const LAST_BIT = 63;
const PR_CAP_AMBIENT_RAISE = 2;
const PR_CAP_AMBIENT_LOWER = 3;
const PR_CAP_AMBIENT_IS_SET = 1;
const SECBIT_NOROOT = 1;
const SECBIT_NO_CAP_AMBIENT_RAISE = 0x40;

/**
 * Keeps these capabilities at most, as far as they are there, and no way back to the others: programs that are started from
 * here, by root too, cannot have them either.
 */
export function keepOnly(capabilities: readonly Capability[]): void {
  const kept = maskOf(capabilities);
  dropFromBoundingSet(kept);
  const { effective, permitted, inheritable } = capget();
  // The ambient set follows: the kernel holds it within the other two.
  capset({ effective: effective & kept, permitted: permitted & kept, inheritable: inheritable & kept });
}

/** Until `takeUpRights`, no call of ours is allowed more than any user's, `withRights` apart. What is started meanwhile is not touched by it. */
export function setAsideRights(): void {
  capset({ ...capget(), effective: 0n });
}

export function takeUpRights(): void {
  const sets = capget();
  capset({ ...sets, effective: sets.permitted });
}

/** Runs `work`, which must not be async, with all rights there are, set aside or not. */
export function withRights<Value>(work: () => Value): Value {
  const sets = capget();
  if (sets.effective === sets.permitted) return work();
  takeUpRights();
  try {
    return work();
  } finally {
    capset(sets);
  }
}

/** No program started from here on can gain anything, by a setuid bit, say. */
export function forbidNewPrivileges(): void {
  prctl(PR_SET_NO_NEW_PRIVS, 1);
}

/**
 * Runs `start` so that the program it starts gets these capabilities alone. The kernel gives root all that the bounding set
 * allows, unless SECBIT_NOROOT says that root is nobody special; then what counts is the ambient set. Who may not say so is
 * not root, and hands on the ambient set that it was given.
 */
export function withRightsForChild<Value>(capabilities: readonly Capability[], start: () => Value): Value {
  const bits = prctl(PR_GET_SECUREBITS, 0);
  if ((bits & SECBIT_NO_CAP_AMBIENT_RAISE) !== 0) return start();
  try {
    prctl(PR_SET_SECUREBITS, bits | SECBIT_NOROOT);
  } catch (error) {
    if (error instanceof SystemCallError && error.code === "EPERM") return start();
    throw error;
  }
  const before = capget();
  const given = maskOf(capabilities) & before.permitted;
  const raised = bitsOf(given).filter((bit) => prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, bit) === 0);
  try {
    capset({ ...before, inheritable: before.inheritable | given });
    for (const bit of raised) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit);
    return start();
  } finally {
    for (const bit of raised) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, bit);
    capset(before);
    prctl(PR_SET_SECUREBITS, bits);
  }
}

function dropFromBoundingSet(kept: bigint): void {
  try {
    for (let bit = 0; bit <= LAST_BIT; bit++) {
      if (((kept >> BigInt(bit)) & 1n) === 0n && prctl(PR_CAPBSET_READ, bit) === 1)
        prctl(PR_CAPBSET_DROP, bit);
    }
  } catch (error) {
    // EINVAL: that was the last one. EPERM: without CAP_SETPCAP; only root gains from this set, and root has it.
    if (!(error instanceof SystemCallError) || (error.code !== "EINVAL" && error.code !== "EPERM"))
      throw error;
  }
}

function maskOf(capabilities: readonly Capability[]): bigint {
  return capabilities.reduce((mask, capability) => mask | (1n << BigInt(capabilityBit(capability))), 0n);
}

function bitsOf(mask: bigint): number[] {
  return Array.from({ length: LAST_BIT + 1 }, (_, bit) => bit).filter(
    (bit) => ((mask >> BigInt(bit)) & 1n) === 1n,
  );
}
