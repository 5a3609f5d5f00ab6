/** A journey as Markdown: for the ticket, the mail, the pull request. Host text is escaped, so it cannot become markup. */

import { printable } from "../base/text.ts";
import { formatNanos } from "../base/time.ts";
import type { Explained } from "../diagnosis/diagnose.ts";
import { ruleText } from "../diagnosis/rule-words.ts";
import type { Step } from "../journeys/journey.ts";
import { partWords, relationWords } from "./relation-words.ts";
import { UNICODE } from "./tree.ts";
import { changeWords, interfaceWords, outcomeWords, packetWords } from "./words.ts";

/** Lines without ends. */
export function markdownJourney(explained: Explained): readonly string[] {
  const here = { ...explained, outcome: explained.outcomeHere };
  return [...markdownPart(here), ...explained.parts.flatMap((part) => markdownPart(part))];
}

function markdownPart(explained: Explained): readonly string[] {
  const { journey, findings, answer } = explained;
  const packet = journey.first?.packet ?? null;
  const who = packet === null ? "no headers were shown" : packetWords(packet, "→").join(", ");
  const way = interfaceWords(journey, "⇒");
  const lines = [`### ${journey.id}. ${escapeText(who)}`, ""];
  if (way !== "")
    lines.push(
      `${escapeText(way)}${journey.netns === null ? "" : `, netns ${escapeText(journey.netns)}`}`,
      "",
    );
  lines.push("| hook | table | chain | | rule | verdict | changed |", "|---|---|---|---|---|---|---|");
  for (const step of journey.steps) if (!step.isOwn) lines.push(row(step));
  const answered =
    answer === null
      ? ""
      : ` Answered by ${answer.journey}${answer.afterNanos ? ` after ${formatNanos(answer.afterNanos)}` : ""}.`;
  lines.push("", `**${escapeText(outcomeWords(explained))}**.${answered}`, "");
  if (explained.relations.continues !== null)
    lines.splice(2, 0, `Goes on ${escapeText(partWords(explained))}.`, "");
  for (const words of relationWords(explained)) lines.push(`- ${escapeText(words)}`);
  for (const finding of findings) {
    lines.push(`- **${finding.cause}** (${finding.severity}): ${escapeText(finding.what)}`);
    lines.push(`  - why: ${escapeText(finding.why)}`);
    if (finding.try !== null) lines.push(`  - try: ${codeSpan(finding.try)}`);
    lines.push(`  - wrong if: ${escapeText(finding.wouldBeWrongIf)}`);
  }
  if (findings.length > 0) lines.push("");
  return lines;
}

function row(step: Step): string {
  const { event, resolved } = step;
  const number = step.kind === "rule" ? (resolved.rule?.number ?? event.number ?? event.handle ?? "") : "";
  const text = step.kind === "rule" ? ruleText(step) : null;
  const changes = changeWords(step, ["rule", "conntrack", "routing", "unknown"], UNICODE.arrow).join(", ");
  const cells = [
    step.hook ?? "?",
    codeSpan(event.table),
    codeSpan(event.chain),
    step.kind === "rule" ? String(number) : step.kind,
    text === null ? "" : codeSpan(text),
    step.verdict ?? "",
    escapeText(changes),
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

export function escapeText(text: string): string {
  return printable(text).replace(/[\\`*_{}[\]<>#]/g, "\\$&");
}

/** A code span that its content cannot close: fenced by more backticks than it holds in a row. */
export function codeSpan(text: string): string {
  const safe = printable(text);
  const longest = Math.max(0, ...[...safe.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  const space = safe.startsWith("`") || safe.endsWith("`") ? " " : "";
  return `${fence}${space}${safe}${space}${fence}`;
}
