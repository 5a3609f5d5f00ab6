/**
 * Runs contestants in turn and measures what they take.
 *
 * A run of one follows a run of the other (A B C A B C …), so that whatever else the machine does meets all of them alike;
 * figures are medians.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { findNetns } from "../src/linux/netns.ts";
import { findProgram } from "../src/linux/programs.ts";
import type { Absent, Series } from "./row.ts";

export interface Sample {
  readonly value: number;
  readonly peakBytes: number | null;
}

export interface Contestant {
  readonly name: string;
  readonly note?: string;
  /** One run; throws when it failed, or when what it found is wrong. */
  readonly run: (turn: number) => Promise<Sample>;
}

/** The contestants' figures, in their order. The one that begins changes from turn to turn. */
export async function inTurn(contestants: readonly Contestant[], runs: number): Promise<Series[]> {
  const samples = contestants.map((): Sample[] => []);
  for (let turn = 0; turn < runs; turn++) {
    for (let seat = 0; seat < contestants.length; seat++) {
      const at = (seat + turn) % contestants.length;
      const contestant = contestants[at] as Contestant;
      try {
        samples[at]?.push(await contestant.run(turn));
      } catch (error) {
        throw new Error(`${contestant.name}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      }
    }
  }
  return contestants.map(({ name, note }, at) => seriesOf(name, samples[at] ?? [], note));
}

function seriesOf(name: string, samples: readonly Sample[], note: string | undefined): Series {
  const peaks = samples.flatMap(({ peakBytes }) => (peakBytes === null ? [] : [peakBytes]));
  return {
    name,
    values: samples.map(({ value }) => value),
    peakBytes: peaks.length === 0 ? null : Math.max(...peaks),
    ...(note === undefined ? {} : { note }),
  };
}

/** Contestants whose program is installed, and the others with what is missing. */
export function whoIsHere(wanted: readonly (Contestant & { readonly program: string })[]): {
  readonly here: readonly Contestant[];
  readonly absent: readonly Absent[];
} {
  return {
    here: wanted.filter(({ program }) => findProgram(program) !== null),
    absent: wanted
      .filter(({ program }) => findProgram(program) === null)
      .map(({ name, program }) => ({ name, why: `${program} is not installed` })),
  };
}

export interface CommandOptions {
  /** Its standard input: a file, or what another command writes. Absent: nothing. */
  readonly input?: string | readonly string[];
  readonly netns?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Other than 0. */
  readonly statuses?: readonly number[];
}

export interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Processes that are ended when the bench is. */
const running = new Set<ChildProcess>();

const endings = new WeakMap<ChildProcess, Promise<number | null>>();

/** Whoever asks for the end hears of it. */
function ignoreHere(): void {}

export function killRunning(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Whether there is a process of this id. */
export function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Starts a program that a row ends itself; it is ended with the bench at the latest. */
export function startTied(
  command: readonly string[],
  stdio: readonly ("ignore" | "pipe" | number)[],
  { netns, env }: Pick<CommandOptions, "netns" | "env"> = {},
): ChildProcess {
  const [program = "", ...args] = netns === undefined ? command : [...entering(netns), ...command];
  const child = spawn(program, args, {
    stdio: [...stdio],
    env: { ...process.env, LC_ALL: "C", TZ: "UTC", NO_COLOR: "1", ...env },
  });
  running.add(child);
  const ending = new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", reject);
  });
  ending.finally(() => running.delete(child)).catch(ignoreHere);
  endings.set(child, ending);
  return child;
}

/** nsenter replaces itself by the command, so what is measured is the command. */
function entering(netns: string): readonly string[] {
  const path = findNetns(netns);
  if (!path.ok) throw new Error(path.error.message);
  return ["nsenter", `--net=${path.value}`, "--"];
}

/**
 * Runs a command to its end under `bench/native/measured.c`; throws with what it said when it fails.
 *
 * @param measured path of the built `measured`
 */
export async function measureCommand(
  measured: string,
  command: readonly string[],
  options: CommandOptions = {},
): Promise<Measured> {
  const { input } = options;
  const feeder = Array.isArray(input) ? startTied(input, ["ignore", "pipe", "ignore"]) : null;
  const inputFd = typeof input === "string" ? openSync(input, "r") : null;
  try {
    const child = startTied(
      [measured, ...command],
      [inputFd ?? (feeder === null ? "ignore" : "pipe"), "pipe", "pipe", "pipe"],
      options,
    );
    if (feeder !== null && child.stdin !== null) {
      child.stdin.on("error", () => feeder.kill());
      feeder.stdout?.pipe(child.stdin);
    }
    const [stdout, stderr, account] = [child.stdout, child.stderr, child.stdio[3]].map(gathered);
    await ended(child);
    return accountOf(command, options, {
      stdout: stdout?.() ?? "",
      stderr: stderr?.() ?? "",
      account: account?.() ?? "",
    });
  } finally {
    if (inputFd !== null) closeSync(inputFd);
    feeder?.kill();
  }
}

function accountOf(
  command: readonly string[],
  { statuses = [0] }: CommandOptions,
  { stdout, stderr, account }: { stdout: string; stderr: string; account: string },
): Measured {
  const [seconds, cpuSeconds, peakKib, status] = account.trim().split(" ").map(Number);
  if (seconds === undefined || cpuSeconds === undefined || peakKib === undefined || status === undefined)
    throw new Error(`${command.join(" ")}: it could not be started: ${lastLine(stderr)}`);
  if (!statuses.includes(status))
    throw new Error(`${command.join(" ")}: ended with status ${status}: ${lastLine(stderr)}`);
  return { seconds, cpuSeconds, peakBytes: peakKib * 1024, stdout, stderr };
}

/**
 * Resolves when a process of `startTied` has ended and all its output was read, be it long ago, whatever its status; rejects where
 * it could not be started.
 */
export function ended(child: ChildProcess): Promise<number | null> {
  const ending = endings.get(child);
  if (ending === undefined) throw new Error("not one of ours");
  return ending;
}

/** Longer than anybody needs who has some million events to take from a spool. */
const ENDING_MS = 300_000;

/**
 * Asks a program to end as Ctrl-C does, and waits until it has; one that does not is killed, which is an error.
 *
 * @param againMs how often one is asked again that may not have heard; null: once
 */
export async function interrupt(child: ChildProcess, againMs: number | null = null): Promise<void> {
  const ending = ended(child);
  child.kill("SIGINT");
  const asking = againMs === null ? undefined : setInterval(() => child.kill("SIGINT"), againMs);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, ENDING_MS);
  await ending;
  clearTimeout(timer);
  clearInterval(asking);
  if (isLate) throw new Error(`it did not end within ${ENDING_MS / 1000} s`);
}

/** Gathers a stream's text; the function gives what has come so far. */
export function gathered(stream: unknown): () => string {
  const chunks: Buffer[] = [];
  if (isReadable(stream)) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

function isReadable(stream: unknown): stream is NodeJS.ReadableStream {
  return typeof stream === "object" && stream !== null && "read" in stream && "on" in stream;
}

export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
