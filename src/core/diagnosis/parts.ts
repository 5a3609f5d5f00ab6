/**
 * One packet's way through several namespaces (a host and its containers): a journey in each, told as one with parts.
 *
 * The first part leads, the others follow in the order of the way, and what became of the packet is what became of the last.
 */
import type { Journey } from "../journeys/journey.ts";
import type { Explained } from "./diagnose.ts";

interface Held {
  readonly journey: Journey | null;
}

/** Those that may not leave yet: parts of one packet leave together. */
export function waitingTogether<Some extends Held>(
  held: readonly Some[],
  mayLeave: (one: Some) => boolean,
  partBefore: (journey: Journey) => string | null,
): ReadonlySet<string> {
  const here = new Set(held.map(({ journey }) => journey?.id));
  const leader = new Map<string, string>();
  const leaderOf = (id: string): string => {
    let at = id;
    for (let next = leader.get(at); next !== undefined; next = leader.get(at)) at = next;
    return at;
  };
  for (const { journey } of held) {
    const before = journey === null ? null : partBefore(journey);
    if (journey === null || before === null || !here.has(before)) continue;
    if (leaderOf(before) !== journey.id) leader.set(journey.id, leaderOf(before));
  }
  const waiting = new Set<string>();
  for (const one of held) {
    if (one.journey !== null && !mayLeave(one)) waiting.add(leaderOf(one.journey.id));
  }
  if (leader.size === 0) return waiting;
  for (const { journey } of held) {
    if (journey !== null && waiting.has(leaderOf(journey.id))) waiting.add(journey.id);
  }
  return waiting;
}

/** All parts of a packet's way in their order: the one that leads, and where it went on. */
export function wayOf(explained: Explained): readonly Explained[] {
  return [explained, ...explained.parts];
}

/** The part that the packet's outcome is of. */
export function lastPartOf(explained: Explained): Explained {
  return explained.parts.at(-1) ?? explained;
}

/** Whether the packet's way is, or holds, the journey of that id: whichever part is named, the packet is meant. */
export function holdsJourney(explained: Explained, id: string): boolean {
  return wayOf(explained).some(({ journey }) => journey.id === id);
}

/** Puts parts under the journey that they go on from, where that is among them. */
export function joinParts(explained: readonly Explained[]): readonly Explained[] {
  if (explained.every(({ relations }) => relations.continues === null)) return explained;
  const next = new Map<string, Explained>();
  const byId = new Map(explained.map((one) => [one.journey.id, one]));
  for (const one of explained) {
    const before = one.relations.continues?.journey;
    if (before !== undefined && byId.has(before)) next.set(before, one);
  }
  const followers = new Set([...next.values()]);
  return explained
    .filter((one) => !followers.has(one))
    .map((one) => {
      const parts: Explained[] = [];
      for (let part = next.get(one.journey.id); part !== undefined; part = next.get(part.journey.id)) {
        if (parts.includes(part)) break;
        parts.push(part);
      }
      const last = parts.at(-1);
      return last === undefined ? one : { ...one, parts, outcome: last.outcome };
    });
}
