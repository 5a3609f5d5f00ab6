/**
 * SIGKILL at random moments of a trace's life, by either way of marking, then the undo: nothing is left. `npm test` does it 300
 * times, `npm test -- --quick` 30 times; a failure prints the seed, and NFPATH_SEED repeats the same victims and moments as far
 * as the machine's speed allows.
 */
import { describe, expect, it } from "vitest";
import { findProgram } from "../../src/linux/programs.ts";
import { BREAKS, brokenProgram } from "../support/broken-program.ts";
import {
  Doom,
  type DoomOptions,
  killIfThere,
  MECHANISMS,
  type TraceRun,
  until,
} from "../support/doomed-run.ts";

const missing = ["nft", "ip", "nsenter", "unshare", "iptables-legacy", "bash"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const KILLS = Number(process.env.NFPATH_KILLS ?? 300);
const SEED = Number(process.env.NFPATH_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Of each way of marking: a run waits more than it works. */
const LANES = 3;
const VICTIMS = ["nfpath", "its process group", "its guardian", "both"] as const;
type Victim = (typeof VICTIMS)[number];

interface Kill {
  readonly number: number;
  readonly victim: Victim;
  /** Most of them are killed while there is something to undo: a program's first half second is its loading. */
  readonly since: "start" | "journal";
  /** Of the life of a trace that nobody kills, 0 to 1, from there on. */
  readonly moment: number;
}

describe.skipIf(lacks !== null)(`killed at random${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  it(
    `${KILLS} times (NFPATH_SEED=${SEED}): nothing is left`,
    async () => {
      const half = Math.ceil(KILLS / 2);
      const kills = plan(KILLS);
      const stages = new Map<string, number>();
      const [byTable, byRules] = await Promise.all([
        carryOutAll(kills.slice(0, half), { mechanism: MECHANISMS[0] }, stages),
        carryOutAll(kills.slice(half), { mechanism: MECHANISMS[1] }, stages),
      ]);
      const told = [...stages].toSorted().map(([stage, n]) => `${n} ${stage}`);
      console.log(`NFPATH_SEED=${SEED}; killed ${told.join(", ")}`);
      expect([...byTable, ...byRules]).toEqual([]);
    },
    120_000 + KILLS * 3_000,
  );

  it.each([
    ["nft", BREAKS.settings],
    ["iptables", BREAKS.rules],
  ] as const)("by %s with an undo that is broken on purpose: it is seen", async (mechanism, change) => {
    const broken = brokenProgram(change);
    try {
      const moments = [0.3, 0.6].map((moment, number) => ({
        number,
        since: "journal" as const,
        victim: "nfpath" as const,
        moment,
      }));
      const failures = await carryOutAll(moments, { mechanism, program: broken.program }, new Map(), 1);
      expect(failures.length).toBeGreaterThan(0);
    } finally {
      broken.remove();
    }
  });
});

/** What was left by which kills. Counts the stages at which they came. */
async function carryOutAll(
  kills: readonly Kill[],
  options: DoomOptions,
  stages: Map<string, number>,
  lanes: number = LANES,
): Promise<readonly string[]> {
  const waiting = [...kills];
  const failures: string[] = [];
  const lane = async (): Promise<void> => {
    const doom = await Doom.prepare(options);
    try {
      const life = await lifeOf(doom);
      for (let kill = waiting.pop(); kill !== undefined; kill = waiting.pop()) {
        const stage = `${await carryOut(kill, doom, life)} (${doom.mechanism})`;
        stages.set(stage, (stages.get(stage) ?? 0) + 1);
        const undo = options.program === undefined ? await doom.undoHere() : await doom.undo();
        const left = [...(undo.status === 0 ? [] : [undo.text]), ...(await doom.differences())];
        if (left.length > 0) failures.push(`${JSON.stringify(kill)} ${stage}: ${left.join("\n")}`);
      }
    } finally {
      await doom.cleanUp();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return failures;
}

/** Starts a trace of some packets; it ends by itself. */
function start(doom: Doom): TraceRun {
  const sends = "for i in 1 2 3; do echo hi > /dev/udp/127.0.0.1/9; sleep 0.03; done";
  return doom.trace("--", "nsenter", `--net=/run/netns/${doom.netns}`, "bash", "--norc", "-c", sends);
}

/** Milliseconds of a trace from its start and from its journal to its end, here and now. */
type Life = Readonly<Record<Kill["since"], number>>;

async function lifeOf(doom: Doom): Promise<Life> {
  const began = performance.now();
  const run = start(doom);
  await until("its journal", () => doom.journalNames().length > 0);
  const written = performance.now();
  expect(await run.ended).toBe(0);
  const ended = performance.now();
  return { start: ended - began, journal: ended - written };
}

/** Kills at the moment; the stage at which it came, as far as it can be seen from outside. */
async function carryOut({ victim, since, moment }: Kill, doom: Doom, life: Life): Promise<string> {
  const run = start(doom);
  if (since === "journal") await until("its journal", () => doom.journalNames().length > 0);
  await Promise.race([run.ended, new Promise((resolve) => setTimeout(resolve, moment * life[since]))]);
  const guardian = guardianOf(doom);
  const stage = stageOf(run, doom, guardian);
  if (victim === "its guardian" || victim === "both") killIfThere(guardian ?? run.pid);
  if (victim === "nfpath" || victim === "both") killIfThere(run.pid);
  if (victim === "its process group") killIfThere(-run.pid);
  await run.ended;
  return stage;
}

function stageOf(run: TraceRun, doom: Doom, guardian: number | null): string {
  const hasJournal = doom.journalNames().length > 0;
  if (run.child.exitCode !== null) return "after its end";
  if (!hasJournal) return run.said().includes("tracing for") ? "after its undo" : "before its journal";
  if (guardian === null) return "before its first change";
  return run.said().includes("tracing for") ? "tracing or ending" : "half-way";
}

function guardianOf(doom: Doom): number | null {
  try {
    return doom.process("guardian");
  } catch {
    // No journal, or none in it yet.
    return null;
  }
}

function plan(count: number): Kill[] {
  const random = mulberry32(SEED);
  return Array.from({ length: count }, (_, number) => ({
    number,
    since: number % 4 === 0 ? "start" : "journal",
    victim: VICTIMS[Math.floor(random() * VICTIMS.length)] ?? "nfpath",
    moment: random(),
  }));
}

/** A small generator of numbers from 0 to 1 that a seed repeats. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
