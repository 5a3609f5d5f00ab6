/**
 * What the doctor asks and what an answer is.
 *
 * A check judges a situation that has been read before: it opens nothing, so each can be tried with a made-up host.
 */

import type { Plan } from "../../core/plans/plan.ts";
import type { HostFacts } from "../../linux/host-facts.ts";
import type { NetnsFacts } from "../../linux/netns-facts.ts";
import type { RulesNow } from "../rules.ts";

/** A run that was killed before it could put everything back, and the file that says what. */
export interface DeadRun {
  readonly path: string;
  readonly plan: Plan;
}

export interface HostSituation {
  readonly host: HostFacts;
  readonly deadRuns: readonly DeadRun[];
  /** Namespaces of canaries whose doctor died. */
  readonly deadCanaries: readonly string[];
  /** Whether a namespace other than our own is to be traced. */
  readonly leavesNetns: boolean;
}

export interface NetnsSituation extends HostSituation {
  readonly netns: NetnsFacts;
  readonly rules: RulesNow;
}

export type CheckResult =
  | { readonly status: "ok"; readonly what: string }
  /** `warning`: a trace works, but something will be missed. `failed`: it does not work. */
  | {
      readonly status: "warning" | "failed";
      readonly what: string;
      readonly cause: string;
      readonly mend: Mend;
    }
  /** Not known, and why. */
  | { readonly status: "skipped"; readonly what: string };

export interface Mend {
  /** To be pasted into a shell, in this order, with the names of this host in them. */
  readonly commands: readonly string[];
  /** What to think of before: null when it does no harm. */
  readonly caution: string | null;
}

export interface Check<Situation> {
  /** Stable: programs look for it. */
  readonly id: string;
  readonly title: string;
  readonly judge: (situation: Situation) => CheckResult;
}

export type HostCheck = Check<HostSituation>;
export type NetnsCheck = Check<NetnsSituation>;

export function fine(what: string): CheckResult {
  return { status: "ok", what };
}

export function unknown(what: string): CheckResult {
  return { status: "skipped", what };
}

export function mend(commands: readonly string[] | string, caution: string | null = null): Mend {
  return { commands: typeof commands === "string" ? [commands] : commands, caution };
}

export function warning(what: string, cause: string, how: Mend): CheckResult {
  return { status: "warning", what, cause, mend: how };
}

export function failed(what: string, cause: string, how: Mend): CheckResult {
  return { status: "failed", what, cause, mend: how };
}
