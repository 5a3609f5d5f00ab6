/**
 * The experiment itself: an echo server in the container, and a sender in the trigger whose datagrams are each too
 * long for one frame.
 */
import { fileURLToPath } from "node:url";

import { ok, type Result, refused } from "../core/base/result.ts";
import { firstLine, type RunningProcess, runSuccessfully, startProcess } from "../linux/process.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";
import { ECHO_PORT, FORWARDER_ADDRESS, type LabHost, PAYLOADS, TRIGGER_PORT } from "./docker-topology.ts";

/** For starting Node on a busy machine. */
const START_MS = 10_000;

export interface ExchangeOptions {
  /** Bytes of payload of each datagram; the article's three unless told otherwise. */
  readonly payloads?: readonly number[];
  /** How long to wait for each echo. */
  readonly waitMs?: number;
}

export interface Echo {
  /** Bytes of payload sent. */
  readonly sent: number;
  /** Bytes of payload that came back; null when nothing did. */
  readonly received: number | null;
  /** What came back is what was sent. */
  readonly isSame: boolean;
  readonly milliseconds: number;
}

export interface Exchange {
  readonly echoes: readonly Echo[];
}

/** @param namespaces the lab's, by host */
export async function runExchange(
  namespaces: Readonly<Record<LabHost, string>>,
  { payloads = PAYLOADS, waitMs = 2_000 }: ExchangeOptions = {},
): Promise<Result<Exchange, HostRefusal>> {
  const server = await startEchoServer(namespaces.container);
  if (!server.ok) return server;
  try {
    const [node, ...args] = senderCommand(payloads, waitMs);
    const sent = await runSuccessfully(node, args, {
      netns: namespaces.trigger,
      timeLimitMs: START_MS + payloads.length * waitMs,
    });
    if (!sent.ok) return sent;
    const echoes = sent.value
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Echo);
    return echoes.length === payloads.length
      ? ok({ echoes })
      : refused(hostRefusal("program-failed", "the sender ended before its last datagram", "try again"));
  } finally {
    server.value.kill("SIGTERM");
    await server.value.exited;
  }
}

/** Resolves when it is listening: a datagram before that would be answered by an ICMP error. */
async function startEchoServer(netns: string): Promise<Result<RunningProcess, HostRefusal>> {
  const [node, ...args] = echoServerCommand();
  const started = startProcess(node, args, { netns });
  if (!started.ok) return started;
  const server = started.value;
  let complaint = "";
  server.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString("utf8");
  });
  const isListening = await Promise.race([
    new Promise<true>((resolve) => server.stdout.once("data", () => resolve(true))),
    server.exited.then(() => false),
  ]);
  if (isListening) return started;
  return refused(
    hostRefusal(
      "program-failed",
      `the echo server ended at once: ${firstLine(complaint)}`,
      "build nfpath again",
    ),
  );
}

/** For people who do the experiment by hand in a lab that is kept. */
export function echoServerCommand(): readonly [program: string, ...args: string[]] {
  return [process.execPath, entryFile("echo-server"), String(ECHO_PORT)];
}

/** For people who do the experiment by hand in a lab that is kept. */
export function senderCommand(
  payloads: readonly number[] = PAYLOADS,
  waitMs = 2_000,
): readonly [program: string, ...args: string[]] {
  return [
    process.execPath,
    entryFile("sender"),
    ...[TRIGGER_PORT, FORWARDER_ADDRESS, ECHO_PORT, waitMs, ...payloads].map(String),
  ];
}

/** The built program: tests run from the sources, which Node 20 cannot start by itself. */
function entryFile(name: string): string {
  const isBuilt = import.meta.url.endsWith(".js");
  return fileURLToPath(new URL(isBuilt ? `./${name}.js` : `../../dist/lab/${name}.js`, import.meta.url));
}
