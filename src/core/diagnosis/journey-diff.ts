/**
 * Where the ways of two packets part: what is the same up to there, the rule that made the difference, and what in the packet
 * made the rule decide otherwise.
 *
 * Steps are the same when the same chain said the same rule's words, wherever that rule stands: rules move between two
 * recordings. A later packet of a connection is not asked nat's chains, which is no difference of its way.
 */
import type { Step } from "../journeys/journey.ts";
import { tcpFlagNames } from "../packets/packet.ts";
import type { MatchAnswer } from "../rulesets/match/answer.ts";
import { iptablesTextKey, nftTextKey } from "../rulesets/rule-text.ts";
import type { Rule } from "../rulesets/ruleset.ts";
import type { Explained } from "./diagnose.ts";
import { endpoint } from "./flows.ts";
import { ruleText } from "./rule-words.ts";
import { holdAgainst } from "./why-not.ts";

export type Side = "A" | "B";

export interface PacketDifference {
  readonly field: string;
  readonly a: string;
  readonly b: string;
}

/** A rule that one packet met where the other did not. */
export interface Reason {
  /** Whose packet met it. */
  readonly side: Side;
  readonly step: Step;
  /**
   * Why the other did not.
   * - `failed`: these conditions do not hold for it.
   * - `not-known`: none surely fails, these cannot be told.
   * - `absent`: the other's listing does not have the rule.
   * - `holds`: every condition holds for the other too: it was decided before, or the listing does not fit.
   */
  readonly kind: "failed" | "not-known" | "absent" | "holds";
  readonly answers: readonly MatchAnswer[];
}

export interface JourneyDiff {
  readonly a: Explained;
  readonly b: Explained;
  /** Fields of the packets, as first seen, that differ and can matter to a rule. */
  readonly packet: readonly PacketDifference[];
  /** The steps up to where they part, as A met them. */
  readonly common: readonly Step[];
  /** The first steps that differ; null where a way has ended. Both null: the ways are the same. */
  readonly first: { readonly a: Step | null; readonly b: Step | null };
  readonly rest: { readonly a: readonly Step[]; readonly b: readonly Step[] };
  readonly reasons: readonly Reason[];
  /** One of them was asked nat's chains, the other was not, being a later packet of its connection. */
  readonly natAskedOf: Side | null;
  readonly endsAlike: boolean;
}

export function diffJourneys(a: Explained, b: Explained): JourneyDiff {
  const natOf = { a: stepsOf(a).some((step) => step.isNat), b: stepsOf(b).some((step) => step.isNat) };
  const isOneSided = natOf.a !== natOf.b;
  const [mine, theirs] = [a, b].map((one) => stepsOf(one).filter((step) => !(isOneSided && step.isNat)));
  const [stepsA, stepsB] = [mine ?? [], theirs ?? []];
  let at = 0;
  while (at < stepsA.length && at < stepsB.length && isSameStep(stepsA[at] as Step, stepsB[at] as Step)) at++;
  const first = { a: stepsA[at] ?? null, b: stepsB[at] ?? null };
  return {
    a,
    b,
    packet: packetDifferences(a, b),
    common: stepsA.slice(0, at),
    first,
    rest: { a: stepsA.slice(at + 1), b: stepsB.slice(at + 1) },
    reasons: reasonsFor(a, b, first),
    natAskedOf: isOneSided ? (natOf.a ? "A" : "B") : null,
    endsAlike: a.outcome.verdict === b.outcome.verdict && a.outcome.cause === b.outcome.cause,
  };
}

/** Our own chains are none of the host's, and the end of a base chain that its policy follows says nothing by itself. */
function stepsOf({ journey }: Explained): readonly Step[] {
  return journey.steps.filter((step, at) => {
    const next = journey.steps[at + 1];
    const isSaidByPolicy =
      step.kind !== "rule" && next?.kind === "policy" && next.event.chain === step.event.chain;
    return !step.isOwn && !(isSaidByPolicy && step.kind !== "policy");
  });
}

function isSameStep(a: Step, b: Step): boolean {
  return placeKey(a) === placeKey(b) && a.verdict === b.verdict && sayKey(a) === sayKey(b);
}

function placeKey({ hook, event }: Step): string {
  return `${hook} ${event.family} ${event.table} ${event.chain}`;
}

