/** What journeys are to each other, in words: parts, causes and answers, and what may be the other way round. */
import type { Explained } from "../diagnosis/diagnose.ts";
import type { Relation } from "../journeys/relations.ts";

const MOST_NAMED = 5;

/** Sentences without an end, to stand behind the outcome. */
export function relationWords({ journey, relations }: Explained): readonly string[] {
  const { causedBy, answeredWith, fragmentOf, fragments } = relations;
  const { carriedBy, unpackedFrom, carries, copyOf, copies } = relations;
  const words: string[] = [];
  if (causedBy !== null)
    words.push(`it answers ${causedBy.journey}${orAlike(causedBy)}: ${reasonWords(causedBy)}`);
  for (const answer of answeredWith) words.push(`its sender is told by ${answer.journey}`);
  if (fragmentOf !== null) words.push(`put together with others it goes on as ${fragmentOf.journey}`);
  if (fragments.length > 0)
    words.push(`it was put together from ${named(fragments.map((fragment) => fragment.journey))}`);
  if (unpackedFrom !== null)
    words.push(`it came in ${unpackedFrom.journey}${orAlike(unpackedFrom)}: ${reasonWords(unpackedFrom)}`);
  if (carriedBy !== null)
    words.push(`it went on in ${carriedBy.journey}${orAlike(carriedBy)}: ${reasonWords(carriedBy)}`);
  for (const inner of carries)
    words.push(`it carries ${inner.journey}${orAlike(inner)}: ${reasonWords(inner)}`);
  if (copyOf !== null)
    words.push(`it is a copy of ${copyOf.journey}${orAlike(copyOf)}: ${reasonWords(copyOf)}`);
  if (copies.length > 0) words.push(`copied to ${named(copies.map((copy) => copy.journey))}`);
  if (journey.alike.length > 0) {
    const unsure = journey.steps.flatMap(({ alike }, at) => (alike.length > 0 ? [at + 1] : []));
    const which =
      unsure.length === 0
        ? "steps of theirs may be its"
        : `${stepsWords(unsure)} may be theirs, or theirs its`;
    words.push(
      `${named(journey.alike)} ${journey.alike.length === 1 ? "was" : "were"} under way at the same time with the same headers: ${which}`,
    );
  }
  return words;
}

/** How a part is known to be the same packet. */
export function partWords({ journey, relations }: Explained): string {
  const { continues } = relations;
  const where = journey.netns === null ? "in the first namespace" : `in ${journey.netns}`;
  if (continues === null) return where;
  return `${where}, as ${journey.id}${continues.alike.length > 0 ? `, if it is not ${named(continues.alike)} that goes on here` : ""}: ${reasonWords(continues)}`;
}

function reasonWords({ by }: Relation): string {
  switch (by) {
    case "same-trace-id-and-headers":
      return "the same trace id and headers";
    case "same-headers-within-window":
      return "the same headers at that time";
    case "quoted-headers":
      return "it quotes its headers";
    case "numbers-of-a-reset":
      return "a reset with its sequence numbers";
    case "same-identification":
      return "the same identification";
    case "lengths-add-up":
      return "the same trace id, and lengths that add up";
    case "same-trace-id":
      return "the same trace id, and a length that fits";
    case "tunnel-device":
      return "the tunnel's device is the same";
    case "length-and-order":
      return "by its length, directly behind";
    case "copied-by-rule":
      return "a rule copies it";
  }
}

function orAlike({ alike }: Relation): string {
  return alike.length === 0 ? "" : ` or ${named(alike)}`;
}

function stepsWords(steps: readonly number[]): string {
  const [first] = steps;
  if (steps.length === 1) return `step ${first} of this journey`;
  return `${steps.length} steps of this journey from step ${first} on`;
}

function named(ids: readonly string[]): string {
  const more = ids.length - MOST_NAMED;
  return ids.slice(0, MOST_NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
