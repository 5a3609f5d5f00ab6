/** The doctor's report as a person reads it: a line a check, and below those that are not well the cause and the command. */
import type { Answer, DoctorReport } from "../app/doctor/doctor.ts";
import { type Line, pad, type Span, type Style, span, wrap } from "../core/views/styled.ts";
import type { TreeOptions } from "../core/views/tree.ts";

const TITLE_COLUMNS = 19;
const INDENT = 3 + TITLE_COLUMNS;

export function describeReport(report: DoctorReport, options: TreeOptions): readonly Line[] {
  const lines: Line[] = section("this host", report.host, options);
  for (const { netns, answers } of report.namespaces) {
    lines.push(
      [],
      ...section(netns === null ? "the namespace nfpath runs in" : `namespace ${netns}`, answers, options),
    );
  }
  for (const { netns, answers } of report.canaries) {
    const where = netns === null ? "" : `: one datagram over loopback of ${netns}`;
    lines.push([], ...section(`canary${where}`, answers, options));
  }
  return lines;
}

function section(heading: string, answers: readonly Answer[], options: TreeOptions): Line[] {
  return [[span(heading, "strong")], ...answers.flatMap((answer) => describeAnswer(answer, options))];
}

const STYLES: Readonly<Record<Answer["result"]["status"], Style>> = {
  ok: "good",
  warning: "doubtful",
  failed: "bad",
  skipped: "dim",
};

function describeAnswer({ title, result }: Answer, options: TreeOptions): Line[] {
  const style = STYLES[result.status];
  const mark = pad(markOf(result.status, options), 2);
  const columns = Math.max(30, options.columns - INDENT);
  const [first = "", ...rest] = wrap(result.what, columns);
  const lines: Line[] = [
    [
      span(mark, style),
      span(" "),
      span(pad(title, TITLE_COLUMNS)),
      span(first, result.status === "ok" ? "plain" : style),
    ],
    ...rest.map((text) => indented(span(text, result.status === "ok" ? "plain" : style))),
  ];
  if (result.status !== "warning" && result.status !== "failed") return lines;
  for (const text of wrap(result.cause, columns)) lines.push(indented(span(text, "dim")));
  // Commands are not wrapped: they are to be copied whole.
  for (const command of result.mend.commands) lines.push(indented(span("$ ", "dim"), span(command, "note")));
  const { caution } = result.mend;
  if (caution !== null) for (const text of wrap(caution, columns)) lines.push(indented(span(text, "dim")));
  return lines;
}

function markOf(status: Answer["result"]["status"], { glyphs }: TreeOptions): string {
  switch (status) {
    case "ok":
      return glyphs.good;
    case "warning":
      return "!";
    case "failed":
      return glyphs.bad;
    case "skipped":
      return glyphs.doubtful;
  }
}

function indented(...spans: readonly Span[]): Line {
  return [span(" ".repeat(INDENT)), ...spans];
}
