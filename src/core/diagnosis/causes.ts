/** Every cause, each in a file of its own in `causes/`. */
import type { Diagnose } from "./cause.ts";
import { defragmented } from "./causes/defragmented.ts";
import { gap, notEnoughEvidence, rulesMissing } from "./causes/evidence.ts";
import { forwardingOff } from "./causes/forwarding-off.ts";
import { dnat, natFromConntrack, snat } from "./causes/nat.ts";
import { policyDrop } from "./causes/policy-drop.ts";
import { ruleDrop } from "./causes/rule-drop.ts";
import { ruleReject } from "./causes/rule-reject.ts";
import { rulesChanged } from "./causes/rules-changed.ts";
import type { FindDeath } from "./death.ts";
import type { CauseCode } from "./finding.ts";

/** What is read from the journey itself, and what explains a packet that lives. */
export const CAUSES: readonly Diagnose[] = [
  ruleDrop,
  policyDrop,
  ruleReject,
  notEnoughEvidence,
  defragmented,
  dnat,
  snat,
  natFromConntrack,
  gap,
  rulesMissing,
  rulesChanged,
];

/** Deaths outside the rules, in the order in which the stack asks. */
export const DEATHS: readonly (readonly [CauseCode, FindDeath])[] = [["forwarding-off", forwardingOff]];
