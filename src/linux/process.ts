/**
 * The one door to processes: arguments are arrays and never pass a shell, time and output are limited, what the program
 * said on standard error is kept, and every way to fail is a value.
 *
 * Programs run with an English locale and in UTC, because their words are read by programs. They get a session of their
 * own: a Ctrl-C at the terminal goes to nfpath, which then ends what it started in the right order.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Capability } from "./capabilities.ts";
import { findNetns } from "./netns.ts";
import { withRightsForChild } from "./privileges.ts";
import { debianPackageOf, findProgram } from "./programs.ts";
import { type HostRefusal, hostRefusal } from "./refusal.ts";

export interface ProcessOptions {
  /** The namespace to run in: a name, a path, `pid:N`; null or absent for our own. */
  readonly netns?: string | null;
  readonly env?: Readonly<Record<string, string>>;
  /** Capabilities that the program gets at most, where root starts it; absent: all there are. */
  readonly rights?: readonly Capability[];
}

export interface RunOptions extends ProcessOptions {
  /** Given on standard input, which is otherwise empty. */
  readonly input?: string;
  /** Default 30 s. */
  readonly timeLimitMs?: number;
  /** Of standard output and standard error each; default 256 MiB. */
  readonly outputLimitBytes?: number;
}

export interface Finished {
  /** Null for a program that a signal ended. */
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

const DEFAULT_TIME_LIMIT_MS = 30_000;
const DEFAULT_OUTPUT_LIMIT = 256 * 1024 * 1024;

/** Runs a program to its end, whatever its exit status. Refused when it is missing, too slow or too talkative. */
export async function runProcess(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result<Finished, HostRefusal>> {
  const started = startProcess(program, args, options);
  if (!started.ok) return started;
  const child = started.value;
  const limit = options.outputLimitBytes ?? DEFAULT_OUTPUT_LIMIT;
  const timeLimitMs = options.timeLimitMs ?? DEFAULT_TIME_LIMIT_MS;
  let broken: HostRefusal | null = null;
  const breakOff = (refusal: HostRefusal): void => {
    broken ??= refusal;
    child.kill("SIGKILL");
  };
  const stdout = collect(child.stdout, limit, () => breakOff(tooMuchOutput(program, limit)));
  const stderr = collect(child.stderr, limit, () => breakOff(tooMuchOutput(program, limit)));
  const timer = setTimeout(() => breakOff(timedOut(program, timeLimitMs)), timeLimitMs);
  child.stdin.end(options.input ?? "");
  const exit = await child.exited;
  clearTimeout(timer);
  if (broken !== null) return refused(broken);
  if (exit.error !== null) return refused(cannotStart(program, exit.error));
  return ok({ status: exit.status, signal: exit.signal, stdout: stdout(), stderr: stderr() });
}

/** Runs a program that must succeed: standard output, or a refusal with what it said. */
export async function runSuccessfully(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result<string, HostRefusal>> {
  const run = await runProcess(program, args, options);
  if (!run.ok) return run;
  const { status, signal, stdout, stderr } = run.value;
  if (status === 0) return ok(stdout);
  return refused(
    programFailed(program, args, status === null ? `signal ${signal}` : `status ${status}`, stderr),
  );
}

/**
 * Runs a program to its end with the calling thread, in whose network namespace it is: for who undoes, and has no event loop.
 * It inherits `heldFd`, a lock's file for one, until its end.
 */
export function runProcessHere(
  program: string,
  args: readonly string[],
  { timeLimitMs, heldFd }: { readonly timeLimitMs: number; readonly heldFd: number | null },
): Result<Finished, HostRefusal> {
  const path = findProgram(program);
  if (path === null) return refused(missingProgram(program));
  const run = spawnSync(path, [...args], {
    encoding: "utf8",
    timeout: timeLimitMs,
    killSignal: "SIGKILL",
    stdio: heldFd === null ? ["ignore", "pipe", "pipe"] : ["ignore", "pipe", "pipe", heldFd],
    env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
  });
  if (run.error !== undefined) {
    const isLate = "code" in run.error && run.error.code === "ETIMEDOUT";
    return refused(isLate ? timedOut(program, timeLimitMs) : cannotStart(program, run.error));
  }
  return ok({ status: run.status, signal: run.signal, stdout: run.stdout, stderr: run.stderr });
}

export interface Exit {
  readonly status: number | null;
  readonly signal: string | null;
  /** Set when the program could not be started at all. */
  readonly error: Error | null;
}

export interface RunningProcess {
  readonly pid: number | null;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the program has ended and its output is read; never rejects. */
  readonly exited: Promise<Exit>;
  readonly kill: (signal: "SIGTERM" | "SIGKILL") => void;
}

/** Starts a program that is to be kept running. Its standard input is closed when nfpath dies, however it dies. */
export function startProcess(
  program: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Result<RunningProcess, HostRefusal> {
  const path = findProgram(program);
  if (path === null) return refused(missingProgram(program));
  const netns = options.netns ?? null;
  if (netns === null) return ok(spawnProcess(path, args, options));
  const namespace = findNetns(netns);
  if (!namespace.ok) return namespace;
  const nsenter = findProgram("nsenter");
  if (nsenter === null) return refused(missingProgram("nsenter"));
  return ok(spawnProcess(nsenter, [`--net=${namespace.value}`, "--", path, ...args], options));
}

/**
 * Runs a command of the user's to its end, on the user's terminal: it reads our standard input, and all it writes goes to
 * our standard error, because standard output is for the data. It stays in our session, so a Ctrl-C reaches it too.
 */
export async function runUserCommand(
  program: string,
  args: readonly string[],
): Promise<Result<Exit, HostRefusal>> {
  const child = spawn(program, args, { stdio: ["inherit", 2, 2] });
  const exit = await exitOf(child);
  if (exit.error === null) return ok(exit);
  return "code" in exit.error && exit.error.code === "ENOENT"
    ? refused(missingProgram(program))
    : refused(cannotStart(program, exit.error));
}

function spawnProcess(path: string, args: readonly string[], options: ProcessOptions): RunningProcess {
  const start = () =>
    spawn(path, args, {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C", TZ: "UTC", ...options.env },
    });
  const child = options.rights === undefined ? start() : withRightsForChild(options.rights, start);
  // A program that ends without reading its input is no defect: its exit status tells.
  child.stdin.on("error", ignoreBrokenPipe);
  return {
    pid: child.pid ?? null,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited: exitOf(child),
    kill: (signal) => {
      child.kill(signal);
    },
  };
}

function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED" && error.code !== "ECONNRESET")
    throw error;
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ status: null, signal: null, error }));
    child.once("close", (status, signal) => resolve({ status, signal, error: null }));
  });
}

