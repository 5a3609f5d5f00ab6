/**
 * A journey as a person reads it: who, what, where; a line a step with the rule's own words; what changed; what became of
 * it; why.
 */
import { formatNanos, formatTime, nanosBetween, type Time } from "../base/time.ts";
import { isIptablesText } from "../diagnosis/commands.ts";
import type { Explained } from "../diagnosis/diagnose.ts";
import type { Finding, Severity } from "../diagnosis/finding.ts";
import type { Outcome } from "../diagnosis/outcome.ts";
import type { RoutingNote } from "../diagnosis/routing.ts";
import { disagreementWords, routingWords } from "../diagnosis/routing-words.ts";
import { ruleText } from "../diagnosis/rule-words.ts";
import type { Besides } from "../journeys/besides.ts";
import type { Journey, Step } from "../journeys/journey.ts";
import { dropWords, wireWords } from "./beside-words.ts";
import { partWords, relationWords } from "./relation-words.ts";
import { type Line, pad, type Span, type Style, span, widthOf, wrap } from "./styled.ts";
import { changeWords, interfaceWords, outcomeWords, packetWords } from "./words.ts";

export interface TreeOptions {
  /** Columns to fit; `Infinity` for a pipe. */
  readonly columns: number;
  readonly glyphs: Glyphs;
}

export interface Glyphs {
  /** Characters of our own words that are to be spelled otherwise. Text from the host stays as it is. */
  readonly spelling: ReadonlyMap<string, string>;
  readonly arrow: string;
  readonly doubleArrow: string;
  /** What comes back. */
  readonly backArrow: string;
  readonly branch: string;
  readonly bar: string;
  readonly good: string;
  readonly bad: string;
  readonly doubtful: string;
  readonly note: string;
}

export const UNICODE: Glyphs = {
  spelling: new Map(),
  arrow: "→",
  doubleArrow: "⇒",
  backArrow: "←",
  branch: "└",
  bar: "█",
  good: "✔",
  bad: "✘",
  doubtful: "?",
  note: "ⓘ",
};

export const ASCII: Glyphs = {
  spelling: new Map([["µ", "u"]]),
  arrow: "->",
  doubleArrow: "=>",
  backArrow: "<-",
  branch: "`-",
  bar: "#",
  good: "ok",
  bad: "!!",
  doubtful: "??",
  note: "i",
};

const INDENT = 3;
const HOOK_COLUMNS = 13;
const MOST_LABEL_COLUMNS = 24;
const CAUSE_COLUMNS = 20;

export function describeJourney(explained: Explained, options: TreeOptions): readonly Line[] {
  const { journey } = explained;
  const lines = [
    ...describeHead(journey, options),
    [],
    ...describeSteps(explained, options),
    ...describeLogs(journey, options),
    ...describeBesides(explained.besides, options),
    ...describeOutcome({ ...explained, outcome: explained.outcomeHere }, options),
    ...describeRelations(explained, options),
    ...describeFindings(explained, options),
    [],
    ...explained.parts.flatMap((part) => describePart(part, options)),
  ];
  const { spelling } = options.glyphs;
  return spelling.size === 0 ? lines : lines.map((line) => line.map((part) => spell(part, spelling)));
}

/** The same packet in another namespace, below what happened before. */
function describePart(part: Explained, options: TreeOptions): readonly Line[] {
  return [
    ...wrap(partWords(part), options.columns - INDENT).map(
      (text): Line => [span(" ".repeat(INDENT)), span(text, "strong")],
    ),
    [],
    ...describeSteps(part, options),
    ...describeLogs(part.journey, options),
    ...describeBesides(part.besides, options),
    ...describeOutcome(part, options),
    ...describeRelations(part, options),
    ...describeFindings(part, options),
    [],
  ];
}

function describeRelations(explained: Explained, { columns }: TreeOptions): readonly Line[] {
  return relationWords(explained).flatMap((words) =>
    wrap(words, columns - INDENT).map((text): Line => [span(" ".repeat(INDENT)), span(text, "note")]),
  );
}

export function spell({ text, style }: Span, spelling: Glyphs["spelling"]): Span {
  return { text: text.replace(/µ/g, (character) => spelling.get(character) ?? character), style };
}

