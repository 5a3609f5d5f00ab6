/** One actor in one namespace: started, told what to do, ended. */
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ok, type Result, refused } from "../core/base/result.ts";
import { firstLine, type RunningProcess, startProcess } from "../linux/process.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";
import type { ActorCommand } from "./actor-words.ts";

export class Actor {
  readonly #process: RunningProcess;
  readonly #answers: AsyncIterator<string>;
  #complaint = "";

  private constructor(process: RunningProcess) {
    this.#process = process;
    this.#answers = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
    process.stderr.on("data", (chunk: Buffer) => {
      this.#complaint += chunk.toString("utf8");
    });
  }

  static start(netns: string): Result<Actor, HostRefusal> {
    const started = startProcess(process.execPath, [entryFile()], { netns, env: { NODE_OPTIONS: "" } });
    return started.ok ? ok(new Actor(started.value)) : started;
  }

  async tell<Answer>(command: ActorCommand): Promise<Result<Answer, HostRefusal>> {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    const answer = await this.#answers.next();
    if (answer.done !== true) return ok(JSON.parse(answer.value) as Answer);
    return refused(
      hostRefusal(
        "program-failed",
        `the lab's actor ended when told to ${command.do}: ${firstLine(this.#complaint)}`,
        "build nfpath again",
      ),
    );
  }

  async end(): Promise<void> {
    this.#process.stdin.end();
    await this.#process.exited;
  }
}

/** The built program: tests run from the sources, which Node 20 cannot start by itself. */
function entryFile(): string {
  const isBuilt = import.meta.url.endsWith(".js");
  return fileURLToPath(new URL(isBuilt ? "./actor.js" : "../../dist/lab/actor.js", import.meta.url));
}