/** Gathers a stream; the returned function gives the text once the process has ended. */
function collect(stream: Readable, limit: number, onOverflow: () => void): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > limit) onOverflow();
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString("utf8");
}

export function missingProgram(program: string): HostRefusal {
  const debianPackage = debianPackageOf(program);
  const hint =
    debianPackage === null
      ? `install ${program}, or put it on the PATH`
      : `install it: apt-get install ${debianPackage} (Debian, Ubuntu), or your distribution's package`;
  return hostRefusal("missing-program", `the program ${program} is not installed`, hint);
}

export function programFailed(
  program: string,
  args: readonly string[],
  how: string,
  stderr: string,
): HostRefusal {
  const said = firstLine(stderr);
  return hostRefusal(
    "program-failed",
    `${program} ${args.join(" ")} ended with ${how}${said === "" ? "" : `: ${said}`}`,
    "run the same command by hand to see the whole of it",
  );
}

export function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0] ?? "";
}

function tooMuchOutput(program: string, limit: number): HostRefusal {
  return hostRefusal(
    "too-much-output",
    `${program} wrote more than ${limit} bytes`,
    "something is unusually large: look at its output by hand",
  );
}

function timedOut(program: string, limit: number): HostRefusal {
  return hostRefusal(
    "program-timed-out",
    `${program} did not end within ${limit / 1000} s`,
    "see whether it waits for a lock (another firewall tool running), and try again",
  );
}

function cannotStart(program: string, error: Error): HostRefusal {
  return hostRefusal(
    "program-failed",
    `${program} could not be started: ${error.message}`,
    "see whether it is executable",
  );
}