function describeHead(journey: Journey, { columns, glyphs }: TreeOptions): readonly Line[] {
  const packet = journey.first?.packet ?? null;
  const segments = packet === null ? ["no headers were shown"] : [...packetWords(packet, glyphs.arrow)];
  const interfaces = interfaceWords(journey, glyphs.doubleArrow);
  if (interfaces !== "") segments.push(interfaces);
  if (journey.netns !== null) segments.push(`netns ${journey.netns}`);
  const took = nanosBetween(journey.firstTime, journey.lastTime);
  // Events of one read from the kernel share their time of arrival.
  if (took !== null && took > 0) segments.push(formatNanos(took));
  if (journey.firstTime !== null) segments.push(clockWords(journey.firstTime));
  const [who = "", ...rest] = segments;
  const lines: Line[] = [];
  let line = [span(pad(journey.id, INDENT), "strong"), span(who, "strong")];
  let used = INDENT + widthOf(who);
  if (journey.id.length >= INDENT) used += journey.id.length + 1 - INDENT;
  for (const segment of rest) {
    const width = widthOf(segment) + 2;
    if (used + width > columns) {
      lines.push(line);
      line = [span(" ".repeat(INDENT)), span(segment)];
      used = INDENT + width - 2;
    } else {
      line.push(span(`  ${segment}`));
      used += width;
    }
  }
  lines.push(line);
  return lines;
}

/** `08-24 11:14:47.178700`, `2026-03-01 11:14:47.178700 UTC`, `+7579.448153`: to the microsecond, as the kernel log has it. */
export function clockWords(time: Time): string {
  return formatTime(time)
    .replace(/^--/, "")
    .replace("T", " ")
    .replace(/(\.\d{6})\d{3}/, "$1")
    .replace("Z", " UTC");
}

function describeSteps({ journey, routing }: Explained, options: TreeOptions): readonly Line[] {
  const labels = journey.steps.filter((step) => !step.isOwn && step.depth === 0).map(tableLabel);
  const labelColumns = Math.min(MOST_LABEL_COLUMNS, Math.max(8, ...labels.map(widthOf))) + 1;
  const lines: Line[] = [];
  let hop = -1;
  let label = "";
  const matched = new Set<string>();
  for (const [at, step] of journey.steps.entries()) {
    const note = routing.find(({ beforeStep }) => beforeStep === at) ?? null;
    lines.push(...describeBetween(step, note, labelColumns, options));
    if (step.isOwn || isSaidByPolicy(step, journey.steps[at + 1])) continue;
    const isNewHop = step.hop !== hop;
    const hookText = isNewHop ? (step.hook?.toUpperCase() ?? "?") : "";
    const ownLabel = step.depth === 0 || label === "" ? tableLabel(step) : label;
    const labelText = isNewHop || ownLabel !== label ? ownLabel : "";
    hop = step.hop;
    label = ownLabel;
    const chain = `${step.event.family} ${step.event.table} ${step.event.chain} ${step.hop}`;
    if (step.kind === "rule") matched.add(chain);
    lines.push(...describeStep(step, hookText, labelText, labelColumns, !matched.has(chain), options));
  }
  const unseen = routing.find(({ beforeStep }) => beforeStep === null);
  const words = unseen === undefined ? [] : noteWords(unseen, null);
  if (words.length > 0)
    lines.push(...block("routing", "", words.join(", "), labelColumns, options.columns, "note"));
  return lines;
}

/** nft reports the end of a base chain and then its policy: one thing to a person. */
function isSaidByPolicy(step: Step, next: Step | undefined): boolean {
  const isEnd = step.kind === "end" || step.kind === "return";
  return isEnd && next?.kind === "policy" && next.event.chain === step.event.chain;
}

/** What happened to the packet since the step before, outside any rule. */
function describeBetween(
  step: Step,
  note: RoutingNote | null,
  labelColumns: number,
  { columns, glyphs }: TreeOptions,
): readonly Line[] {
  const lines: Line[] = [];
  const tell = (who: string, words: readonly string[]) => {
    if (words.length > 0) lines.push(...block(who, "", words.join(", "), labelColumns, columns, "note"));
  };
  const changed = changeWords(step, ["routing"], glyphs.arrow);
  const out = step.changes.find(({ field, by }) => field === "out" && by === "routing")?.to ?? null;
  const left = out === null && note?.decision.at === "departure" ? (step.sighting?.out ?? null) : out;
  const routed = note === null ? changed : withNote(changed, note, left === null ? null : String(left));
  tell("conntrack", changeWords(step, ["conntrack"], glyphs.arrow));
  tell("routing", routed);
  tell("changed", changeWords(step, ["unknown"], glyphs.arrow));
  return lines;
}

/** What was seen, and in place of `to docker0` by which route, where a snapshot has it. */
function withNote(changed: readonly string[], note: RoutingNote, out: string | null): readonly string[] {
  const [first, ...rest] = noteWords(note, out);
  if (first === undefined) return changed;
  const isSaid = out !== null && changed[0] === `to ${out}`;
  return [first, ...(isSaid ? changed.slice(1) : changed), ...rest];
}

