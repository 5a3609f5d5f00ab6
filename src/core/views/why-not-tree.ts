/** Why a rule did not match a packet, condition by condition. */
import type { Explained } from "../diagnosis/diagnose.ts";
import type { WhyNot } from "../diagnosis/why-not.ts";
import type { Holds, MatchAnswer } from "../rulesets/match/answer.ts";
import type { TargetRule } from "../rulesets/rule-target.ts";
import { type Line, pad, type Style, span, widthOf, wrap } from "./styled.ts";
import type { Glyphs, TreeOptions } from "./tree.ts";
import { interfaceWords, packetWords } from "./words.ts";

const INDENT = 3;
const USUAL_COLUMNS = 100;
const MOST_LEADING = 4;

export function describeWhyNot(
  explained: Explained,
  why: WhyNot | null,
  options: TreeOptions,
): readonly Line[] {
  const { journey } = explained;
  const columns = Number.isFinite(options.columns) ? options.columns : USUAL_COLUMNS;
  const { glyphs } = options;
  const packet = journey.first?.packet ?? null;
  const who = packet === null ? "no headers were shown" : packetWords(packet, glyphs.arrow).join("  ");
  const head = wrap(`${who}  ${interfaceWords(journey, glyphs.doubleArrow)}`, columns - INDENT);
  const lines: Line[] = head.map((text, at) => [
    span(at === 0 ? pad(`${journey.id} `, INDENT) : " ".repeat(INDENT), "strong"),
    span(text, at === 0 ? "strong" : "plain"),
  ]);
  if (why === null) {
    const text = "the rule is of another family or namespace than this packet";
    return [...lines, [span(" ".repeat(INDENT)), span(text, "dim")], []];
  }
  return [...lines, ...describeFate(why, columns, glyphs, INDENT), []];
}

function describeFate(why: WhyNot, columns: number, glyphs: Glyphs, indent: number): readonly Line[] {
  const style: Style = why.fate === "matched" ? "good" : why.fate === "not-known" ? "doubtful" : "plain";
  const lines = [
    ...paragraph(`${targetName(why.target)}   ${why.target.rule.short}`, columns, "rule", indent),
    ...paragraph(why.words, columns, style, indent),
  ];
  // What a rule asks that never saw the packet helps where it is the rule that was asked about.
  const isAsked = why.fate !== "elsewhere" || indent === INDENT;
  if (isAsked) lines.push(...describeAnswers(why.answers, columns, glyphs, indent));
  for (const lead of why.leading.slice(0, MOST_LEADING))
    lines.push(...describeFate(lead, columns, glyphs, indent + INDENT));
  const more = why.leading.length - MOST_LEADING;
  if (more > 0) lines.push(...paragraph(`and ${more} more`, columns, "dim", indent + INDENT));
  return lines;
}

/** `filter:FORWARD rule 4`, `inet fw forward rule 3 (handle 7)` */
export function targetName({ table, chain, rule, ruleset }: TargetRule): string {
  const isIptables = ruleset.format !== "nft-json" && ruleset.format !== "nft-text";
  const where = isIptables ? `${table.name}:${chain.name}` : `${table.family} ${table.name} ${chain.name}`;
  const handle = rule.handle === null ? "" : ` (handle ${rule.handle})`;
  return `${where} rule ${rule.number ?? "?"}${handle}`;
}

function paragraph(text: string, columns: number, style: Style, indent: number): readonly Line[] {
  return wrap(text, Math.max(24, columns - indent - 2)).map((row, at) => [
    span(" ".repeat(at === 0 ? indent : indent + 2)),
    span(row, style),
  ]);
}

const MOST_CONDITION_COLUMNS = 34;

export function describeAnswers(
  answers: readonly MatchAnswer[],
  columns: number,
  glyphs: Glyphs,
  indent = INDENT,
): readonly Line[] {
  const shown = answers.filter(({ match }) => match.kind !== "comment");
  const width =
    Math.min(MOST_CONDITION_COLUMNS, Math.max(0, ...shown.map(({ match }) => widthOf(match.text)))) + 2;
  return shown.flatMap(({ match, holds, words }) => {
    const [glyph, style] = LOOKS[holds](glyphs);
    const left = indent + widthOf(glyph) + 1 + width;
    const isLong = widthOf(match.text) > MOST_CONDITION_COLUMNS;
    const rows = wrap(`${words}${holds === "not-known" ? " (not known)" : ""}`, Math.max(20, columns - left));
    const lines: Line[] = [];
    const head = [span(`${" ".repeat(indent)}${glyph} `, style), span(pad(match.text, width))];
    if (isLong) lines.push(head);
    for (const [at, row] of rows.entries())
      lines.push([...(at === 0 && !isLong ? head : [span(" ".repeat(left))]), span(row, style)]);
    return lines;
  });
}

const LOOKS: Readonly<Record<Holds, (glyphs: Glyphs) => readonly [string, Style]>> = {
  matched: (glyphs) => [glyphs.good, "good"],
  failed: (glyphs) => [glyphs.bad, "bad"],
  "not-known": (glyphs) => [glyphs.doubtful, "doubtful"],
};
