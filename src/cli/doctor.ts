/** `nfpath doctor`: will a trace work here, and what to do where it will not. */
import type { Answer, CanaryPlace, DoctorReport } from "../app/doctor/doctor.ts";
import type { ExitStatus } from "../app/refusal.ts";
import type { DoctorFormat } from "./choices.ts";
import { describeReport } from "./doctor-lines.ts";
import { stopSignal } from "./interrupt.ts";
import { Output } from "./output.ts";
import { painter, wantsColour } from "./paint.ts";
import { say, sayRefusal } from "./say.ts";
import { columnsOf, glyphsFor } from "./terminal.ts";

export interface DoctorFlags {
  readonly netns: readonly string[];
  readonly canary: CanaryPlace;
  readonly format: DoctorFormat;
}

export async function doctorCommand(flags: DoctorFlags): Promise<ExitStatus> {
  if (process.platform !== "linux") {
    return refuse(3, `live traces need Linux; this is ${process.platform}`, "run it on the host in question");
  }
  if (flags.canary === "here" && flags.netns.length === 0) {
    return refuse(2, "--canary here sends a packet in a namespace that is named", "add --netns NAME");
  }
  const output = new Output(process.stdout);
  const stop = stopSignal(output);
  // Loaded behind the question for Linux: it calls the C library.
  const { examine } = await import("../app/doctor/doctor.ts");
  const netns = flags.netns.length === 0 ? [null] : flags.netns;
  const report = await examine({ netns, canary: flags.canary, signal: stop.signal });
  stop.release();
  if (!report.ok) {
    sayRefusal(report.error);
    return report.error.status;
  }
  await output.write(flags.format === "json" ? jsonOf(report.value) : treeOf(report.value, output));
  if (!output.isClosed) say(verdictOf(report.value));
  return report.value.willWork ? 0 : 3;
}

function refuse(status: 2 | 3, message: string, hint: string): ExitStatus {
  sayRefusal({ status, message, hint });
  return status;
}

function treeOf(report: DoctorReport, output: Output): string {
  const paint = painter(wantsColour(output.stream, process.env));
  const options = { columns: columnsOf(output.stream), glyphs: glyphsFor(process.env) };
  return `${describeReport(report, options).map(paint).join("\n")}\n`;
}

function jsonOf({ host, namespaces, canaries, willWork }: DoctorReport): string {
  const document = {
    schema: "nfpath/doctor@1",
    willWork,
    host: host.map(answerObject),
    namespaces: namespaces.map(({ netns, answers }) => ({ netns, checks: answers.map(answerObject) })),
    canaries: canaries.map(({ netns, answers }) => ({ netns, checks: answers.map(answerObject) })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Every check has the same fields, so that a program need not ask which it has. */
function answerObject({ id, title, result }: Answer): object {
  const isIll = result.status === "warning" || result.status === "failed";
  return {
    id,
    title,
    status: result.status,
    what: result.what,
    cause: isIll ? result.cause : null,
    mend: isIll ? result.mend.commands : [],
    caution: isIll ? result.mend.caution : null,
  };
}

function verdictOf({ host, namespaces, canaries, willWork }: DoctorReport): string {
  const answers = [...host, ...[...namespaces, ...canaries].flatMap((report) => report.answers)];
  const count = (status: Answer["result"]["status"]): number =>
    answers.filter(({ result }) => result.status === status).length;
  const counts = `${count("failed")} failed, warnings: ${count("warning")}, not known: ${count("skipped")}`;
  return `${willWork ? "a trace will work here" : "a trace will not work here"}: ${counts}`;
}
