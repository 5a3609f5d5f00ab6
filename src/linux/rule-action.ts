/**
 * Carrying out planned changes of legacy iptables' raw table, by its own program: its lock is taken and its words are checked.
 *
 * A program that is under way when its starter is killed goes on, and would append a rule behind the back of whoever undoes.
 * So it inherits the lock of all journals: who undoes waits for it.
 */
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Action } from "../core/plans/plan.ts";
import { type RuleProgram, ruleArguments } from "../core/plans/raw-rules.ts";
import { type LegacyFamily, legacyTables } from "./legacy-tables.ts";
import { type Finished, firstLine, programFailed, runProcessHere } from "./process.ts";
import { type HostRefusal, hostRefusal } from "./refusal.ts";

export type RuleAction = Extract<Action, { readonly kind: "append-rule" | "delete-rule" }>;
export type RuleAppend = Extract<Action, { readonly kind: "append-rule" }>;
export type RuleDelete = Extract<Action, { readonly kind: "delete-rule" }>;

/** Less than others wait for the lock of all journals. */
const TIME_LIMIT_MS = 8_000;
/** `RESOURCE_PROBLEM` of iptables: another program changed the table in the same moment. */
const TRY_AGAIN = 4;
const TRIES = 20;

/** Must run inside `insideNetns` for a namespace other than our own. */
export function appendRule(action: RuleAppend, lockFd: number | null): Result<void, HostRefusal> {
  const args = ruleArguments("-A", action);
  const run = persistently(action.program, args, lockFd);
  if (!run.ok) return run;
  if (run.value.status === 0) return ok(undefined);
  return refused(ruleRefused(action.program, args, run.value));
}

/** How many there were: 0 where it was never appended, or somebody else has deleted it. Must run inside `insideNetns`. */
export function deleteRule(action: RuleDelete, lockFd: number | null): Result<number, HostRefusal> {
  const args = ruleArguments("-D", action);
  for (let deleted = 0; ; deleted++) {
    // To ask for a table is to make it.
    if (!legacyTables(familyOf(action.program)).includes("raw")) return ok(deleted);
    const run = persistently(action.program, args, lockFd);
    if (!run.ok) return run;
    if (run.value.status === 0) continue;
    if (IS_NOT_THERE.test(run.value.stderr)) return ok(deleted);
    return refused(ruleRefused(action.program, args, run.value));
  }
}

/** Whether a rule of that chain has the tag for a comment; true too where the chain cannot be listed. As `deleteRule`. */
export function holdsTagged({ program, chain }: RuleDelete, tag: string, lockFd: number | null): boolean {
  if (!legacyTables(familyOf(program)).includes("raw")) return false;
  const run = persistently(program, ["-w", "-t", "raw", "-S", chain], lockFd);
  return !run.ok || run.value.status !== 0 || run.value.stdout.includes(tag);
}

export function familyOf(program: RuleProgram): LegacyFamily {
  return program.startsWith("ip6") ? "ip6" : "ip";
}

/** Both are ENOENT of the kernel or of the search, by the version. */
const IS_NOT_THERE = /No chain\/target\/match by that name|does a matching rule exist/;

function persistently(
  program: RuleProgram,
  args: readonly string[],
  heldFd: number | null,
): Result<Finished, HostRefusal> {
  for (let left = TRIES; ; left--) {
    const run = runProcessHere(program, args, { timeLimitMs: TIME_LIMIT_MS, heldFd });
    if (!run.ok || run.value.status !== TRY_AGAIN || left === 0) return run;
  }
}

function ruleRefused(
  program: RuleProgram,
  args: readonly string[],
  { status, signal, stderr }: Finished,
): HostRefusal {
  const failed = programFailed(
    program,
    args,
    status === null ? `signal ${signal}` : `status ${status}`,
    stderr,
  );
  if (/can't initialize|Table does not exist/.test(stderr)) {
    return hostRefusal(
      "kernel-lacks",
      `this kernel has no raw table of legacy iptables: ${firstLine(stderr)}`,
      "load it (modprobe iptable_raw ip6table_raw), or install nft, where the kernel has nf_tables",
    );
  }
  return failed;
}
