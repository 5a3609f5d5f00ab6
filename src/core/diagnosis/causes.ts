/** Every cause, each in a file of its own in `causes/`. */
import type { Diagnose } from "./cause.ts";
import { asymmetricReply } from "./causes/asymmetric-reply.ts";
import { badChecksum } from "./causes/bad-checksum.ts";
import { bothBackends } from "./causes/both-backends.ts";
import { bridged } from "./causes/bridged.ts";
import { conntrackFull } from "./causes/conntrack-full.ts";
import { conntrackInvalid } from "./causes/conntrack-invalid.ts";
import { defragmented } from "./causes/defragmented.ts";
import { gap, notEnoughEvidence, rulesMissing } from "./causes/evidence.ts";
import { forwardingOff } from "./causes/forwarding-off.ts";
import { fragmentMissing } from "./causes/fragment-missing.ts";
import { hairpinWithoutSnat } from "./causes/hairpin-without-snat.ts";
import { linkDown } from "./causes/link-down.ts";
import { martian } from "./causes/martian.ts";
import { dnat, natFromConntrack, snat } from "./causes/nat.ts";
import { natFailed } from "./causes/nat-failed.ts";
import { noListener } from "./causes/no-listener.ts";
import { noNeighbour } from "./causes/no-neighbour.ts";
import { noReply } from "./causes/no-reply.ts";
import { noRoute } from "./causes/no-route.ts";
import { offloaded } from "./causes/offloaded.ts";
import { policyDrop } from "./causes/policy-drop.ts";
import { queueNoListener } from "./causes/queue-no-listener.ts";
import { reversePath } from "./causes/reverse-path.ts";
import { routeRefused } from "./causes/route-refused.ts";
import { ruleDrop } from "./causes/rule-drop.ts";
import { ruleReject } from "./causes/rule-reject.ts";
import { rulesChanged } from "./causes/rules-changed.ts";
import { snatNotReached } from "./causes/snat-not-reached.ts";
import { socketFull, socketMayBeFull } from "./causes/socket-full.ts";
import { tooBig } from "./causes/too-big.ts";
import { ttlExpired } from "./causes/ttl-expired.ts";
import { untracked } from "./causes/untracked.ts";
import { willFragment } from "./causes/will-fragment.ts";
import { wrongMac } from "./causes/wrong-mac.ts";
import type { FindDeath } from "./death.ts";
import type { CauseCode } from "./finding.ts";

/** What is read from the journey itself, and what explains a packet that lives. */
export const CAUSES: readonly Diagnose[] = [
  ruleDrop,
  policyDrop,
  ruleReject,
  conntrackInvalid,
  socketMayBeFull,
  notEnoughEvidence,
  noReply,
  asymmetricReply,
  defragmented,
  dnat,
  snat,
  natFromConntrack,
  snatNotReached,
  hairpinWithoutSnat,
  willFragment,
  untracked,
  bridged,
  bothBackends,
  offloaded,
  gap,
  rulesMissing,
  rulesChanged,
];

/** Deaths outside the rules, in the order in which the stack asks. */
export const DEATHS: readonly (readonly [CauseCode, FindDeath])[] = [
  ["wrong-mac", wrongMac],
  ["fragment-missing", fragmentMissing],
  ["conntrack-full", conntrackFull],
  ["martian", martian],
  ["reverse-path", reversePath],
  ["forwarding-off", forwardingOff],
  ["no-route", noRoute],
  ["route-refused", routeRefused],
  ["ttl-expired", ttlExpired],
  ["too-big", tooBig],
  ["queue-no-listener", queueNoListener],
  ["nat-failed", natFailed],
  ["link-down", linkDown],
  ["no-neighbour", noNeighbour],
  ["bad-checksum", badChecksum],
  ["no-listener", noListener],
  ["socket-full", socketFull],
];
