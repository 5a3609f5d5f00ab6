/**
 * A scenario recorded: the script of `nfpath trace --print-script` collects on each traced host while the packets are sent, as it
 * would on a host without Node. What it leaves is explained like any other collection.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ok, type Result, refused } from "../core/base/result.ts";
import { parseFilter } from "../core/filters/parse.ts";
import type { BuiltScenario } from "../lab/scenarios/build.ts";
import type { Scenario, Variant } from "../lab/scenarios/scenario.ts";
import { firstLine, type RunningProcess, startProcess } from "../linux/process.ts";
import { hostRefusal } from "../linux/refusal.ts";
import { ofHost } from "./host-refusal.ts";
import { inScenario, playAndJudge } from "./lab-scenarios.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { scriptFor } from "./trace-script.ts";

export interface Recording {
  /** What the script left, by host: a directory each. */
  readonly collections: Readonly<Record<string, string>>;
  /** Where the kernel does not bear the scenario out. */
  readonly objections: readonly string[];
}

/** Long enough for whatever happens; the script is ended when it has. */
const SECONDS = 60;

/** Records into a directory of the caller's. */
export async function recordScenario(
  scenario: Scenario,
  variant: Variant,
  directory: string,
): Promise<Result<Recording, Refusal>> {
  const filter = parseFilter(scenario.trace.filter);
  if (!filter.ok) return refused(refusal(1, `filter: ${filter.error.message}`, filter.error.hint));
  const script = scriptFor({
    version: "lab",
    filter: filter.value,
    filterText: scenario.trace.filter,
    seconds: SECONDS,
    rate: 1000,
  });
  if (!script.ok) return script;
  const path = join(directory, "trace.sh");
  writeFileSync(path, script.value);
  return inScenario(scenario, variant, (built) => record(built, directory, path));
}

async function record(
  built: BuiltScenario,
  directory: string,
  script: string,
): Promise<Result<Recording, Refusal>> {
  const collectors = new Map<string, Collector>();
  try {
    for (const host of built.scenario.trace.hosts) {
      const collector = startCollector(built.namespaces[host] ?? "", join(directory, host), script);
      if (!collector.ok) return collector;
      collectors.set(host, collector.value);
    }
    for (const collector of collectors.values()) {
      const armed = await collector.armed;
      if (!armed.ok) return armed;
    }
    const judged = await playAndJudge(built);
    if (!judged.ok) return refused(ofHost(judged.error));
    await Promise.all([...collectors.values()].map((collector) => collector.end()));
    const collections = Object.fromEntries(
      [...collectors].map(([host, { directory: where }]) => [host, collectionIn(where)]),
    );
    return ok({ collections, objections: judged.value });
  } finally {
    await Promise.all([...collectors.values()].map((collector) => collector.end()));
  }
}

interface Collector {
  readonly directory: string;
  readonly armed: Promise<Result<void, Refusal>>;
  readonly end: () => Promise<void>;
}

function startCollector(netns: string, directory: string, script: string): Result<Collector, Refusal> {
  mkdirSync(directory, { recursive: true });
  const words = ["-c", 'cd "$1" && exec sh "$2"', "sh", directory, script];
  const started = startProcess("sh", words, { netns });
  if (!started.ok) return refused(ofHost(started.error));
  const process = started.value;
  process.stdout.resume();
  return ok({
    directory,
    armed: whenArmed(process),
    end: async () => {
      process.kill("SIGTERM");
      await process.exited;
    },
  });
}

/** It says so itself. */
async function whenArmed(process: RunningProcess): Promise<Result<void, Refusal>> {
  let said = "";
  const isArmed = await new Promise<boolean>((resolve) => {
    process.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString("utf8");
      if (said.includes("tracing for")) resolve(true);
    });
    void process.exited.then(() => resolve(false));
  });
  if (isArmed) return ok(undefined);
  return refused(
    ofHost(hostRefusal("program-failed", `the printed script ended: ${firstLine(said)}`, "run it by hand")),
  );
}

function collectionIn(directory: string): string {
  const name = readdirSync(directory).find((entry) => /^nfpath-.*Z$/.test(entry));
  if (name === undefined) throw new Error(`the script left nothing in ${directory}`);
  return join(directory, name);
}
