/**
 * A run of `nfpath trace` that a test brings to a stage of its life and then ends in some way, and what is left of it.
 *
 * The product knows nothing of this. The run has a mount namespace of its own, in which a directory of the test's lies over
 * /run/nfpath: its journals are seen, and other runs on this machine are not. An `nft` that waits at a gate comes before the
 * real one on the PATH. Its processes are known by a variable in their environment, which they inherit.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "../../src/linux/programs.ts";
import { journalDirectories } from "../../src/linux/undo/directory.ts";
import { listJournals, type RunProcess, readJournal } from "../../src/linux/undo/journal.ts";
import { undoLeftovers } from "../../src/tracing/leftovers.ts";
import { root } from "./cli.ts";
import { addNetns, shell, stateOf } from "./namespaces.ts";

const MARK = "NFP_TEST_RUN";

/** The real nft behind a gate: it waits while the gate's file is there. */
const GATED_NFT = (real: string) => `#!/bin/sh
case "$*" in -i) gate=table ;; *) gate=rules ;; esac
if [ -e "$NFP_TEST_GATES/$gate" ]; then
  : > "$NFP_TEST_GATES/$gate.reached"
  while [ -e "$NFP_TEST_GATES/$gate" ]; do sleep 0.02; done
fi
exec ${real} "$@"
`;

/** The real iptables-legacy, which waits before it adds or deletes rules of the second chain: the first one's are there. */
const GATED_IPTABLES = (real: string) => `#!/bin/sh
case "$*" in *'-A OUTPUT'*) gate=table ;; *'-D OUTPUT'*) gate=undo ;; *) exec ${real} "$@" ;; esac
if [ -e "$NFP_TEST_GATES/$gate" ]; then
  : > "$NFP_TEST_GATES/$gate.reached"
  while [ -e "$NFP_TEST_GATES/$gate" ]; do sleep 0.02; done
fi
exec ${real} "$@"
`;

/** Rules of both kinds, in both families: all that a trace changes is changed. */
const LEGACY_RULES = "iptables-legacy -A INPUT -p udp -j ACCEPT; ip6tables-legacy -A INPUT -p udp -j ACCEPT";
/** Where rules in raw mark, raw is there before: what becomes of one that is not has a test of its own. */
const RAW_RULES =
  "iptables-legacy -t raw -A PREROUTING -p tcp -j ACCEPT; ip6tables-legacy -t raw -A OUTPUT -p tcp -j ACCEPT";
export const NFT_RULES =
  "nft 'add table ip shop; add chain ip shop in { type filter hook input priority -5; }; add rule ip shop in udp dport 9 drop'";

export interface DoomOptions {
  /** The folder of the built program; default this project's own. */
  readonly program?: string;
  readonly rules?: string;
  /** How packets are marked; default nft. */
  readonly mechanism?: Mechanism;
}

export const MECHANISMS = ["nft", "iptables"] as const;
export type Mechanism = (typeof MECHANISMS)[number];

/** `rules`: before the first change. `table`: in the middle of the marking's. `undo`: in the middle of deleting rules in raw. */
export type Gate = "rules" | "table" | "undo";

export interface TraceRun {
  readonly child: ChildProcess;
  readonly pid: number;
  /** All that it has said on standard error. */
  readonly said: () => string;
  /** Exit status, or the signal's name. */
  readonly ended: Promise<number | string>;
}

let count = 0;

/** A namespace with rules in it, a directory for journals, and gates. */
export class Doom {
  readonly netns: string;
  readonly journals: string;
  readonly mechanism: Mechanism;
  readonly #mark: string;
  readonly #directory: string;
  readonly #program: string;
  #before = "";
  #fd = -1;

