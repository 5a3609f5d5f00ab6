/** From a journey to what it means: its outcome and its findings, the gravest first. */
import type { Time } from "../base/time.ts";
import type { Sighting } from "../events/event.ts";
import type { Journey } from "../journeys/journey.ts";
import type { RuleBook } from "../rulesets/rule-book.ts";
import type { Diagnose } from "./cause.ts";
import { asymmetricReply } from "./causes/asymmetric-reply.ts";
import { defragmented } from "./causes/defragmented.ts";
import { gap, notEnoughEvidence, rulesMissing } from "./causes/evidence.ts";
import { dnat, natFromConntrack, snat } from "./causes/nat.ts";
import { noReply } from "./causes/no-reply.ts";
import { policyDrop } from "./causes/policy-drop.ts";
import { ruleDrop } from "./causes/rule-drop.ts";
import { ruleReject } from "./causes/rule-reject.ts";
import { rulesChanged } from "./causes/rules-changed.ts";
import { answerExpected } from "./expected-answer.ts";
import type { Finding, Severity } from "./finding.ts";
import type { Answer, FlowMemory, Mapping } from "./flows.ts";
import { KnownChains } from "./known-chains.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

/** A journey with what it means: what every view shows. */
export interface Explained {
  readonly journey: Journey;
  readonly outcome: Outcome;
  readonly findings: readonly Finding[];
  /** The first packet that came back; null where none was seen or none is to be expected. */
  readonly answer: Answer | null;
  /** The translation of its connection that conntrack or another packet showed; null where none did. */
  readonly mapping: Mapping | null;
}

/** Whether the trace takes a packet; null where its headers do not tell. */
export type Takes = (sighting: Sighting) => boolean | null;

const CAUSES: readonly Diagnose[] = [
  ruleDrop,
  policyDrop,
  ruleReject,
  notEnoughEvidence,
  noReply,
  asymmetricReply,
  defragmented,
  dnat,
  snat,
  natFromConntrack,
  gap,
  rulesMissing,
  rulesChanged,
];

const GRAVITY: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/**
 * Keeps what packets tell about each other: which chains exist, which connections are translated. Journeys are to be
 * learned in the order in which they began, and all that are at hand before the first is explained.
 */
export class Diagnosis {
  readonly #chains: KnownChains;
  readonly #flows: FlowMemory;
  /** For each journey that was learned and not yet explained, its answer as far as one came. */
  readonly #answers = new Map<string, Answer | null>();
  /** The requests that journeys not yet explained are the first answers to. */
  readonly #requests = new Map<string, Journey>();
  readonly #takes: Takes;

  /**
   * @param flows what is known of connections; it learns from every journey, and may learn from conntrack meanwhile
   * @param takes which packets the trace took
   */
  constructor(book: RuleBook, flows: FlowMemory, takes: Takes = () => null) {
    this.#chains = new KnownChains(book);
    this.#flows = flows;
    this.#takes = takes;
  }

  learn(journey: Journey): void {
    this.#chains.learn(journey);
    this.#answers.set(journey.id, null);
    const request = this.#flows.learn(journey, (answer) => {
      // Too late for one that was shown already.
      if (this.#answers.has(journey.id)) this.#answers.set(journey.id, answer);
    });
    if (request !== null) this.#requests.set(journey.id, request);
  }

  /** @param latest when something was last heard of any packet: how long an answer has had to come */
  explain(journey: Journey, latest: Time | null): Explained {
    const answer = this.#answers.get(journey.id) ?? null;
    const outcome = outcomeOf(journey, this.#chains, answer !== null);
    const mapping = this.#flows.mappingOf(journey);
    const expected = answerExpected(journey);
    const circumstances = {
      outcome,
      chains: this.#chains,
      mapping,
      request: this.#requests.get(journey.id) ?? null,
      silence: answer === null ? this.#flows.silences.of(journey, latest) : null,
      takesAnswer: expected === null ? null : this.#takes(expected),
    };
    const findings = CAUSES.flatMap((cause) => cause(journey, circumstances));
    findings.sort((a, b) => GRAVITY[a.severity] - GRAVITY[b.severity]);
    this.#answers.delete(journey.id);
    this.#requests.delete(journey.id);
    return { journey, outcome, findings, answer, mapping };
  }
}
