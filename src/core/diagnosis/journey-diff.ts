/**
 * Where the ways of two packets part: what is the same up to there, the rule that made the difference, and what in the packet
 * made the rule decide otherwise.
 *
 * Steps are the same when the same chain said the same rule's words, wherever that rule stands: rules move between two
 * recordings. A later packet of a connection is not asked nat's chains, which is no difference of its way.
 *
 * Of a packet that went on in other namespaces the whole way is compared, part by part: the first namespace's steps with the
 * first's, the next one's with the next one's, whatever their names, which for a container are new with each start.
 */
import type { Step } from "../journeys/journey.ts";
import { tcpFlagNames } from "../packets/packet.ts";
import type { MatchAnswer } from "../rulesets/match/answer.ts";
import { iptablesTextKey, nftTextKey } from "../rulesets/rule-text.ts";
import type { Rule } from "../rulesets/ruleset.ts";
import type { Explained } from "./diagnose.ts";
import { endpoint } from "./flows.ts";
import { lastPartOf, wayOf } from "./parts.ts";
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
  /** Both first steps are in the same chain, of the same part of the way. */
  readonly isInOneChain: boolean;
  readonly rest: { readonly a: readonly Step[]; readonly b: readonly Step[] };
  readonly reasons: readonly Reason[];
  /** One of them was asked nat's chains, the other was not, being a later packet of its connection. */
  readonly natAskedOf: Side | null;
  readonly endsAlike: boolean;
}

export function diffJourneys(a: Explained, b: Explained): JourneyDiff {
  const [allA, allB] = [placesOf(a), placesOf(b)];
  const natOf = { a: allA.some(isNat), b: allB.some(isNat) };
  const isOneSided = natOf.a !== natOf.b;
  const [placesA, placesB] = [allA, allB].map((all) => all.filter((place) => !(isOneSided && isNat(place))));
  const [mine, theirs] = [placesA ?? [], placesB ?? []];
  let at = 0;
  while (at < mine.length && at < theirs.length && isSameStep(mine[at] as Place, theirs[at] as Place)) at++;
  const [ofA, ofB] = [mine[at] ?? null, theirs[at] ?? null];
  return {
    a,
    b,
    packet: packetDifferences(a, b),
    common: mine.slice(0, at).map(({ step }) => step),
    first: { a: ofA?.step ?? null, b: ofB?.step ?? null },
    isInOneChain: isInOneChain(ofA, ofB),
    rest: { a: stepsFrom(mine, at + 1), b: stepsFrom(theirs, at + 1) },
    reasons: reasonsFor(a, b, ofA, ofB),
    natAskedOf: isOneSided ? (natOf.a ? "A" : "B") : null,
    endsAlike: a.outcome.verdict === b.outcome.verdict && a.outcome.cause === b.outcome.cause,
  };
}

/** A step, and the number of the part of the way that it is in. */
interface Place {
  readonly step: Step;
  readonly part: number;
}

function placesOf(explained: Explained): readonly Place[] {
  return wayOf(explained).flatMap((one, part) => stepsOf(one).map((step) => ({ step, part })));
}

function stepsFrom(places: readonly Place[], at: number): readonly Step[] {
  return places.slice(at).map(({ step }) => step);
}

function isNat({ step }: Place): boolean {
  return step.isNat;
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

function isSameStep(a: Place, b: Place): boolean {
  return (
    placeKey(a) === placeKey(b) && a.step.verdict === b.step.verdict && sayKey(a.step) === sayKey(b.step)
  );
}

function isInOneChain(a: Place | null, b: Place | null): boolean {
  return a !== null && b !== null && placeKey(a) === placeKey(b);
}

function placeKey({ step: { hook, event }, part }: Place): string {
  return `${part} ${hook} ${event.family} ${event.table} ${event.chain}`;
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

function reasonsFor(a: Explained, b: Explained, ofA: Place | null, ofB: Place | null): readonly Reason[] {
  // Behind another chain or hook it is not this rule that made the difference.
  if (ofA === null || ofB === null || !isInOneChain(ofA, ofB)) return [];
  const met: Reason[] = [];
  if (ofA.step.kind === "rule") met.push(reasonFor("A", ofA, b, ofB));
  if (ofB.step.kind === "rule") met.push(reasonFor("B", ofB, a, ofA));
  const [earlier, second] = met;
  if (earlier === undefined || second === undefined || earlier.kind === "absent" || second.kind === "absent")
    return met;
  // In one listing the rule that stands first decided; the other packet only came further.
  const [numberA, numberB] = [number(ofA.step), number(ofB.step)];
  if (numberA === null || numberB === null || numberA === numberB) return met;
  return [numberA < numberB ? earlier : second];
}

function number(step: Step): number | null {
  return step.resolved.rule?.number ?? step.event.number;
}

/** Why the other packet, which came to the same chain, did not meet this step's rule. */
function reasonFor(side: Side, { step }: Place, other: Explained, there: Place): Reason {
  const { rule, table } = step.resolved;
  if (rule === null) return { side, step, kind: "not-known", answers: [] };
  const { chain } = there.step.resolved;
  if (chain?.complete === true && !chain.rules.some((one) => isSameRule(one, rule)))
    return { side, step, kind: "absent", answers: [] };
  const otherPart = wayOf(other)[there.part] ?? other;
  const { answers } = holdAgainst(rule, table, otherPart, there.step);
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

function fieldsOf(explained: Explained): Readonly<Record<string, string | null>> {
  const { journey } = explained;
  const { first } = journey;
  const last = lastPartOf(explained).journey;
  const packet = first?.packet ?? null;
  const text = (value: string | number | null | undefined) => (value == null ? null : String(value));
  const mark = journey.steps.find((step) => step.sighting?.mark != null)?.sighting?.mark ?? null;
  const flags = packet?.tcp?.flags ?? null;
  return {
    netns: namespacesOf(explained),
    family: journey.family,
    protocol: text(packet?.protocol),
    source: packet?.src == null ? null : endpoint(packet.src, packet.sport),
    destination: packet?.dst == null ? null : endpoint(packet.dst, packet.dport),
    "TCP flags": flags === null ? null : tcpFlagNames(flags).join(" "),
    "ICMP type": text(packet?.icmp?.type),
    in: text(first?.in),
    mark: mark === null ? null : `0x${mark.toString(16)}`,
    "conntrack state": text(journey.conntrack?.state),
    out: text(last.steps.findLast((step) => step.sighting?.out != null)?.sighting?.out),
    length: text(packet?.length),
    ttl: text(packet?.ttl),
  };
}

/** `host, c1`: where it went; null where no source told a namespace. */
export function namespacesOf(explained: Explained): string | null {
  const [first, ...more] = wayOf(explained).map(({ journey }) => journey.netns);
  if (first === undefined || (first === null && more.length === 0)) return null;
  return [first, ...more].map((netns) => netns ?? "the first namespace").join(", ");
}

/** `4   -s 10.0.0.0/8 -j ACCEPT`, `policy drop`: what a step says, in a line. */
export function stepSays(step: Step): string {
  if (step.kind === "policy") return `policy ${step.verdict ?? "not known"}`;
  if (step.kind !== "rule") return "end of the chain";
  const text = ruleText(step) ?? "(text not known)";
  const name = number(step) ?? (step.event.handle === null ? "?" : `#${step.event.handle}`);
  return `${name}   ${text}`;
}