/** @param out the interface that it was seen to leave by; null where that is not known */
function noteWords(note: RoutingNote, out: string | null): readonly string[] {
  const { text, devices } = routingWords(note);
  if (text === null) return [];
  const disagreement = disagreementWords(note.kernel);
  const isOther = out !== null && !devices.includes(out);
  const words = [isOther ? `to ${out}, while by the snapshot: ${text}` : text];
  if (disagreement !== null) words.push(disagreement);
  return words;
}

function describeStep(
  step: Step,
  hook: string,
  label: string,
  labelColumns: number,
  noneMatched: boolean,
  { columns, glyphs }: TreeOptions,
): readonly Line[] {
  const style: Style = step.verdict === "drop" || step.verdict === "reject" ? "bad" : "plain";
  const lines = block(
    hook,
    label,
    stepWords(step, glyphs, noneMatched),
    labelColumns,
    columns,
    style,
    step.depth,
  );
  const done = changeWords(step, ["rule"], glyphs.arrow);
  if (done.length === 0) return lines;
  return [...lines, ...block("", "", done.join(", "), labelColumns, columns, "note", step.depth + 2)];
}

function stepWords(step: Step, glyphs: Glyphs, noneMatched: boolean): string {
  const { event, resolved } = step;
  const place = step.depth === 0 ? "" : `${glyphs.branch} ${event.chain} `;
  switch (step.kind) {
    case "rule": {
      const number = resolved.rule?.number ?? event.number;
      const text = ruleText(step);
      const name = number === null ? (event.handle === null ? "" : `#${event.handle}`) : String(number);
      const verdict = needsVerdict(step, text) ? `  (${verdictWords(step)})` : "";
      return `${place}${name === "" ? "" : `${pad(name, 3)} `}${text ?? "(text not known)"}${verdict}`;
    }
    case "policy":
      return `${place}policy ${step.verdict ?? "not known"}${rulesBefore(step, noneMatched)}`;
    case "return":
    case "end":
      return `${place}end${step.depth === 0 ? "" : ", back to the caller"}`;
  }
}

/** nft's words already hold the verdict; a rule whose text says it need not say it twice. */
function needsVerdict(step: Step, text: string | null): boolean {
  if (step.verdict === null || step.verdict === "continue") return false;
  return text === null || (step.resolved.target === null && !text.toLowerCase().includes(step.verdict));
}

function verdictWords(step: Step): string {
  return step.toChain === null ? String(step.verdict) : `${step.verdict} ${step.toChain}`;
}

function rulesBefore(step: Step, noneMatched: boolean): string {
  const { chain } = step.resolved;
  const count =
    step.event.tracer === "xtables" ? (step.event.number ?? 1) - 1 : chain?.complete ? chain.rules.length : 0;
  if (count === 0 || !noneMatched) return "";
  const isTraced = chain?.rules.some((rule) =>
    rule.statements.some((statement) => statement.kind === "trace"),
  );
  const hidden = step.resolved.note === null ? "" : `; ${step.resolved.note}`;
  if (isTraced || step.event.table === "raw")
    return ` (${count === 1 ? "1 rule" : `${count} rules`} before it)`;
  return ` (${count === 1 ? "1 rule, not matched" : `${count} rules, none matched`}${hidden})`;
}

function tableLabel(step: Step): string {
  const { tracer, family, table, chain } = step.event;
  if (tracer === "xtables" || isIptablesText(step)) return table;
  return /^[A-Z]+$/.test(chain) ? table : `${family} ${table} ${chain}`;
}

/** Hook, table and text in columns; text that is too long goes on below itself, and a long name has a line of its own. */
function block(
  hook: string,
  label: string,
  text: string,
  labelColumns: number,
  columns: number,
  style: Style,
  depth = 0,
): readonly Line[] {
  const indent = depth === 0 ? 0 : 4 + (depth - 1) * 2;
  const left = INDENT + HOOK_COLUMNS + labelColumns + indent;
  const [first = "", ...more] = wrap(text, Math.max(24, columns - left));
  const head = [
    span(" ".repeat(INDENT)),
    span(pad(hook, HOOK_COLUMNS), /^[A-Z]/.test(hook) ? "strong" : "dim"),
    span(pad(label, labelColumns), "dim"),
  ];
  const isLong = widthOf(label) >= labelColumns;
  const lines: Line[] = isLong
    ? [head, [span(" ".repeat(left)), span(first, style)]]
    : [[...head, span(" ".repeat(indent)), span(first, style)]];
  return [...lines, ...more.map((rest): Line => [span(" ".repeat(left + 4)), span(rest, style)])];
}

