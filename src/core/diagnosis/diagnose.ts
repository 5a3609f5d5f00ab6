/** From a journey to what it means: its outcome and its findings, the gravest first. */
import type { Time } from "../base/time.ts";
import type { Sighting } from "../events/event.ts";
import type { HostSnapshot } from "../hosts/host.ts";
import { type HostBook, NO_HOSTS } from "../hosts/host-book.ts";
import { isTunnel } from "../hosts/tunnels.ts";
import type { Besides } from "../journeys/besides.ts";
import type { Journey } from "../journeys/journey.ts";
import { RelationMemory, type Relations } from "../journeys/relations.ts";
import { type Trail, trailOf } from "../journeys/trail.ts";
import type { RuleBook } from "../rulesets/rule-book.ts";
import { CAUSES, DEATHS } from "./causes.ts";
import { deathOf } from "./death.ts";
import { answerExpected } from "./expected-answer.ts";
import type { Finding, Severity } from "./finding.ts";
import type { Answer, FlowMemory, Mapping } from "./flows.ts";
import { KnownChains } from "./known-chains.ts";
import { LogHoles } from "./log-holes.ts";
import { isUnanswered, nextHopOf } from "./next-hop.ts";
import { carriedBeneath, type Outcome, outcomeOf } from "./outcome.ts";
import { type RoutingNote, routingOf } from "./routing.ts";
import { outcomeInVrf } from "./vrf-passes.ts";

/** A journey with what it means: what every view shows. */
export interface Explained {
  readonly journey: Journey;
  readonly outcome: Outcome;
  readonly findings: readonly Finding[];
  /** The first packet that came back; null where none was seen or none is to be expected. */
  readonly answer: Answer | null;
  /** The translation of its connection that conntrack or another packet showed; null where none did. */
  readonly mapping: Mapping | null;
  /** What a capture and the kernel's drops told of it, where they were asked. */
  readonly besides: Besides;
  /** What the routes of a snapshot say about it; empty where there is none. */
  readonly routing: readonly RoutingNote[];
  /** What other journeys are to it. */
  readonly relations: Relations;
  /** Where it went on, in other namespaces: `outcome` is then that of the last of them. */
  readonly parts: readonly Explained[];
  /** What became of it in its own namespace. */
  readonly outcomeHere: Outcome;
  /** The packet's host, as it was when the trace began; null where nobody took a snapshot. */
  readonly host: HostSnapshot | null;
}

/** Whether the trace takes a packet; null where its headers do not tell. */
export type Takes = (sighting: Sighting) => boolean | null;

/** Three requests, a second apart, as the kernel is set by default, and a moment. */
const NEIGHBOUR_PATIENCE_NANOS = 3.5e9;

const NAT_HOOKS = ["prerouting", "input", "output", "postrouting"] as const;

const GRAVITY: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/**
 * Keeps what packets tell about each other: which chains exist, which connections are translated. Journeys are to be
 * learned in the order in which they began, and all that are at hand before the first is explained.
 */
export class Diagnosis {
  readonly #chains: KnownChains;
  readonly #flows: FlowMemory;
  readonly #relations = new RelationMemory((netns, device) => isTunnel(this.#hosts.at(netns), device));
  readonly #holes = new LogHoles();
  #hosts: HostBook;
  /** For each journey that was learned and not yet explained, its answer as far as one came. */
  readonly #answers = new Map<string, Answer | null>();
  /** The requests that journeys not yet explained are the first answers to. */
  readonly #requests = new Map<string, Trail>();
  readonly #takes: Takes;

  /**
   * @param flows what is known of connections; it learns from every journey, and may learn from conntrack meanwhile
   * @param takes which packets the trace took
   */
  constructor(book: RuleBook, flows: FlowMemory, hosts: HostBook = NO_HOSTS, takes: Takes = () => null) {
    this.#chains = new KnownChains(book);
    this.#flows = flows;
    this.#hosts = hosts;
    this.#takes = takes;
  }

  /** Snapshots that became known later: used for every journey not yet explained. */
  useHosts(hosts: HostBook): void {
    this.#hosts = hosts;
  }

