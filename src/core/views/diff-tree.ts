/** Where two ways part, on one screen: what differs between the packets, what is common, the first difference, the ends. */
import type { Explained } from "../diagnosis/diagnose.ts";
import {
  type JourneyDiff,
  namespacesOf,
  type Reason,
  type Side,
  stepSays,
} from "../diagnosis/journey-diff.ts";
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
import { type Line, pad, type Style, span, widthOf, wrap } from "./styled.ts";
import { type Glyphs, outcomeLook, type TreeOptions } from "./tree.ts";
import { describeAnswers } from "./why-not-tree.ts";
import { interfaceWords, packetWords } from "./words.ts";

const INDENT = 3;
const USUAL_COLUMNS = 100;
const MOST_RULE_ROWS = 2;
const MOST_FIELDS = 5;
const MOST_CONDITIONS = 3;

/** @param names how the two are called on the command line: `before.log#3` */
export function describeJourneyDiff(
  diff: JourneyDiff,
  names: { readonly a: string; readonly b: string },
  options: TreeOptions,
): readonly Line[] {
  const columns = columnsOf(options);
  const { glyphs } = options;
  return [
    ...describePacket("A", names.a, diff.a, columns, glyphs),
    ...describePacket("B", names.b, diff.b, columns, glyphs),
    [],
    ...describeDifferences(diff, columns),
    ...describeCommon(diff, columns),
    ...describeParting(diff, columns, glyphs),
    ...describeEnds(diff, columns, glyphs),
  ];
}

function columnsOf({ columns }: TreeOptions): number {
  return Number.isFinite(columns) ? columns : USUAL_COLUMNS;
}

function describePacket(
  side: Side,
  name: string,
  explained: Explained,
  columns: number,
  glyphs: Glyphs,
): readonly Line[] {
  const { journey } = explained;
  const packet = journey.first?.packet ?? null;
  const who =
    packet === null ? "no headers were shown" : packetWords(packet, glyphs.arrow).slice(0, 2).join("  ");
  const namespaces = namespacesOf(explained);
  const where = namespaces === null ? "" : `  netns ${namespaces}`;
  return text(
    side,
    `${who}  ${interfaceWords(journey, glyphs.doubleArrow)}${where}  (${name})`,
    columns,
    "strong",
    2,
  );
}

function describeDifferences({ packet }: JourneyDiff, columns: number): readonly Line[] {
  if (packet.length === 0) return [];
  const shown = packet.filter(({ field }) => field !== "length" && field !== "ttl").slice(0, MOST_FIELDS);
  if (shown.length === 0) return [];
  const fields = Math.max(...shown.map(({ field }) => widthOf(field))) + 2;
  const ofA = Math.min(
    Math.max(...shown.map(({ a }) => widthOf(a))) + 2,
    Math.floor((columns - fields - INDENT) / 2),
  );
  const lines = shown.map(
    ({ field, a, b }): Line => [
      span(" ".repeat(INDENT)),
      span(pad(field, fields), "dim"),
      span(`A ${pad(a, ofA)}`, "note"),
      span(`B ${b}`, "note"),
    ],
  );
  return [...lines, []];
}

/** The common beginning in a line or two: hooks, and in each the tables. */
function describeCommon(diff: JourneyDiff, columns: number): readonly Line[] {
  return commonWords(diff).flatMap((words) => text("=", words, columns, "dim", 2));
}

function describeParting(diff: JourneyDiff, columns: number, glyphs: Glyphs): readonly Line[] {
  const { a, b } = diff.first;
  const together = partingWords(diff);
  if (together === null)
    return [...text("", "their ways are the same, rule by rule", columns, "good", 0), []];
  const lines = [...text("", together, columns, "strong", 0)];
  if (a !== null) lines.push(...describeStep("A", a, diff.isInOneChain, columns));
  if (b !== null) lines.push(...describeStep("B", b, diff.isInOneChain, columns));
  for (const reason of diff.reasons) lines.push(...describeReason(reason, columns, glyphs));
  return [...lines, []];
}

function describeStep(side: Side, step: Step, isTogether: boolean, columns: number): readonly Line[] {
  const where = isTogether ? "" : `${chainName(step)} `;
  const style: Style = step.verdict === "drop" || step.verdict === "reject" ? "bad" : "plain";
  const lines = text(side, `${where}${stepSays(step)}`, columns, style, 2);
  // A screen is small, and the rule is whole in the journey itself.
  if (lines.length <= MOST_RULE_ROWS) return lines;
  return [...lines.slice(0, MOST_RULE_ROWS), ...text("", "  …", columns, "dim", 0)];
}

function describeReason(reason: Reason, columns: number, glyphs: Glyphs): readonly Line[] {
  return [
    ...text("", reasonWords(reason), columns, REASON_STYLES[reason.kind], 0),
    ...describeAnswers(reason.answers.slice(0, MOST_CONDITIONS), columns, glyphs),
  ];
}

const REASON_STYLES: Readonly<Record<Reason["kind"], Style>> = {
  failed: "plain",
  "not-known": "doubtful",
  absent: "note",
  holds: "doubtful",
};

function describeEnds(diff: JourneyDiff, columns: number, glyphs: Glyphs): readonly Line[] {
  const end = (side: Side, explained: Explained, rest: readonly Step[]): readonly Line[] => {
    const [glyph, style] = outcomeLook(explained.outcome, glyphs);
    return text(side, `${glyph} ${endWords(explained, rest)}`, columns, style, 2);
  };
  return [...end("A", diff.a, diff.rest.a), ...end("B", diff.b, diff.rest.b)];
}

/** A mark in front, and what does not fit goes on below itself. */
function text(mark: string, words: string, columns: number, style: Style, hang: number): readonly Line[] {
  return wrap(words, Math.max(24, columns - INDENT - hang)).map((row, at) => [
    span(at === 0 ? pad(mark, INDENT) : " ".repeat(INDENT + hang), "strong"),
    span(row, style),
  ]);
}

/** The rest of the screen is for where the first of them part. */
const MOST_KINDS = 2;

export function describeRecordingDiff(
  diff: RecordingDiff,
  names: { readonly a: string; readonly b: string },
  options: TreeOptions,
): readonly Line[] {
  const columns = columnsOf(options);
  const lines: Line[] = [
    ...text("A", `${names.a}  ${journeysWords(diff.journeysA)}`, columns, "strong", 2),
    ...text("B", `${names.b}  ${journeysWords(diff.journeysB)}`, columns, "strong", 2),
  ];
  lines.push([]);
  for (const kind of diff.differing.slice(0, MOST_KINDS)) lines.push(...describeKind(kind, columns));
  lines.push(...text("", account(diff, MOST_KINDS), columns, "plain", 0));
  return lines;
}

function describeKind(kind: KindDiff, columns: number): readonly Line[] {
  return [
    ...text("", kindWords(kind), columns, "strong", 2),
    ...text("A", ends(kind.a), columns, "plain", 2),
    ...text("B", ends(kind.b), columns, "plain", 2),
  ];
}
