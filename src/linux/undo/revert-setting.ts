/** Putting one setting back, as far as it is still ours. */
import { commandOf } from "../../core/plans/plan.ts";
import { type SettingAction, writeSetting } from "../setting-action.ts";
import { NOTHING_REVERTED, type RevertReport } from "./revert-report.ts";

/** `inside` runs its argument in the namespace called `netns`. */
export function revertSetting(
  netns: string | null,
  action: SettingAction,
  inside: <Value>(work: () => Value) => Value,
): RevertReport {
  const where = netns === null ? "" : ` in namespace ${netns}`;
  const outcome = inside(() => writeSetting(action));
  if (!outcome.ok) {
    const failed = [`${outcome.error.message}${where}; by hand: ${commandOf(action)}`];
    return { ...NOTHING_REVERTED, failed };
  }
  switch (outcome.value) {
    case "written":
      return { ...NOTHING_REVERTED, restored: [`${action.name}${where} is ${action.value} again`] };
    case "foreign":
      return { ...NOTHING_REVERTED, leftAlone: [`${action.name}${where} was set by somebody else`] };
    case "already":
      return NOTHING_REVERTED;
  }
}
