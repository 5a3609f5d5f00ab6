/**
 * Many journeys on one screen of 80 × 24: how they ended, which rules ended most, who did not answer, what is missing, and
 * how to see more. Lists are cut to what fits, and say so.
 */
import { formatNanos, nanosBetween } from "../base/time.ts";
import type { EnderCount, JourneySummary, OutcomeCount } from "../diagnosis/journey-summary.ts";
import { type Line, pad, type Style, span, widthOf } from "./styled.ts";
import { clockWords, type TreeOptions } from "./tree.ts";

const INDENT = 3;
const USUAL_COLUMNS = 100;
const LABEL_COLUMNS = 12;
const COUNT_COLUMNS = 8;
/** Together with the lines that say how to see more, and a prompt, these fill 24 lines. */
const MOST_OUTCOMES = 6;
const MOST_ENDERS = 4;
const MOST_SILENT = 2;
const MOST_GAPS = 1;

/** @param more commands or words that show more, one a line */
export function describeSummary(
  summary: JourneySummary,
  more: readonly string[],
  options: TreeOptions,
): readonly Line[] {
  const columns = Number.isFinite(options.columns) ? options.columns : USUAL_COLUMNS;
  const doubts = [...silent(summary), ...gaps(summary)];
  return [
    head(summary),
    [],
    ...outcomes(summary, columns, options),
    ...enders(summary, columns),
    ...doubts,
    ...(doubts.length === 0 ? [] : [[]]),
    ...more.map((text, at): Line => row(at === 0 ? "see more" : "", "", text, "plain")),
  ].map((line) => cutToWidth(line, columns));
}

function head(summary: JourneySummary): Line {
  const took = nanosBetween(summary.first, summary.last);
  const words: string[] = [];
  if (summary.first !== null) words.push(`from ${clockWords(summary.first)}`);
  if (took !== null && took > 0) words.push(`${formatNanos(took)} long`);
  if (summary.namespaces.length > 0) words.push(`netns ${summary.namespaces.join(", ")}`);
  return [
    span(`${summary.journeys} ${summary.journeys === 1 ? "journey" : "journeys"}`, "strong"),
    span(words.length === 0 ? "" : `  ${words.join("  ")}`),
  ];
}

function outcomes(summary: JourneySummary, columns: number, { glyphs }: TreeOptions): readonly Line[] {
  const shown = summary.outcomes.slice(0, MOST_OUTCOMES);
  const most = shown[0]?.count ?? 1;
  const names = Math.max(...shown.map((outcome) => widthOf(outcomeName(outcome))));
  const barColumns = Math.max(0, Math.min(24, columns - INDENT - names - COUNT_COLUMNS - 30));
  const lines = shown.map((outcome): Line => {
    const share = `${Math.round((100 * outcome.count) / summary.journeys)} %`;
    const bar = glyphs.bar.repeat(Math.max(1, Math.round((barColumns * outcome.count) / most)));
    return [
      span(`${" ".repeat(INDENT)}${pad(outcomeName(outcome), names)}`, styleOf(outcome)),
      span(`${String(outcome.count).padStart(COUNT_COLUMNS)} ${share.padStart(6)}  `),
      span(pad(bar, barColumns + 2), styleOf(outcome)),
      span(`such as ${outcome.example}`, "dim"),
    ];
  });
  const hidden = summary.outcomes.length - shown.length;
  if (hidden > 0) lines.push([span(`${" ".repeat(INDENT)}and ${hidden} more ways to end`, "dim")]);
  return [...lines, []];
}

function outcomeName({ verdict, cause }: OutcomeCount): string {
  return cause === null ? verdict : `${verdict}, ${cause}`;
}

function styleOf({ verdict }: OutcomeCount): Style {
  if (verdict === "dropped" || verdict === "rejected") return "bad";
  return verdict === "vanished" || verdict === "unknown" || verdict === "queued" ? "doubtful" : "good";
}

function enders(summary: JourneySummary, columns: number): readonly Line[] {
  const shown = summary.enders.slice(0, MOST_ENDERS);
  if (shown.length === 0) return [];
  const names = Math.min(36, Math.max(...shown.map(({ name }) => widthOf(name))));
  const lines = shown.map((ender, at) =>
    row(at === 0 ? "ended by" : "", String(ender.count), enderWords(ender, names, columns), "bad"),
  );
  const hidden = summary.enders.length - shown.length;
  if (hidden > 0) {
    const count = summary.enders.slice(MOST_ENDERS).reduce((sum, ender) => sum + ender.count, 0);
    lines.push(row("", String(count + summary.endedByOthers), `by ${hidden} more rules`, "dim"));
  }
  return [...lines, []];
}

function enderWords(ender: EnderCount, names: number, columns: number): string {
  const where = ender.netns === null ? "" : ` in ${ender.netns}`;
  const whose = ender.manager === null ? "" : ` (${ender.manager})`;
  const name = pad(`${ender.name}${where}${whose}`, names);
  const rest = ender.text ?? `first ${ender.packet}`;
  const room = columns - INDENT - LABEL_COLUMNS - COUNT_COLUMNS - widthOf(name) - 4;
  return room < 12 ? name : `${name}  ${rest}`;
}

function silent({ silent, silentTotal }: JourneySummary): readonly Line[] {
  const hidden = silent.length - MOST_SILENT;
  return silent.slice(0, MOST_SILENT).map((one, at, shown) => {
    const more =
      at < shown.length - 1 || hidden <= 0 ? "" : `; ${silentTotal} in all, of ${silent.length} destinations`;
    const text = `to ${one.to}, such as ${one.example}${more}`;
    return row(at === 0 ? "no reply" : "", String(one.count), text, "doubtful");
  });
}

function gaps({ gaps }: JourneySummary): readonly Line[] {
  return gaps.slice(0, MOST_GAPS).map((gap) => {
    const more = gaps.length > MOST_GAPS ? `, and ${gaps.length - MOST_GAPS} more kinds` : "";
    return row(
      "gaps",
      String(gap.journeys),
      `under way in one (${gap.kind}${more}); ${gap.remedy}`,
      "doubtful",
    );
  });
}

function row(label: string, count: string, text: string, style: Style): Line {
  return [
    span(`${" ".repeat(INDENT)}${pad(label, LABEL_COLUMNS)}`, "dim"),
    span(count === "" ? "" : `${count.padStart(COUNT_COLUMNS - 2)}  `),
    span(text, style),
  ];
}

/** A screen has so many columns; what is cut off here is whole in the other formats. */
function cutToWidth(line: Line, columns: number): Line {
  let left = columns;
  const kept = [];
  for (const part of line) {
    const width = widthOf(part.text);
    if (width <= left) {
      kept.push(part);
      left -= width;
      continue;
    }
    let text = part.text;
    while (text !== "" && widthOf(text) > left - 1) text = text.slice(0, -1);
    if (left > 0) kept.push(span(`${text}…`, part.style));
    break;
  }
  return kept;
}
