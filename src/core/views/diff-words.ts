/** What two ways have in common and where they part, in words that every view of a comparison uses. */
import { isIptablesText } from "../diagnosis/commands.ts";
import type { Explained } from "../diagnosis/diagnose.ts";
import type { JourneyDiff, Reason } from "../diagnosis/journey-diff.ts";
import { lastPartOf } from "../diagnosis/parts.ts";
import type { ComparedBy, End, KindDiff, RecordingDiff } from "../diagnosis/recording-diff.ts";
import { chainName, ruleName } from "../diagnosis/rule-words.ts";
import type { Step } from "../journeys/journey.ts";
import { outcomeWords } from "./words.ts";

/** `the same for 4 steps: PREROUTING raw, mangle; FORWARD filter`; none where nothing is. */
export function commonWords({ common, natAskedOf }: JourneyDiff): readonly string[] {
  const words: string[] = [];
  if (common.length > 0) {
    const steps = common.length === 1 ? "1 step" : `${common.length} steps`;
    words.push(`the same for ${steps}: ${hooksOf(common)}`);
  }
  if (natAskedOf !== null) {
    const other = natAskedOf === "A" ? "B" : "A";
    words.push(
      `nat's chains were asked for ${natAskedOf} alone: ${other} is a later packet of its connection`,
    );
  }
  return words;
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

/** Where they part; null where they do not. */
export function partingWords(diff: JourneyDiff): string | null {
  const { a, b } = diff.first;
  if (a === null && b === null) return null;
  const [placeA, placeB] = [a === null ? null : placeOf(a, diff.a), b === null ? null : placeOf(b, diff.b)];
  return diff.isInOneChain ? `they part in ${placeA}` : parted(placeA, placeB);
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

/** Without the conditions, which stand behind a colon. */
export function reasonWords({ side, step, kind, answers }: Reason): string {
  const other = side === "A" ? "B" : "A";
  const rule = `${side}'s ${ruleName(step)}`;
  switch (kind) {
    case "failed":
      return `${rule} does not match ${other}:`;
    case "not-known":
      return `why ${rule} did not match ${other} is not known: ${answers.length === 0 ? "its text was not given" : ""}`.trimEnd();
    case "absent":
      return `${other}'s listing does not have ${rule}`;
    case "holds":
      return `${rule} would match ${other} too, as far as it is understood here: something decided before it`;
  }
}

/** `1 more step, forwarded out br0; answered by 13` */
export function endWords(explained: Explained, rest: readonly Step[]): string {
  const more =
    rest.length === 0 ? "" : `${rest.length === 1 ? "1 more step" : `${rest.length} more steps`}, `;
  const last = lastPartOf(explained);
  const answer = explained.answer ?? last.answer;
  const answered = answer === null ? "" : `; answered by ${answer.journey}`;
  return `${more}${outcomeWords(last)}${answered}`;
}

/** The kind, and how much of it is the same in both recordings. */
export function kindWords({ kind, comparedBy }: KindDiff): string {
  return `${kind}${COMPARED[comparedBy]}`;
}

const COMPARED: Readonly<Record<ComparedBy, string>> = {
  all: "",
  "without-source": ", from whatever source",
  "without-addresses": ", whatever its addresses",
};

export function ends(all: readonly End[]): string {
  return all.map(({ count, words, example }) => `${count} ${words} (${example.journey.id})`).join(", ");
}

/** @param shown how many kinds that ended otherwise are shown above */
export function account({ differing, alike, onlyA, onlyB, uncounted }: RecordingDiff, shown: number): string {
  const more = differing.length - shown;
  const parts: string[] = [];
  if (differing.length === 0) parts.push("no kind of packets that is in both ended otherwise");
  if (more > 0) parts.push(`${more} more kinds ended otherwise`);
  parts.push(`${alike} ${alike === 1 ? "kind" : "kinds"} ended alike`);
  if (onlyA.length > 0) parts.push(`${onlyA.length} only in A`);
  if (onlyB.length > 0) parts.push(`${onlyB.length} only in B`);
  if (uncounted > 0) parts.push(`${uncounted} packets not compared`);
  return parts.join("; ");
}

export function journeysWords(count: number): string {
  return `${count} ${count === 1 ? "journey" : "journeys"}`;
}