  private constructor(program: string, mechanism: Mechanism) {
    this.mechanism = mechanism;
    count++;
    this.netns = `nfpK${process.pid}x${count}`;
    this.#mark = `${this.netns}-${Date.now()}`;
    this.#directory = mkdtempSync(join(tmpdir(), "nfpath-doom-"));
    this.journals = join(this.#directory, "journals");
    this.#program = program;
  }

  static async prepare({ program, rules, mechanism = "nft" }: DoomOptions = {}): Promise<Doom> {
    const doom = new Doom(join(program ?? join(root, "dist"), "cli/main.js"), mechanism);
    mkdirSync("/run/nfpath", { recursive: true });
    for (const name of ["journals", "gates", "bin"]) mkdirSync(join(doom.#directory, name));
    const gated = {
      nft: GATED_NFT(findProgram("nft") ?? "nft"),
      "iptables-legacy": GATED_IPTABLES(findProgram("iptables-legacy") ?? "iptables-legacy"),
    };
    for (const [name, script] of Object.entries(gated))
      writeFileSync(join(doom.#directory, "bin", name), script, { mode: 0o755 });
    await addNetns(doom.netns);
    const raw = mechanism === "iptables" ? `; ${RAW_RULES}` : "";
    await shell(rules ?? `${LEGACY_RULES}; ${NFT_RULES}${raw}`, doom.netns);
    doom.#fd = openSync(`/run/netns/${doom.netns}`, "r");
    doom.#before = await doom.state();
    return doom;
  }

  /** Ends what is left of it, whatever the test came to. */
  async cleanUp(): Promise<void> {
    this.openGates();
    for (const pid of this.processes()) killIfThere(pid);
    closeSync(this.#fd);
    if (existsSync(`/run/netns/${this.netns}`)) await shell(`ip netns delete ${this.netns}`);
    rmSync(this.#directory, { recursive: true });
  }

  /** Runs nfpath with these words; `mount` puts something else over /run/nfpath than the directory of journals. */
  start(words: readonly string[], mount = `mount --bind "${this.journals}" /run/nfpath`): TraceRun {
    const child = spawn(
      "unshare",
      ["-m", "--propagation", "slave", "sh", "-c", `${mount} && exec "$@"`, "sh"].concat(
        [process.execPath, this.#program],
        words,
      ),
      {
        cwd: root,
        detached: true,
        // A shell whose input is a socket takes itself for one of a remote login, and runs what a user has put there.
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          [MARK]: this.#mark,
          NFP_TEST_GATES: join(this.#directory, "gates"),
          PATH: `${join(this.#directory, "bin")}:${process.env.PATH}`,
        },
      },
    );
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    child.stdout.on("error", () => {});
    child.stdout.resume();
    const ended = new Promise<number | string>((resolve) =>
      child.on("exit", (status, signal) => resolve(status ?? signal ?? "")),
    );
    return { child, pid: child.pid ?? 0, said: () => said, ended };
  }

  trace(...words: readonly string[]): TraceRun {
    const how = ["--mechanism", this.mechanism, "--format", "json", "--for", "20s"];
    return this.start(["trace", "udp", "--netns", this.netns, ...how, ...words]);
  }

  /** What `nfpath undo` says. */
  async undo(): Promise<{ readonly status: number | string; readonly text: string }> {
    const run = this.start(["undo"]);
    let text = "";
    run.child.stdout?.on("data", (chunk) => {
      text += chunk;
    });
    return { status: await run.ended, text: text + run.said() };
  }

  /** The same by a function of the product's and in this process, which saves a start of Node. */
  async undoHere(): Promise<{ readonly status: number; readonly text: string }> {
    const { undone, leftRunning, unreadable } = await undoLeftovers([this.journals]);
    const left = [
      ...undone.flatMap(({ report }) => report.failed),
      ...leftRunning.map(({ runId, state }) => `run ${runId} is ${state}`),
      ...unreadable,
    ];
    return { status: left.length > 0 ? 1 : 0, text: left.join("; ") };
  }

  closeGate(gate: Gate): void {
    writeFileSync(this.#gate(gate), "");
  }

  openGates(): void {
    for (const gate of ["rules", "table", "undo"] as const) rmSync(this.#gate(gate), { force: true });
  }

  async reached(gate: Gate): Promise<void> {
    await until(`the gate ${gate}`, () => existsSync(`${this.#gate(gate)}.reached`));
  }

  #gate(gate: Gate): string {
    return join(this.#directory, "gates", gate);
  }

  /** The process of that role in the only journal there is. */
  process(role: RunProcess["role"]): number {
    const [name = ""] = this.journalNames();
    const found = readJournal(join(this.journals, name))?.processes.find((known) => known.role === role);
    if (found === undefined) throw new Error(`no ${role} in ${name}`);
    return found.pid;
  }

  journalNames(): readonly string[] {
    return readdirSync(this.journals).filter((name) => name.endsWith(".json"));
  }

  /** A trace that the test starts without a process of its own keeps its journal where every other does. */
  #journalsOfThisProcess(): readonly string[] {
    return listJournals(journalDirectories())
      .runs.filter(({ journal }) => journal.namespaces.some(({ netns }) => netns === this.netns))
      .map(({ path }) => path);
  }

  /** Of runs of this doom that have not ended. */
  processes(): readonly number[] {
    return readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry))
      .filter((pid) => readIfThere(`/proc/${pid}/environ`).includes(`${MARK}=${this.#mark}\0`))
      .map(Number);
  }

  /** Rules and settings, also when the namespace has lost its name. */
  state(): Promise<string> {
    return stateOf(`/proc/${process.pid}/fd/${this.#fd}`);
  }

  /** What is not as it was, in words; empty when nothing is left of any run. */
  async differences(): Promise<readonly string[]> {
    const differences: string[] = [];
    await until("its processes end", () => this.processes().length === 0, 20).catch(() =>
      differences.push(`processes left:\n${this.processes().map(commandLine).join("\n")}`),
    );
    const journals = [...this.journalNames(), ...this.#journalsOfThisProcess()];
    if (journals.length > 0) differences.push(`journals left: ${journals.join(", ")}`);
    const after = await this.state();
    if (after !== this.#before) differences.push(`was:\n${this.#before}\nis:\n${after}`);
    return differences;
  }

  async hasChanged(): Promise<boolean> {
    return (await this.state()) !== this.#before;
  }
}

export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  everyMs = 5,
): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await sleep(everyMs);
  }
}

export function killIfThere(pid: number, signal: NodeJS.Signals = "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ESRCH") throw error;
  }
}

function commandLine(pid: number): string {
  return `${pid} ${readIfThere(`/proc/${pid}/cmdline`).replaceAll("\0", " ")}`;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It has ended meanwhile, or is the kernel's.
    return "";
  }
}
