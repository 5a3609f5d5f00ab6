/**
 * `ip route get`, of packets as they come: one process a family, which answers line by line and is started while nfpath may
 * still enter the namespace. It ends when its standard input closes, so also when nfpath is killed. Reads only.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { IpFamily } from "../../core/hosts/host.ts";
import { decodeRouteGet, routeGetWords } from "../../core/hosts/route-get.ts";
import type { RouteQuestion } from "../../core/hosts/route-lookup.ts";
import { type RunningProcess, startProcess } from "../process.ts";

const TIME_LIMIT_MS = 3_000;

export class RouteAsker {
  readonly #families: Readonly<Record<IpFamily, BatchOfIp>>;

  /** Where `ip` is missing or the namespace has gone, no question is answered. */
  constructor(netns: string | null) {
    this.#families = { ip: new BatchOfIp(netns, "-4"), ip6: new BatchOfIp(netns, "-6") };
  }

  /** The kernel's answers, in the order of the questions; null where it gave none. */
  async ask(questions: readonly RouteQuestion[]): Promise<readonly (string | null)[]> {
    const answers: (string | null)[] = questions.map(() => null);
    const askOf = async (family: IpFamily) => {
      const asked = questions.flatMap((question, at) => (question.family === family ? [at] : []));
      const told = await this.#families[family].ask(
        asked.map((at) => routeGetWords(questions[at] as RouteQuestion)),
      );
      for (const [index, at] of asked.entries()) answers[at] = told[index] ?? null;
    };
    await Promise.all([askOf("ip"), askOf("ip6")]);
    return answers;
  }

  async end(): Promise<void> {
    await Promise.all([this.#families.ip.end(), this.#families.ip6.end()]);
  }
}

class BatchOfIp {
  readonly #process: RunningProcess | null;
  #stdout = "";
  #stderr = "";
  #lines = 0;
  /** It has ended, or did not keep up: its later answers could be taken for others. */
  #isOver = false;

  constructor(netns: string | null, family: "-4" | "-6") {
    const started = startProcess("ip", [family, "-j", "-force", "-batch", "-"], { netns });
    this.#process = started.ok ? started.value : null;
    this.#process?.stdout.on("data", (chunk) => {
      this.#stdout += String(chunk);
    });
    this.#process?.stderr.on("data", (chunk) => {
      this.#stderr += String(chunk);
    });
    this.#process?.exited.then(() => {
      this.#isOver = true;
    });
  }

  async ask(lines: readonly string[]): Promise<readonly (string | null)[]> {
    if (this.#process === null || this.#isOver || lines.length === 0) return [];
    const before = this.#lines;
    this.#lines += lines.length;
    this.#process.stdin.write(`${lines.join("\n")}\n`);
    const deadline = performance.now() + TIME_LIMIT_MS;
    while (this.#answered < this.#lines) {
      if (this.#isOver || performance.now() > deadline) {
        this.#isOver = true;
        return [];
      }
      await sleep(2);
    }
    return decodeRouteGet(this.#stdout, this.#stderr, this.#lines).slice(before);
  }

  get #answered(): number {
    return countLines(this.#stdout, /^\[.*\n/gm) + countLines(this.#stderr, /^Command failed -:\d+\n/gm);
  }

  async end(): Promise<void> {
    if (this.#process === null) return;
    this.#process.stdin.end();
    const late = setTimeout(() => this.#process?.kill("SIGKILL"), TIME_LIMIT_MS);
    await this.#process.exited;
    clearTimeout(late);
  }
}

function countLines(text: string, line: RegExp): number {
  return text.match(line)?.length ?? 0;
}
