/**
 * SIGKILL at random moments of a trace's life, then `nfpath undo`: nothing is left. `npm run test:kills` does it 300 times; a
 * failure prints the seed, and NFPATH_SEED repeats the same victims and moments as far as the machine's speed allows.
 */
import { describe, expect, it } from "vitest";
import { findProgram } from "../../src/linux/programs.ts";
import { Doom, killIfThere, type TraceRun, until } from "../support/doomed-run.ts";

const missing = ["nft", "ip", "nsenter", "unshare", "iptables-legacy", "bash"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;

const KILLS = Number(process.env.NFPATH_KILLS ?? 25);
const SEED = Number(process.env.NFPATH_SEED ?? Math.floor(Math.random() * 2 ** 31));
const LANES = 4;
const VICTIMS = ["nfpath", "its process group", "its guardian", "both"] as const;
type Victim = (typeof VICTIMS)[number];

interface Kill {
  readonly number: number;
  readonly victim: Victim;
  /** Half of them are killed once there is something to undo: a program's first half second is its loading. */
  readonly since: "start" | "journal";
  /** Of the life of a trace that nobody kills, 0 to 1. */
  readonly moment: number;
}

describe.skipIf(lacks !== null)(`killed at random${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  it(
    `${KILLS} times (NFPATH_SEED=${SEED}): nothing is left`,
    async () => {
      const kills = plan(KILLS);
      const stages = new Map<string, number>();
      const failures: string[] = [];
      const lane = async (): Promise<void> => {
        const doom = await Doom.prepare();
        try {
          const life = await lifeOf(doom);
          for (let kill = kills.pop(); kill !== undefined; kill = kills.pop()) {
            const stage = await carryOut(kill, doom, life);
            stages.set(stage, (stages.get(stage) ?? 0) + 1);
            const undo = await doom.undo();
            const left = [...(undo.status === 0 ? [] : [undo.text]), ...(await doom.differences())];
            if (left.length > 0) failures.push(`${JSON.stringify(kill)} ${stage}: ${left.join("\n")}`);
          }
        } finally {
          await doom.cleanUp();
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      console.log(
        `NFPATH_SEED=${SEED}; killed ${[...stages].map(([stage, n]) => `${n} ${stage}`).join(", ")}`,
      );
      expect(failures).toEqual([]);
    },
    60_000 + KILLS * 6_000,
  );
});

/** Starts a trace of some packets; it ends by itself. */
function start(doom: Doom): TraceRun {
  const sends = "for i in 1 2 3 4 5 6; do echo hi > /dev/udp/127.0.0.1/9; sleep 0.03; done";
  return doom.trace("--", "nsenter", `--net=/run/netns/${doom.netns}`, "bash", "--norc", "-c", sends);
}

/** Milliseconds from the start of a trace to its end, here and now. */
async function lifeOf(doom: Doom): Promise<number> {
  const began = performance.now();
  const run = start(doom);
  expect(await run.ended).toBe(0);
  return performance.now() - began;
}

/** Kills at the moment; the stage at which it came, as far as it can be seen from outside. */
async function carryOut({ victim, since, moment }: Kill, doom: Doom, life: number): Promise<string> {
  const run = start(doom);
  if (since === "journal") await until("its journal", () => doom.journalNames().length > 0);
  await Promise.race([run.ended, new Promise((resolve) => setTimeout(resolve, moment * life))]);
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
    since: number % 2 === 0 ? "start" : "journal",
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