const MOST_LOGS_SHOWN = 5;

/** What rules of the host's own logged about it, by prefix: one rule may log it at several hooks. */
function describeLogs({ logs }: Journey, { columns }: TreeOptions): readonly Line[] {
  if (logs.length === 0) return [];
  const times = new Map<string, number>();
  for (const { prefix } of logs) times.set(prefix, (times.get(prefix) ?? 0) + 1);
  const words = [...times].map(([prefix, count]) => `"${prefix}"${count === 1 ? "" : ` ${count} times`}`);
  const hidden = words.length - MOST_LOGS_SHOWN;
  const shown = words.slice(0, MOST_LOGS_SHOWN).join(", ") + (hidden > 0 ? ` and ${hidden} more` : "");
  const left = INDENT + HOOK_COLUMNS;
  return wrap(shown, columns - left).map((text, at) => [
    span(at === 0 ? `${" ".repeat(INDENT)}${pad("logged", HOOK_COLUMNS)}` : " ".repeat(left), "dim"),
    span(text),
  ]);
}

/** What a capture and the kernel's drops told of the packet. */
function describeBesides(besides: Besides, { columns }: TreeOptions): readonly Line[] {
  const lines: Line[] = [];
  const tell = (who: string, words: string) => {
    const left = INDENT + HOOK_COLUMNS;
    for (const [at, text] of wrap(words, columns - left).entries())
      lines.push([
        span(at === 0 ? `${" ".repeat(INDENT)}${pad(who, HOOK_COLUMNS)}` : " ".repeat(left), "dim"),
        span(text, "note"),
      ]);
  };
  if (besides.wire.length > 0) tell("wire", wireWords(besides.wire));
  for (const drop of besides.drops) tell("kernel", dropWords(drop));
  return lines;
}

function describeOutcome(explained: Explained, { columns, glyphs }: TreeOptions): readonly Line[] {
  const { outcome, answer } = explained;
  const [glyph, style] = outcomeLook(outcome, glyphs);
  const answered =
    answer === null
      ? ""
      : `; answered by ${answer.journey}${answer.afterNanos ? ` after ${formatNanos(answer.afterNanos)}` : ""}`;
  const [first = "", ...more] = wrap(`${outcomeWords(explained)}${answered}`, columns - INDENT);
  return [
    [span(` ${glyph} `, style), span(first, style)],
    ...more.map((rest): Line => [span(" ".repeat(INDENT)), span(rest, style)]),
  ];
}

export function outcomeLook(outcome: Outcome, glyphs: Glyphs): readonly [string, Style] {
  switch (outcome.verdict) {
    case "dropped":
    case "rejected":
      return [glyphs.bad, "bad"];
    case "vanished":
    case "unknown":
    case "queued":
      return [glyphs.doubtful, "doubtful"];
    default:
      return [glyphs.good, "good"];
  }
}

function describeFindings({ findings, outcome }: Explained, options: TreeOptions): readonly Line[] {
  if (findings.length === 0) return [];
  const lines: Line[] = [[]];
  for (const finding of findings)
    lines.push(...describeFinding(finding, finding.cause === outcome.cause, options));
  return lines;
}

/** The cause of the outcome has said its `what` already; notes are kept to their first sentence. */
export function describeFinding(
  finding: Finding,
  isCause: boolean,
  { columns, glyphs }: Pick<TreeOptions, "columns" | "glyphs">,
): readonly Line[] {
  const [glyph, style] = findingLook(finding.severity, glyphs);
  const name = `${pad(finding.cause, CAUSE_COLUMNS - 1)} `;
  const left = INDENT + Math.max(CAUSE_COLUMNS, name.length) + 2;
  const paragraphs = isCause ? [`because ${finding.why}`] : [finding.what];
  if (finding.severity !== "info") {
    if (!isCause) paragraphs.push(finding.why);
    if (finding.try !== null) paragraphs.push(`try: ${finding.try}`);
  }
  const rows = paragraphs.flatMap((paragraph) => wrap(paragraph, Math.max(24, columns - left)));
  return rows.map((row, index): Line => {
    if (index > 0) return [span(" ".repeat(left)), span(row)];
    return [span(`${" ".repeat(INDENT)}${glyph} `, style), span(name, style), span(row)];
  });
}

function findingLook(severity: Severity, glyphs: Glyphs): readonly [string, Style] {
  if (severity === "error") return [glyphs.bad, "bad"];
  return severity === "warning" ? [glyphs.doubtful, "doubtful"] : [glyphs.note, "note"];
}
