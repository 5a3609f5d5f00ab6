/** `nfpath lab docker-udp [up|down|run]`. */
import { keepDockerUdp, removeDockerUdp, runDockerUdp } from "../app/lab.ts";
import type { ExitStatus, Refusal } from "../app/refusal.ts";
import type { Backend } from "../lab/requirements.ts";
import type { Format, LabAction } from "./choices.ts";
import { printerFor } from "./formats.ts";
import { stopSignal } from "./interrupt.ts";
import { Output } from "./output.ts";
import { say, sayRefusal } from "./say.ts";
import { liveSummaryLines, liveSummaryObject, Tally } from "./summary.ts";

export interface LabFlags {
  readonly backend: Backend;
  readonly format: Format;
}

export async function labCommand(action: LabAction, flags: LabFlags): Promise<ExitStatus> {
  switch (action) {
    case "run":
      return run(flags);
    case "up":
      return up(flags.backend);
    case "down":
      return down();
  }
}

async function run({ backend, format }: LabFlags): Promise<ExitStatus> {
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
  const removed = await removeDockerUdp();
  if (!removed.ok) return fail(removed.error);
  say(removed.value.length === 0 ? "there is no lab to remove" : `removed ${removed.value.join(", ")}`);
  return 0;
}

function fail(error: Refusal): ExitStatus {
  sayRefusal(error);
  return error.status;
}
