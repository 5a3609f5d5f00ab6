/** Many journeys as Markdown: the same counts as on the screen, in tables. */
import type { JourneySummary } from "../diagnosis/journey-summary.ts";
import { codeSpan, escapeText } from "./markdown.ts";

const MOST_LISTED = 20;

/** Lines without ends. */
export function markdownSummary(summary: JourneySummary): readonly string[] {
  const lines = [
    `## ${summary.journeys} journeys`,
    "",
    "| outcome | cause | packets | such as |",
    "|---|---|---|---|",
  ];
  for (const { verdict, cause, count, example } of summary.outcomes)
    lines.push(`| ${verdict} | ${cause ?? ""} | ${count} | ${example} |`);
  if (summary.enders.length > 0)
    lines.push("", "| ended by | rule | packets | such as |", "|---|---|---|---|");
  for (const { name, text, count, example } of summary.enders.slice(0, MOST_LISTED)) {
    const rule = text === null ? "" : codeSpan(text).replaceAll("|", "\\|");
    lines.push(`| ${escapeText(name)} | ${rule} | ${count} | ${example} |`);
  }
  lines.push("");
  for (const { to, count, example } of summary.silent.slice(0, MOST_LISTED))
    lines.push(`- no reply from ${escapeText(to)}: ${count} packets, such as ${example}`);
  for (const { kind, journeys, remedy } of summary.gaps)
    lines.push(`- gap (${kind}): ${journeys} journeys were under way; ${escapeText(remedy)}`);
  return [...lines, ""];
}