function sayKey(step: Step): string {
  if (step.kind !== "rule") return step.kind;
  const text = step.resolved.rule?.text ?? step.event.ruleText;
  if (text === null || text === undefined) return `rule ${step.event.number ?? step.event.handle}`;
  return textKey(text);
}

function textKey(text: string): string {
  return text.startsWith("-") ? iptablesTextKey(text) : nftTextKey(text);
}

function reasonsFor(a: Explained, b: Explained, first: JourneyDiff["first"]): readonly Reason[] {
  const { a: ofA, b: ofB } = first;
  // Behind another chain or hook it is not this rule that made the difference.
  if (ofA === null || ofB === null || placeKey(ofA) !== placeKey(ofB)) return [];
  const met: Reason[] = [];
  if (ofA.kind === "rule") met.push(reasonFor("A", ofA, b, ofB));
  if (ofB.kind === "rule") met.push(reasonFor("B", ofB, a, ofA));
  const [earlier, second] = met;
  if (earlier === undefined || second === undefined || earlier.kind === "absent" || second.kind === "absent")
    return met;
  // In one listing the rule that stands first decided; the other packet only came further.
  const order = (number(ofA) ?? 0) - (number(ofB) ?? 0);
  if (number(ofA) === null || number(ofB) === null || order === 0) return met;
  return [order < 0 ? earlier : second];
}

function number(step: Step): number | null {
  return step.resolved.rule?.number ?? step.event.number;
}

/** Why the other packet, which came to the same chain, did not meet this step's rule. */
function reasonFor(side: Side, step: Step, other: Explained, otherStep: Step): Reason {
  const { rule, table } = step.resolved;
  if (rule === null) return { side, step, kind: "not-known", answers: [] };
  const { chain } = otherStep.resolved;
  if (chain?.complete === true && !chain.rules.some((one) => isSameRule(one, rule)))
    return { side, step, kind: "absent", answers: [] };
  const { answers } = holdAgainst(rule, table, other, otherStep);
  const failed = answers.filter(({ holds }) => holds === "failed");
  if (failed.length > 0) return { side, step, kind: "failed", answers: failed };
  const doubtful = answers.filter(({ holds }) => holds === "not-known");
  return { side, step, kind: doubtful.length > 0 ? "not-known" : "holds", answers: doubtful };
}

function isSameRule(a: Rule, b: Rule): boolean {
  return textKey(a.text) === textKey(b.text);
}

function packetDifferences(a: Explained, b: Explained): readonly PacketDifference[] {
  const [one, two] = [fieldsOf(a), fieldsOf(b)];
  return Object.entries(one).flatMap(([field, value]) => {
    const other = two[field] ?? null;
    // What one of the sources did not tell is no difference.
    if (value === null || other === null || value === other) return [];
    return [{ field, a: value, b: other }];
  });
}

function fieldsOf({ journey }: Explained): Readonly<Record<string, string | null>> {
  const { first } = journey;
  const packet = first?.packet ?? null;
  const text = (value: string | number | null | undefined) => (value == null ? null : String(value));
  const mark = journey.steps.find((step) => step.sighting?.mark != null)?.sighting?.mark ?? null;
  const flags = packet?.tcp?.flags ?? null;
  return {
    netns: journey.netns,
    family: journey.family,
    protocol: text(packet?.protocol),
    source: packet?.src == null ? null : endpoint(packet.src, packet.sport),
    destination: packet?.dst == null ? null : endpoint(packet.dst, packet.dport),
    "TCP flags": flags === null ? null : tcpFlagNames(flags).join(" "),
    "ICMP type": text(packet?.icmp?.type),
    in: text(first?.in),
    mark: mark === null ? null : `0x${mark.toString(16)}`,
    "conntrack state": text(journey.conntrack?.state),
    out: text(journey.steps.findLast((step) => step.sighting?.out != null)?.sighting?.out),
    length: text(packet?.length),
    ttl: text(packet?.ttl),
  };
}

/** `4   -s 10.0.0.0/8 -j ACCEPT`, `policy drop`: what a step says, in a line. */
export function stepSays(step: Step): string {
  if (step.kind === "policy") return `policy ${step.verdict ?? "not known"}`;
  if (step.kind !== "rule") return "end of the chain";
  const text = ruleText(step) ?? "(text not known)";
  const name = number(step) ?? (step.event.handle === null ? "?" : `#${step.event.handle}`);
  return `${name}   ${text}`;
}
