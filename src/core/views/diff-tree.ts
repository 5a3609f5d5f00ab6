/** Where two ways part, on one screen: what differs between the packets, what is common, the first difference, the ends. */
import { isIptablesText } from "../diagnosis/commands.ts";
import type { Explained } from "../diagnosis/diagnose.ts";
import {
  type JourneyDiff,
  namespacesOf,
  type Reason,
  type Side,
  stepSays,
} from "../diagnosis/journey-diff.ts";
import { lastPartOf } from "../diagnosis/parts.ts";
import type { ComparedBy, End, KindDiff, RecordingDiff } from "../diagnosis/recording-diff.ts";
import { chainName, ruleName } from "../diagnosis/rule-words.ts";
import type { Step } from "../journeys/journey.ts";
import { type Line, pad, type Style, span, widthOf, wrap } from "./styled.ts";
import { type Glyphs, outcomeLook, type TreeOptions } from "./tree.ts";
import { describeAnswers } from "./why-not-tree.ts";
import { interfaceWords, outcomeWords, packetWords } from "./words.ts";

const INDENT = 3;
const USUAL_COLUMNS = 100;
const MOST_RULE_ROWS = 2;
const MOST_FIELDS = 5;

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
function describeCommon({ common, natAskedOf }: JourneyDiff, columns: number): readonly Line[] {
  const lines: Line[] = [];
  if (common.length > 0) {
    const steps = common.length === 1 ? "1 step" : `${common.length} steps`;
    lines.push(...text("=", `the same for ${steps}: ${hooksOf(common)}`, columns, "dim", 2));
  }
  if (natAskedOf !== null) {
    const other = natAskedOf === "A" ? "B" : "A";
    const words = `nat's chains were asked for ${natAskedOf} alone: ${other} is a later packet of its connection`;
    lines.push(...text("=", words, columns, "dim", 2));
  }
  return lines;
}

function hooksOf(steps: readonly Step[]): string {
  const hooks: { hook: string; tables: string[] }[] = [];
  for (const step of steps) {
    const hook = step.hook?.toUpperCase() ?? "?";
    const { tracer, family, table } = step.event;
    const name = tracer === "xtables" || isIptablesText(step) ? table : `${family} ${table}`;
    const last = hooks.at(-1);
    if (last?.hook !== hook) hooks.push({ hook, tables: [name] });
    else if (!last.tables.includes(name)) last.tables.push(name);
  }
  return hooks.map(({ hook, tables }) => `${hook} ${tables.join(", ")}`).join("; ");
}

function describeParting(diff: JourneyDiff, columns: number, glyphs: Glyphs): readonly Line[] {
  const { a, b } = diff.first;
  if (a === null && b === null)
    return [...text("", "their ways are the same, rule by rule", columns, "good", 0), []];
  const [placeA, placeB] = [a === null ? null : placeOf(a, diff.a), b === null ? null : placeOf(b, diff.b)];
  const together = diff.isInOneChain ? `they part in ${placeA}` : parted(placeA, placeB);
  const lines = [...text("", together, columns, "strong", 0)];
  if (a !== null) lines.push(...describeStep("A", a, diff.isInOneChain, columns));
  if (b !== null) lines.push(...describeStep("B", b, diff.isInOneChain, columns));
  for (const reason of diff.reasons) lines.push(...describeReason(reason, columns, glyphs));
  return [...lines, []];
}

/** With its namespace where the packet went through several. */
function placeOf(step: Step, { parts }: Explained): string {
  const where = parts.length === 0 ? "" : ` in ${step.event.netns ?? "the first namespace"}`;
  return `${step.hook?.toUpperCase() ?? "?"}, ${chainName(step)}${where}`;
}

function parted(a: string | null, b: string | null): string {
  if (a === null) return `A's way ends here; B goes on to ${b}`;
  if (b === null) return `B's way ends here; A goes on to ${a}`;
  return `they part here: A comes to ${a}, B to ${b}`;
}

