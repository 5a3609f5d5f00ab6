/**
 * A running `nft -i` that owns our table.
 *
 * The kernel removes a table with `flags owner` when the netlink socket that made it closes, hence when this process ends;
 * its standard input is a pipe from us, so it ends when we do, SIGKILL included. Meanwhile nobody else can delete the
 * table (EPERM), and `flush ruleset` of others passes it over.
 *
 * `nft -i` reads one command a line and reports errors as they come. A listing behind the command tells that it was
 * carried out: it appears on standard output, or its own error on standard error.
 */
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Capability } from "../linux/capabilities.ts";
import { firstLine, type RunningProcess, startProcess } from "../linux/process.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";

export interface NftSession {
  readonly netns: string | null;
  /** Number of the process, whose end is the table's. */
  readonly pid: number;
  /** Makes the table with one command, and makes sure that it is there. Refused, nothing has been made. */
  readonly make: (command: string) => Promise<Result<void, HostRefusal>>;
  /** What `list chain FAMILY TABLE CHAIN` prints; refused when the table has gone. */
  readonly listChain: (chain: string) => Promise<Result<string, HostRefusal>>;
  /** Ends the process, and with it the table. */
  readonly end: () => Promise<void>;
  readonly hasEnded: () => boolean;
  /** Resolves when it has ended, asked or not. */
  readonly gone: Promise<void>;
}

const ANSWER_WAIT_MS = 20_000;
const END_WAIT_MS = 5_000;

/** Starts `nft -i`, which changes nothing yet. `table` with its family: `inet nfpath_…`. */
export function startNftSession(netns: string | null, table: string): Result<NftSession, HostRefusal> {
  const started = startProcess("nft", ["-i"], { netns, rights: rightsOfHolder(netns) });
  if (!started.ok) return started;
  const { pid } = started.value;
  if (pid !== null) return ok(new Session(started.value, pid, netns, table));
  return refused(
    hostRefusal("program-failed", "nft could not be started", "see whether it is executable: nft --version"),
  );
}

/** nft needs the first, `nsenter` before it the others: the namespace of a process is shown to those who may trace it. */
function rightsOfHolder(netns: string | null): readonly Capability[] {
  if (netns === null) return ["CAP_NET_ADMIN"];
  return ["CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"];
}

class Session implements NftSession {
  readonly netns: string | null;
  readonly pid: number;
  readonly gone: Promise<void>;
  readonly #child: RunningProcess;
  readonly #table: string;
  #stdout = "";
  #stderr = "";
  #hasExited = false;
  #wake: () => void = () => {};

  constructor(child: RunningProcess, pid: number, netns: string | null, table: string) {
    this.#child = child;
    this.pid = pid;
    this.netns = netns;
    this.#table = table;
    child.stdout.on("data", (chunk: Buffer) => {
      this.#stdout += chunk.toString("utf8");
      this.#wake();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString("utf8");
      this.#wake();
    });
    this.gone = child.exited.then(() => {
      this.#hasExited = true;
      this.#wake();
    });
  }

  readonly hasEnded = (): boolean => this.#hasExited;

  readonly make = async (command: string): Promise<Result<void, HostRefusal>> => {
    const listing = `list table ${this.#table}`;
    const answer = await this.#ask(`${command}\n${listing}\n`, listing);
    return answer.ok ? ok(undefined) : answer;
  };

  readonly listChain = (chain: string): Promise<Result<string, HostRefusal>> => {
    const listing = `list chain ${this.#table} ${chain}`;
    return this.#ask(`${listing}\n`, listing);
  };

  readonly end = async (): Promise<void> => {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_WAIT_MS);
    await this.#child.exited;
    clearTimeout(timer);
  };

  /** Writes lines of which the last is `listing`, and waits for what it prints or for its failure. */
  async #ask(lines: string, listing: string): Promise<Result<string, HostRefusal>> {
    this.#stdout = "";
    this.#stderr = "";
    this.#child.stdin.write(lines);
    const deadline = performance.now() + ANSWER_WAIT_MS;
    // A listing ends with a brace in the first column; a failed one quotes its command.
    while (!this.#stdout.includes("\n}\n") && !this.#stderr.includes(`\n${listing}\n`) && !this.#hasExited) {
      if (performance.now() > deadline) return refused(this.#silence());
      await this.#news(deadline);
    }
    if (this.#stdout.includes("\n}\n")) return ok(this.#stdout);
    return refused(explainNftError(this.#stderr, this.netns));
  }

  async #news(deadline: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, deadline - performance.now()));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }

  #silence(): HostRefusal {
    return hostRefusal(
      "program-timed-out",
      `nft -i did not answer within ${ANSWER_WAIT_MS / 1000} s`,
      "see whether `nft list tables` answers by hand, and try again",
    );
  }
}

/** What an error text of nft means; the first line of it is kept. */
export function explainNftError(stderr: string, netns: string | null): HostRefusal {
  const said = firstLine(stderr);
  const where = netns === null ? "" : ` in namespace ${netns}`;
  if (/Operation not permitted|must be root/i.test(said)) {
    return hostRefusal(
      "not-permitted",
      `nft may not change rules${where}: ${said}`,
      "run nfpath as root, or with CAP_NET_ADMIN",
    );
  }
  if (/Unable to initialize Netlink|Protocol not supported|Address family not supported/i.test(said)) {
    return hostRefusal(
      "kernel-lacks",
      `this kernel has no nf_tables${where}: ${said}`,
      "load it (modprobe nf_tables), or use a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET",
    );
  }
  const words = underlined(stderr);
  if (words?.text.includes("owner") || /Operation not supported|Invalid argument/i.test(said)) {
    return hostRefusal(
      "kernel-lacks",
      `nf_tables refused our table${where}: ${said}`,
      "Linux 5.12 and nftables 1.0 or later are needed, whose tables can vanish with their owner",
    );
  }
  const at = words === null ? "" : ` (at "${words.text}" in "${words.rule}")`;
  return hostRefusal(
    "program-failed",
    `nft refused the rules that choose the packets${where}: ${said === "" ? "it ended without a word" : said}${at}`,
    "change the filter: this part of it cannot be said in nft's words here",
  );
}

/** nft repeats the command and underlines the words it does not like; the command holds several rules, this is one. */
function underlined(stderr: string): { readonly text: string; readonly rule: string } | null {
  const [, command, underline] = stderr.split("\n");
  const start = underline?.indexOf("^") ?? -1;
  if (command === undefined || underline === undefined || start < 0) return null;
  const end = underline.lastIndexOf("^") + 1;
  const ruleStart = command.lastIndexOf(";", start) + 1;
  const nextRule = command.indexOf(";", end);
  return {
    text: command.slice(start, end),
    rule: command.slice(ruleStart, nextRule < 0 ? undefined : nextRule).trim(),
  };
}
