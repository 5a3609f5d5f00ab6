/** `nfpath lab`: what labs there are, and the first of them, docker-udp. */
import { keepDockerUdp, removeKeptLabs, runDockerUdp } from "../app/lab.ts";
import { type ExitStatus, type Refusal, refusal } from "../app/refusal.ts";
import type { Backend } from "../lab/requirements.ts";
import type { Variant } from "../lab/scenarios/scenario.ts";
import type { Format } from "./choices.ts";
import { printerFor } from "./formats.ts";
import { stopSignal } from "./interrupt.ts";
import { labListLines, labListObject } from "./lab-list.ts";
import { runScenarioLab, scenarioUp } from "./lab-scenario.ts";
import { chooseVariant, DOCKER_UDP, readLabWords } from "./lab-words.ts";
import { Output } from "./output.ts";
import { say, sayRefusal } from "./say.ts";
import { liveSummaryLines, liveSummaryObject, Tally } from "./summary.ts";

export interface LabFlags {
  readonly backend?: Variant;
  readonly format: Format;
}

export async function labCommand(words: readonly string[], flags: LabFlags): Promise<ExitStatus> {
  const read = readLabWords(words);
  if (!read.ok) return fail(read.error);
  const request = read.value;
  if (request.kind === "list") return list(flags.format);
  if (request.action === "down") return down();
  if (request.kind === "docker-udp") return dockerUdp(request.action, flags);
  const variant = chooseVariant(request.scenario, flags.backend);
  if (!variant.ok) return fail(variant.error);
  return request.action === "up"
    ? scenarioUp(request.scenario, variant.value)
    : runScenarioLab(request.scenario, variant.value, flags.format);
}

async function list(format: Format): Promise<ExitStatus> {
  const output = new Output(process.stdout);
  if (format === "json" || format === "jsonl")
    for (const one of labListObject()) await output.write(`${JSON.stringify(one)}\n`);
  else for (const line of labListLines()) await output.write(`${line}\n`);
  return 0;
}

async function dockerUdp(
  action: "run" | "up",
  { backend = "legacy", format }: LabFlags,
): Promise<ExitStatus> {
  if (backend === "mixed" || backend === "none")
    return fail(refusal(2, `lab: ${DOCKER_UDP} has no ${backend} rules`, "--backend legacy or nft"));
  return action === "up" ? up(backend) : run({ backend, format });
}

async function run({
  backend,
  format,
}: {
  readonly backend: Backend;
  readonly format: Format;
}): Promise<ExitStatus> {
  const output = new Output(process.stdout);
  const printer = printerFor(format, output);
  const tally = new Tally();
  const stop = stopSignal(output);
  await printer.begin();
  const done = await runDockerUdp(
    {
      backend,
      signal: stop.signal,
      onUp: (lab) => say(`built the lab (${backend}): ${Object.values(lab.namespaces).join(", ")}`),
      onArmed: () => say("tracing all UDP in the forwarder while three datagrams are sent and echoed"),
    },
    async (explained) => {
      tally.count(explained, true);
      await printer.journey(explained);
    },
  );
  stop.release();
  if (!done.ok) return fail(done.error);
  const { live, exchange } = done.value;
  await printer.end({ ...liveSummaryObject(tally, live), exchange: exchange.echoes });
  if (output.isClosed) return 0;
  for (const { sent, received, isSame } of exchange.echoes) {
    say(
      received === null
        ? `${sent} bytes sent, no echo`
        : `${sent} bytes sent, ${received} came back${isSame ? "" : ", changed"}`,
    );
  }
  for (const line of liveSummaryLines(tally, live)) say(line);
  say("the lab is removed");
  return live.notRestored === null ? 0 : live.notRestored.status;
}

async function up(backend: Backend): Promise<ExitStatus> {
  const lab = await keepDockerUdp(backend);
  if (!lab.ok) return fail(lab.error);
  const { trigger, forwarder, container } = lab.value.namespaces;
  for (const note of lab.value.notes) say(note);
  say("the lab is up; remove it with: nfpath lab docker-udp down");
  say(`trace it with: nfpath trace udp --netns ${forwarder}`);
  process.stdout.write(`${JSON.stringify({ trigger, forwarder, container })}\n`);
  return 0;
}

async function down(): Promise<ExitStatus> {
  const removed = await removeKeptLabs();
  if (!removed.ok) return fail(removed.error);
  say(removed.value.length === 0 ? "there is no lab to remove" : `removed ${removed.value.join(", ")}`);
  return 0;
}

function fail(error: Refusal): ExitStatus {
  sayRefusal(error);
  return error.status;
}
