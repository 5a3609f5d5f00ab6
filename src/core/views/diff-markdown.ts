/** Where two ways part, and what ended otherwise in two recordings, as Markdown. */
import type { Explained } from "../diagnosis/diagnose.ts";
import { type JourneyDiff, namespacesOf, type Side, stepSays } from "../diagnosis/journey-diff.ts";
import type { KindDiff, RecordingDiff } from "../diagnosis/recording-diff.ts";
import { chainName } from "../diagnosis/rule-words.ts";
import type { Step } from "../journeys/journey.ts";
import {
  account,
  commonWords,
  ends,
  endWords,
  journeysWords,
  kindWords,
  partingWords,
  reasonWords,
} from "./diff-words.ts";
import { codeSpan, escapeText } from "./markdown.ts";
import { interfaceWords, packetWords } from "./words.ts";

/** A ticket has more room than a screen, and no room for every kind of a busy host. */
const MOST_KINDS = 50;

/**
 * Lines without ends.
 *
 * @param names how the two are called on the command line: `before.log#3`
 */
export function markdownJourneyDiff(
  diff: JourneyDiff,
  names: { readonly a: string; readonly b: string },
): readonly string[] {
  const { a, b } = diff.first;
  const lines = [
    `### ${codeSpan(names.a)} and ${codeSpan(names.b)}`,
    "",
    "| | A | B |",
    "|---|---|---|",
    row("packet", escapeText(packetOf(diff.a)), escapeText(packetOf(diff.b))),
    ...diff.packet.map(({ field, a, b }) => row(escapeText(field), escapeText(a), escapeText(b))),
    row(
      "end",
      `**${escapeText(endWords(diff.a, diff.rest.a))}**`,
      `**${escapeText(endWords(diff.b, diff.rest.b))}**`,
    ),
    "",
  ];
  for (const words of commonWords(diff)) lines.push(`- ${escapeText(words)}`);
  lines.push(`- **${escapeText(partingWords(diff) ?? "their ways are the same, rule by rule")}**`);
  if (a !== null) lines.push(`  - A: ${stepText(a, diff)}`);
  if (b !== null) lines.push(`  - B: ${stepText(b, diff)}`);
  for (const reason of diff.reasons) {
    lines.push(`- ${escapeText(reasonWords(reason))}`);
    for (const { match, holds, words } of reason.answers)
      lines.push(`  - ${holds}: ${codeSpan(match.text)}, ${escapeText(words)}`);
  }
  return [...lines, ""];
}

/** Lines without ends. */
export function markdownRecordingDiff(
  diff: RecordingDiff,
  names: { readonly a: string; readonly b: string },
): readonly string[] {
  const kinds = diff.differing.slice(0, MOST_KINDS);
  const head = (side: Side, name: string, journeys: number) =>
    `${side}: ${codeSpan(name)}, ${journeysWords(journeys)}`;
  return [
    `### ${codeSpan(names.a)} and ${codeSpan(names.b)}`,
    "",
    `${head("A", names.a, diff.journeysA)}; ${head("B", names.b, diff.journeysB)}.`,
    "",
    ...(kinds.length === 0 ? [] : ["| packets | A | B |", "|---|---|---|", ...kinds.map(kindRow), ""]),
    `${account(diff, kinds.length)}.`,
    "",
  ];
}

function kindRow(kind: KindDiff): string {
  return row(escapeText(kindWords(kind)), escapeText(ends(kind.a)), escapeText(ends(kind.b)));
}

function packetOf(explained: Explained): string {
  const { journey } = explained;
  const packet = journey.first?.packet ?? null;
  const who = packet === null ? ["no headers were shown"] : packetWords(packet, "→").slice(0, 2);
  const namespaces = namespacesOf(explained);
  const where = namespaces === null ? "" : `netns ${namespaces}`;
  return [...who, interfaceWords(journey, "⇒"), where].filter((words) => words !== "").join(", ");
}

/** In the chain that both are in, or with its own. */
function stepText(step: Step, { isInOneChain }: JourneyDiff): string {
  const says = codeSpan(stepSays(step));
  return isInOneChain ? says : `${escapeText(chainName(step))} ${says}`;
}

function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
