/** Carrying out planned writes to sysctls. */
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Action } from "../core/plans/plan.ts";
import { type HostRefusal, hostRefusal } from "./refusal.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

export type SettingAction = Extract<Action, { readonly kind: "write-sysctl" }>;

/**
 * `written`: it has the planned value now. `already`: it had it before. `foreign`: it has a value that the plan does not
 * expect, so somebody else has set it, and it was left alone.
 */
export type SettingOutcome = "written" | "already" | "foreign";

/** Must run inside `insideNetns` for a namespace other than our own. */
export function writeSetting(action: SettingAction): Result<SettingOutcome, HostRefusal> {
  const current = readSysctl(action.name);
  if (current === null) {
    return refused(settingRefused(action, "this kernel has no such setting here"));
  }
  if (current === action.value) return ok("already");
  if (current !== action.expected) return ok("foreign");
  const written = writeSysctl(action.name, action.value);
  return written.ok ? ok("written") : refused(settingRefused(action, written.error));
}

function settingRefused(action: SettingAction, reason: string): HostRefusal {
  return hostRefusal(
    "setting-refused",
    `${action.name} cannot be set to ${action.value}: ${reason}`,
    "run nfpath on the host itself, or in a container with a writable /proc/sys and CAP_NET_ADMIN",
  );
}