  learn(journey: Journey): void {
    this.#chains.learn(journey);
    this.#holes.learn(journey);
    this.#answers.set(journey.id, null);
    const trail = trailOf(journey);
    this.#relations.learn(journey, trail);
    const answered = this.#flows.learn(journey, trail);
    if (answered === null) return;
    const { request, answer } = answered;
    this.#requests.set(journey.id, request);
    // Too late for one that was shown already.
    if (this.#answers.has(request.id)) this.#answers.set(request.id, answer);
  }

  /** The journey in another namespace that this one goes on from; null where none is known. */
  partBefore(journey: Journey): string | null {
    return this.#relations.of(journey).continues?.journey ?? null;
  }

  /**
   * Nanoseconds to wait for a death that comes late: a packet has passed its last hook, and the kernel does not know yet
   * whether somebody answers for its next hop.
   */
  patienceWith(journey: Journey): number {
    if ((this.#answers.get(journey.id) ?? null) !== null) return 0;
    const hook = journey.steps.findLast((step) => step.hook !== null)?.hook;
    if (hook !== "postrouting" && hook !== "output" && hook !== "forward") return 0;
    const host = this.#hosts.at(journey.netns);
    return isUnanswered(nextHopOf(this.#routingOf(journey, host)), host) ? NEIGHBOUR_PATIENCE_NANOS : 0;
  }

  #routingOf(journey: Journey, host: HostSnapshot | null): readonly RoutingNote[] {
    const hasNat = NAT_HOOKS.some((hook) => this.#chains.hasNat(hook, journey.netns, journey.family));
    return routingOf(journey, host, hasNat);
  }

  #outcomeOf(journey: Journey, besides: Besides, isAnswered: boolean): Outcome {
    const followed = carriedBeneath(journey, besides) ?? outcomeOf(journey, this.#chains, isAnswered);
    return outcomeInVrf(followed, journey, this.#hosts.at(journey.netns));
  }

  /** @param latest when something was last heard of any packet: how long an answer has had to come */
  explain(traced: Journey, besides: Besides, latest: Time | null): Explained {
    const connection = traced.conntrack === null ? this.#flows.connectionOf(traced) : null;
    const known = connection === null ? traced : { ...traced, conntrack: connection };
    const answer = this.#answers.get(traced.id) ?? null;
    const hole = this.#holes.near(traced);
    const told = this.#outcomeOf(known, besides, answer !== null);
    // The lines that are missing may be the rest of it. Of one that came through nothing is.
    const mayGoOn = hole !== null && told.verdict === "vanished";
    const journey = mayGoOn ? { ...known, gaps: [...known.gaps, hole] } : known;
    const outcome = mayGoOn ? this.#outcomeOf(journey, besides, answer !== null) : told;
    const host = this.#hosts.at(journey.netns);
    const routing = this.#routingOf(journey, host);
    const mapping = this.#flows.mappingOf(journey);
    const expected = answerExpected(journey);
    const relations = this.#relations.of(journey);
    const seen = {
      outcome,
      isAnswered: answer !== null,
      isRefused: (answer?.isReset ?? false) || relations.answeredWith.length > 0,
      rival: this.#flows.rivalOf(journey),
      chains: this.#chains,
      mapping,
      request: this.#requests.get(journey.id) ?? null,
      // What a tunnel carries is answered, the tunnel's own packets are not.
      silence:
        answer === null && hole === null && relations.carries.length === 0
          ? this.#flows.silences.of(journey, latest)
          : null,
      otherWay: answer === null && expected !== null ? this.#flows.answeredAnotherWay(journey) : null,
      takesAnswer: expected === null ? null : this.#takes(expected),
      besides,
      host,
      routing,
      hostAtEnd: this.#hosts.lastAt(journey.netns),
    };
    const death = deathOf(journey, seen, DEATHS);
    const circumstances = death === null ? seen : { ...seen, outcome: death.outcome };
    const findings = CAUSES.flatMap((cause) => cause(journey, circumstances));
    if (death !== null) findings.unshift(death.finding);
    findings.sort((a, b) => GRAVITY[a.severity] - GRAVITY[b.severity]);
    this.#answers.delete(journey.id);
    this.#requests.delete(journey.id);
    this.#relations.forget(journey);
    const { outcome: outcomeHere } = circumstances;
    return {
      journey,
      outcome: outcomeHere,
      findings,
      answer,
      mapping,
      besides,
      routing,
      host,
      relations,
      parts: [],
      outcomeHere,
    };
  }
}