function describeStep(side: Side, step: Step, isTogether: boolean, columns: number): readonly Line[] {
  const where = isTogether ? "" : `${chainName(step)} `;
  const style: Style = step.verdict === "drop" || step.verdict === "reject" ? "bad" : "plain";
  const lines = text(side, `${where}${stepSays(step)}`, columns, style, 2);
  // A screen is small, and the rule is whole in the journey itself.
  if (lines.length <= MOST_RULE_ROWS) return lines;
  return [...lines.slice(0, MOST_RULE_ROWS), ...text("", "  …", columns, "dim", 0)];
}

function describeReason(
  { side, step, kind, answers }: Reason,
  columns: number,
  glyphs: Glyphs,
): readonly Line[] {
  const other = side === "A" ? "B" : "A";
  const rule = `${side}'s ${ruleName(step)}`;
  switch (kind) {
    case "failed":
      return [
        ...text("", `${rule} does not match ${other}:`, columns, "plain", 0),
        ...describeAnswers(answers.slice(0, 3), columns, glyphs),
      ];
    case "not-known":
      if (answers.length === 0)
        return text(
          "",
          `why ${rule} did not match ${other} is not known: its text was not given`,
          columns,
          "doubtful",
          0,
        );
      return [
        ...text("", `why ${rule} did not match ${other} is not known:`, columns, "doubtful", 0),
        ...describeAnswers(answers.slice(0, 3), columns, glyphs),
      ];
    case "absent":
      return text("", `${other}'s listing does not have ${rule}`, columns, "note", 0);
    case "holds":
      return text(
        "",
        `${rule} would match ${other} too, as far as it is understood here: something decided before it`,
        columns,
        "doubtful",
        0,
      );
  }
}

function describeEnds(diff: JourneyDiff, columns: number, glyphs: Glyphs): readonly Line[] {
  const end = (side: Side, explained: Explained, rest: readonly Step[]): readonly Line[] => {
    const [glyph, style] = outcomeLook(explained.outcome, glyphs);
    const more =
      rest.length === 0 ? "" : `${rest.length === 1 ? "1 more step" : `${rest.length} more steps`}, `;
    const last = lastPartOf(explained);
    const answer = explained.answer ?? last.answer;
    const answered = answer === null ? "" : `; answered by ${answer.journey}`;
    return text(side, `${glyph} ${more}${outcomeWords(last)}${answered}`, columns, style, 2);
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
    ...text("A", `${names.a}  ${journeys(diff.journeysA)}`, columns, "strong", 2),
    ...text("B", `${names.b}  ${journeys(diff.journeysB)}`, columns, "strong", 2),
  ];
  lines.push([]);
  for (const kind of diff.differing.slice(0, MOST_KINDS)) lines.push(...describeKind(kind, columns));
  lines.push(...text("", account(diff), columns, "plain", 0));
  return lines;
}

const COMPARED: Readonly<Record<ComparedBy, string>> = {
  all: "",
  "without-source": ", from whatever source",
  "without-addresses": ", whatever its addresses",
};

function describeKind({ kind, comparedBy, a, b }: KindDiff, columns: number): readonly Line[] {
  return [
    ...text("", `${kind}${COMPARED[comparedBy]}`, columns, "strong", 2),
    ...text("A", ends(a), columns, "plain", 2),
    ...text("B", ends(b), columns, "plain", 2),
  ];
}

function ends(all: readonly End[]): string {
  return all.map(({ count, words, example }) => `${count} ${words} (${example.journey.id})`).join(", ");
}

function account({ differing, alike, onlyA, onlyB, uncounted }: RecordingDiff): string {
  const more = differing.length - MOST_KINDS;
  const parts: string[] = [];
  if (differing.length === 0) parts.push("no kind of packets that is in both ended otherwise");
  if (more > 0) parts.push(`${more} more kinds ended otherwise`);
  parts.push(`${alike} ${alike === 1 ? "kind" : "kinds"} ended alike`);
  if (onlyA.length > 0) parts.push(`${onlyA.length} only in A`);
  if (onlyB.length > 0) parts.push(`${onlyB.length} only in B`);
  if (uncounted > 0) parts.push(`${uncounted} packets not compared`);
  return parts.join("; ");
}

function journeys(count: number): string {
  return `${count} ${count === 1 ? "journey" : "journeys"}`;
}
