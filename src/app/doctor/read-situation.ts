/** Reads all that the checks ask for. */
import type { Result } from "../../core/base/result.ts";
import { ok } from "../../core/base/result.ts";
import { deadCanaries } from "../../lab/canary.ts";
import { readHostFacts } from "../../linux/host-facts.ts";
import { readNetnsFacts } from "../../linux/netns-facts.ts";
import type { HostRefusal } from "../../linux/refusal.ts";
import { findLeftovers } from "../../tracing/leftovers.ts";
import { readRules } from "../rules.ts";
import type { HostSituation, NetnsSituation } from "./check.ts";

/** Of events, as a trace asks for it. */
const RECEIVE_BUFFER = 64 * 1024 * 1024;

export async function readHostSituation(netns: readonly (string | null)[]): Promise<HostSituation> {
  return {
    host: await readHostFacts(RECEIVE_BUFFER),
    deadRuns: findLeftovers(),
    deadCanaries: deadCanaries(),
    leavesNetns: netns.some((name) => name !== null),
  };
}

/** Refused when the namespace is not there, or may not be entered. */
export async function readNetnsSituation(
  host: HostSituation,
  netns: string | null,
): Promise<Result<NetnsSituation, HostRefusal>> {
  const facts = await readNetnsFacts(netns);
  if (!facts.ok) return facts;
  const rules = await readRules(netns);
  return rules.ok ? ok({ ...host, netns: facts.value, rules: rules.value }) : rules;
}
