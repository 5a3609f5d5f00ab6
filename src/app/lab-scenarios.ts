/** Scenarios run: built, traced live while their packets are sent, judged by the kernel, removed. */
import { ok, type Result, refused } from "../core/base/result.ts";
import { parseFilter } from "../core/filters/parse.ts";
import { type Backend, whatTheLabLacks } from "../lab/requirements.ts";
import { type BuiltScenario, buildScenario } from "../lab/scenarios/build.ts";
import { judge } from "../lab/scenarios/judge.ts";
import { Players } from "../lab/scenarios/play.ts";
import { needs, type Scenario, type Variant } from "../lab/scenarios/scenario.ts";
import type { Witness } from "../lab/scenarios/verdict.ts";
import { findProgram } from "../linux/programs.ts";
import type { HostRefusal } from "../linux/refusal.ts";
import type { OnExplained } from "./explain.ts";
import { ofHost } from "./host-refusal.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { type LiveReport, traceLive } from "./trace.ts";

export interface ScenarioRun {
  readonly live: LiveReport;
  /** Where the kernel does not bear the scenario out, a sentence each; empty when it does. */
  readonly objections: readonly string[];
  readonly witness: Witness;
}

export interface ScenarioOptions {
  readonly signal: AbortSignal;
  readonly onUp?: (built: BuiltScenario) => void;
}

export async function runScenario(
  scenario: Scenario,
  variant: Variant,
  options: ScenarioOptions,
  onExplained: OnExplained,
): Promise<Result<ScenarioRun, Refusal>> {
  const lack = await whatTheLabLacks(backendOf(variant));
  if (lack !== null) return refused(ofHost(lack));
  return inScenario(scenario, variant, async (built) => {
    options.onUp?.(built);
    return traceScenario(built, options.signal, onExplained);
  });
}

/** Builds it for a person, who removes it with `removeKeptLabs`. */
export async function keepScenario(
  scenario: Scenario,
  variant: Variant,
): Promise<Result<BuiltScenario, Refusal>> {
  const lack = await whatTheLabLacks(backendOf(variant));
  if (lack !== null) return refused(ofHost(lack));
  const built = await buildScenario(scenario, variant, { isKept: true });
  return built.ok ? built : refused(ofHost(built.error));
}

function backendOf(variant: Variant): Backend {
  return variant === "legacy" || variant === "mixed" ? "legacy" : "nft";
}

/** Does `work` in a scenario that was built, and removes it whatever happens. */
export async function inScenario<Value>(
  scenario: Scenario,
  variant: Variant,
  work: (built: BuiltScenario) => Promise<Result<Value, Refusal>>,
): Promise<Result<Value, Refusal>> {
  const built = await buildScenario(scenario, variant);
  if (!built.ok) return refused(ofHost(built.error));
  let worked: Result<Value, Refusal>;
  let down: Result<void, HostRefusal>;
  try {
    worked = await work(built.value);
  } finally {
    down = await built.value.down();
  }
  return down.ok ? worked : refused(ofHost(down.error));
}

/** Lets everything happen, and the kernel judge it. @returns objections */
export async function playAndJudge(built: BuiltScenario): Promise<Result<readonly string[], HostRefusal>> {
  const players = await Players.ready(built);
  if (!players.ok) return players;
  try {
    const surprises = await players.value.play();
    if (!surprises.ok) return surprises;
    const unproved = await judge(built, players.value);
    return unproved.ok ? ok([...surprises.value, ...unproved.value]) : unproved;
  } finally {
    await players.value.leave();
  }
}

/** A trace is refused without the program that hears what it was asked for. */
const BESIDE_PROGRAMS = { wire: "tcpdump", drops: "bpftrace" } as const;

async function traceScenario(
  built: BuiltScenario,
  signal: AbortSignal,
  onExplained: OnExplained,
): Promise<Result<ScenarioRun, Refusal>> {
  const { trace } = built.scenario;
  const filter = parseFilter(trace.filter);
  if (!filter.ok) return refused(refusal(1, `filter: ${filter.error.message}`, filter.error.hint));
  const besides = (["wire", "drops"] as const).filter(
    (beside) => needs(built.scenario, beside) && findProgram(BESIDE_PROGRAMS[beside]) !== null,
  );
  const played: { judged: Result<readonly string[], HostRefusal> } = { judged: ok([]) };
  const live = await traceLive(
    {
      filter: filter.value,
      netns: trace.hosts.map((host) => built.namespaces[host] ?? ""),
      seconds: 60,
      packets: null,
      rate: 1000,
      wire: besides.includes("wire"),
      drops: besides.includes("drops"),
      during: async () => {
        played.judged = await playAndJudge(built);
      },
      signal,
    },
    onExplained,
  );
  if (!live.ok) return live;
  const { judged } = played;
  if (!judged.ok) return refused(ofHost(judged.error));
  return ok({
    live: live.value,
    objections: judged.value,
    witness: { netns: built.namespaces, besides },
  });
}
