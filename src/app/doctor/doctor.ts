/**
 * `nfpath doctor`: will a trace work here, and if not, what to do.
 *
 * It changes nothing but a scratch namespace of its own. What it may not see it says so: a check that could not be made is
 * `skipped`, never `ok`.
 */
import { ok, type Result, refused } from "../../core/base/result.ts";
import { flyCanaries, flyCanariesIn } from "../../lab/canary.ts";
import type { Backend } from "../../lab/requirements.ts";
import { findNetns } from "../../linux/netns.ts";
import type { HostRefusal } from "../../linux/refusal.ts";
import { type Refusal, refusal } from "../refusal.ts";
import { canaryTitle, judgeFlight } from "./canary-check.ts";
import { type Check, type CheckResult, type HostSituation, type NetnsSituation, unknown } from "./check.ts";
import { HOST_CHECKS, NETNS_CHECKS } from "./checks.ts";
import { readHostSituation, readNetnsSituation } from "./read-situation.ts";
import { freeingCommands } from "./rule-checks.ts";

/** `scratch`: in a namespace made for it. `here`: over loopback of each namespace that was named. */
export type CanaryPlace = "scratch" | "here" | "none";

export interface DoctorOptions {
  /** Namespaces; null is the one nfpath runs in. At least one. */
  readonly netns: readonly (string | null)[];
  readonly canary: CanaryPlace;
  /** Ends the work early; a namespace that was made is removed all the same. */
  readonly signal: AbortSignal;
}

export interface Answer {
  /** Stable name of the check. */
  readonly id: string;
  readonly title: string;
  readonly result: CheckResult;
}

export interface NetnsReport {
  readonly netns: string | null;
  readonly answers: readonly Answer[];
}

export interface DoctorReport {
  readonly host: readonly Answer[];
  readonly namespaces: readonly NetnsReport[];
  readonly canaries: readonly NetnsReport[];
  /** Whether nothing failed. */
  readonly willWork: boolean;
}

export async function examine(options: DoctorOptions): Promise<Result<DoctorReport, Refusal>> {
  for (const netns of options.netns) {
    const found = netns === null ? ok(null) : findNetns(netns);
    // One that may not be looked at is reported check by check, with the capability that is missing.
    if (!found.ok && found.error.kind === "missing-netns")
      return refused(refusal(2, found.error.message, found.error.hint));
  }
  const situation = await readHostSituation(options.netns);
  const host = HOST_CHECKS.map((check) => ask(check, situation));
  const namespaces: NetnsReport[] = [];
  const freeing = new Map<string | null, readonly string[]>();
  for (const netns of options.netns) {
    const read = await readNetnsSituation(situation, netns);
    namespaces.push(examineNetns(netns, read));
    if (read.ok) freeing.set(netns, freeingCommands(read.value));
  }
  const canaries = await flyAll(options, situation, freeing);
  const all = [...host, ...[...namespaces, ...canaries].flatMap(({ answers }) => answers)];
  return ok({ host, namespaces, canaries, willWork: !all.some(({ result }) => result.status === "failed") });
}

function ask<Situation>(check: Check<Situation>, situation: Situation): Answer {
  return { id: check.id, title: check.title, result: check.judge(situation) };
}

function examineNetns(netns: string | null, situation: Result<NetnsSituation, HostRefusal>): NetnsReport {
  const answers = NETNS_CHECKS.map((check) =>
    situation.ok
      ? ask(check, situation.value)
      : { id: check.id, title: check.title, result: unknown(situation.error.message) },
  );
  return { netns, answers };
}

const BACKENDS: readonly Backend[] = ["nft", "legacy"];

async function flyAll(
  options: DoctorOptions,
  { host }: HostSituation,
  freeing: ReadonlyMap<string | null, readonly string[]>,
): Promise<readonly NetnsReport[]> {
  if (options.canary === "none") return [];
  const why = whyNoFlight(host);
  if (why !== null) {
    const answers = BACKENDS.map((backend) => answerOf(backend, unknown(`not flown: ${why}`)));
    return [{ netns: null, answers }];
  }
  if (options.canary === "scratch") return [canaryReport(await flyCanaries(options.signal))];
  const reports: NetnsReport[] = [];
  for (const netns of options.netns) {
    if (netns !== null)
      reports.push(canaryReport(await flyCanariesIn(netns, options.signal), freeing.get(netns)));
  }
  return reports;
}

/** A canary needs what a trace in another namespace needs; what is missing is told by the checks. */
function whyNoFlight(host: HostSituation["host"]): string | null {
  const capability = (["CAP_NET_ADMIN", "CAP_SYS_ADMIN"] as const).find((name) =>
    host.missingCapabilities.includes(name),
  );
  if (capability !== undefined) return `${capability} is missing`;
  const program = (["nft", "nsenter", "ip"] as const).find((name) => host.programs[name] === null);
  return program === undefined ? null : `${program} is not installed`;
}

function canaryReport(
  { netns, flights }: Awaited<ReturnType<typeof flyCanaries>>,
  freeing: readonly string[] = [],
): NetnsReport {
  return {
    netns,
    answers: flights.map(({ backend, flight }) =>
      answerOf(backend, judgeFlight(backend, netns, flight, freeing)),
    ),
  };
}

function answerOf(backend: Backend, result: CheckResult): Answer {
  return { id: `canary-${backend}`, title: canaryTitle(backend), result };
}
