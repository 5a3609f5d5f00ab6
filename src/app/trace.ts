/**
 * `nfpath trace`: marks packets, listens, and explains them as they finish.
 *
 * The rules are read before the first packet is marked and again at the end: a trace names rules by handle or position,
 * which mean nothing without the list that was in force.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ok, type Result, refused } from "../core/base/result.ts";
import { nanosBetween, type Time } from "../core/base/time.ts";
import type { Explained } from "../core/diagnosis/diagnose.ts";
import { Explainer } from "../core/diagnosis/explainer.ts";
import type { Event, GapEvent, Sighting, StepEvent, UnparsedEvent } from "../core/events/event.ts";
import { anywhereOnItsWay } from "../core/filters/anywhere.ts";
import type { Filter } from "../core/filters/filter.ts";
import { filterPredicate, matchesFilter } from "../core/filters/predicate.ts";
import { printFilter } from "../core/filters/print.ts";
import { impliedConntrack } from "../core/hooks/implied-functions.ts";
import type { HostSnapshot } from "../core/hosts/host.ts";
import { HostBook } from "../core/hosts/host-book.ts";
import type { Journey } from "../core/journeys/journey.ts";
import { isMarkedByOthersOnly } from "../core/journeys/marked-by.ts";
import { ownTableName } from "../core/plans/own-table.ts";
import type { ConntrackInUse } from "../core/plans/trace-plan.ts";
import { RuleBook } from "../core/rulesets/rule-book.ts";
import type { Ruleset } from "../core/rulesets/ruleset.ts";
import { conntrackInUse } from "../linux/conntrack-in-use.ts";
import type { HostRefusal } from "../linux/refusal.ts";
import { takeSnapshot } from "../linux/snapshot/take-snapshot.ts";
import type { BesideSource, OnEvents } from "../sources/beside-source.ts";
import { openKernelDrops } from "../sources/kernel-drops.ts";
import { timeNow } from "../sources/live.ts";
import { openWire } from "../sources/wire.ts";
import type { MechanismWish } from "../tracing/mechanism.ts";
import { type DryRun, type PlanOptions, planDryRun } from "../tracing/plan-here.ts";
import { checkDevices, checkHost, missingRights } from "../tracing/preflight.ts";
import { giveUpRights, takeUpRights } from "../tracing/rights.ts";
import { startTrace, type Trace, type TraceEnd } from "../tracing/trace.ts";
import { type EventCounts, EventTally } from "./event-tally.ts";
import type { OnExplained } from "./explain.ts";
import { ofHost } from "./host-refusal.ts";
import { type ChosenMarking, hiddenByRaw, isStepOfOwnRule, type Marking, markingOf } from "./marking.ts";
import type { Refusal } from "./refusal.ts";
import { RouteCheck } from "./route-check.ts";
import { type RulesNow, readRules } from "./rules.ts";
import { type Choice, choosesAll, NO_CHOICE } from "./trace-tables.ts";

export interface LiveOptions {
  /** Null: every packet. */
  readonly filter: Filter | null;
  /** Namespaces; null is the one nfpath runs in. At least one. */
  readonly netns: readonly (string | null)[];
  readonly seconds: number;
  /** Ends after so many packets; null: no such limit. */
  readonly packets: number | null;
  /** Packets a second and namespace at most. */
  readonly rate: number;
  /** Which packets, beside the filter; nothing said where absent. */
  readonly choice?: Choice;
  /** Whether to hear of connections, so that translations are told exactly. Costs each new connection some µs. */
  readonly conntrack?: boolean;
  /** NFLOG groups whose messages are shown with the packets. */
  readonly nflogGroups?: readonly number[];
  /** How packets are marked; default `auto`: by looking. */
  readonly mechanism?: MechanismWish;
  /** Whether to capture the packets at the interfaces too. */
  readonly wire?: boolean;
  /** Whether to ask the kernel what it drops, in whatever layer. Takes seconds to begin. */
  readonly drops?: boolean;
  /** Runs while the trace does, which ends a moment after it; null: nothing. */
  readonly during: (() => Promise<void>) | null;
  /** Ends the trace early, cleanly. */
  readonly signal: AbortSignal;
  /**
   * Whether this process may give up, for good, what it does not need once the trace is armed and `during` has begun. For a
   * process that does nothing else afterwards. Default false.
   */
  readonly givesUpRights?: boolean;
  /** The trace is armed: packets are marked from now on, in this way. */
  readonly onArmed?: (trace: Trace, marking: Marking) => void;
}

export interface LiveReport {
  readonly rulesets: readonly Ruleset[];
  readonly events: EventCounts;
  readonly unparsed: readonly UnparsedEvent[];
  readonly gaps: readonly GapEvent[];
  readonly journeys: number;
  /** What the traced namespaces were like when it began, and when it ended; of one that has gone, nothing. */
  readonly hosts: { readonly before: readonly HostSnapshot[]; readonly after: readonly HostSnapshot[] };
  /** Null when something could not be put back: see `notRestored`. */
  readonly end: TraceEnd | null;
  /** What could not be put back, with the commands that finish it; null when all is as it was. */
  readonly notRestored: Refusal | null;
  /** Why it ended. */
  readonly endedBy: EndReason;
  /** For a person: rules that could not be read, or changed meanwhile. */
  readonly notes: readonly string[];
}

/** `broken`: a process of ours was killed, and nothing more could be heard. */
export type EndReason = "time" | "packets" | "command" | "signal" | "broken";

/** A packet that nothing was heard of for so long has finished. One that waits in a queue longer is shown in two parts. */
const IDLE_NANOS = 5e8;
/** … and is shown, an answer having had the time to come. */
const SHOWN_AFTER_NANOS = 1e9;
const SETTLE_EVERY_MS = 250;
/** What a command sends last is still under way when it ends. */
const AFTER_COMMAND_MS = 300;
/** The rules outlive the trace by this much, in case that nfpath does not. */
const DEADLINE_SLACK_SECONDS = 5;

export async function traceLive(
  options: LiveOptions,
  onExplained: OnExplained,
): Promise<Result<LiveReport, Refusal>> {
  const routeCheck = new RouteCheck(options.netns);
  try {
    return await traceWith(options, onExplained, routeCheck);
  } finally {
    await routeCheck.end();
  }
}

async function traceWith(
  options: LiveOptions,
  onExplained: OnExplained,
  routeCheck: RouteCheck,
): Promise<Result<LiveReport, Refusal>> {
  const marking = await markingOf(options);
  if (!marking.ok) return marking;
  const { rawRules } = marking.value;
  const host = checkHost(options.netns, rawRules);
  if (!host.ok) return refused(ofHost(host.error));
  const { ingress, egress } = options.choice ?? NO_CHOICE;
  const devices = checkDevices(options.netns, [...ingress, ...egress]);
  if (!devices.ok) return refused(ofHost(devices.error));
  const before = await readAllRules(options.netns);
  if (!before.ok) return refused(ofHost(before.error));
  const early = new EarlyEvents();
  const besides = await openBesides(options, (batch) => early.take(batch));
  if (!besides.ok) return refused(ofHost(besides.error));
  const taking = takeSnapshots(options.netns, before.value);
  const started = await startTrace({
    ...tablesOf(marking.value, options.netns, before.value),
    rawRules,
    netns: options.netns,
    deadlineSeconds: options.seconds + DEADLINE_SLACK_SECONDS,
    ratePerSecond: options.rate,
    conntrack: options.conntrack ?? false,
    nflogGroups: options.nflogGroups ?? [],
    onEvents: (batch) => early.take(batch),
  });
  if (!started.ok) {
    await endAll(besides.value);
    await taking;
    return refused(ofHost(started.error));
  }
  const trace = started.value;
  let listener: Listener | null = null;
  let inForce: readonly RulesNow[] = before.value;
  let end: Awaited<ReturnType<Trace["stop"]>>;
  let endedBy: EndReason;
  try {
    // Rules in raw are part of what the steps speak of.
    const rulesNow = rawRules === null ? before : await readAllRules(options.netns);
    if (rulesNow.ok) inForce = rulesNow.value;
    const book = new RuleBook(rulesetsOf(inForce));
    const choice = options.choice ?? NO_CHOICE;
    listener = new Listener(
      book,
      choosesAll(choice) ? filterPredicate(options.filter) : () => false,
      onExplained,
      routeCheck,
    );
    // Taken while the trace was armed: no packet is shown before it is there.
    listener.useHosts((await taking).hosts);
    if (rawRules === null) listener.ownTable = ownTableName(trace.plan.runId);
    else listener.isOwnStep = (step) => isStepOfOwnRule(step, book, trace.plan.runId);
    // The kernel log has the packets of everybody who traces.
    if (trace.readsKernelLog) listener.filter = options.filter;
    listener.armedAt = timeNow();
    early.handOver(listener.take);
    const notes = [
      ...marking.value.notes,
      ...hiddenByRaw(rawRules, rulesetsOf(before.value)),
      ...trace.notes,
      ...(trace.readsKernelLog && marking.value.follows ? [NO_REPLIES_FROM_LOG] : []),
    ];
    options.onArmed?.(trace, { ...marking.value, notes });
    const waiting = wait(options, listener, trace);
    // The user's command has been started by now, with all that the user may do.
    if (options.givesUpRights === true) giveUpRights(options.netns);
    endedBy = await waiting;
  } finally {
    if (options.givesUpRights === true) takeUpRights();
    if (listener !== null) listener.stoppedAt = timeNow();
    end = await trace.stop();
    await endAll(besides.value);
  }
  const [after, hostsAfter] = await Promise.all([
    readAllRules(options.netns),
    takeSnapshots(options.netns, null),
  ]);
  const hostsBefore = await taking;
  const notes = after.ok
    ? [...compareRules(before.value, after.value, options.netns)]
    : [after.error.message];
  notes.push(...hostsBefore.notes);
  listener.useHosts([...hostsBefore.hosts, ...hostsAfter.hosts]);
  await listener.finish();
  notes.push(...routeCheck.disagreements);
  return ok({
    rulesets: rulesetsOf(inForce),
    events: listener.events.counts,
    unparsed: listener.events.unparsed,
    gaps: listener.events.gaps,
    journeys: listener.journeys,
    hosts: {
      before: withRules(hostsBefore.hosts, inForce),
      after: withRules(hostsAfter.hosts, after.ok ? after.value : []),
    },
    end: end.ok ? end.value : null,
    notRestored: end.ok ? null : { ...ofHost(end.error), status: 1 },
    endedBy,
    notes,
  });
}

/** The sources beside the trace that were asked for, each listening; or the first refusal, and none left running. */
async function openBesides(
  { filter, netns, wire, drops }: LiveOptions,
  onEvents: OnEvents,
): Promise<Result<readonly BesideSource[], HostRefusal>> {
  const opening: Promise<Result<BesideSource, HostRefusal>>[] = [];
  const everywhere = anywhereOnItsWay(filter);
  if (wire)
    for (const name of netns)
      opening.push(openWire(name, everywhere === null ? "" : printFilter(everywhere), onEvents));
  if (drops) opening.push(openKernelDrops(netns, onEvents));
  const opened = await Promise.all(opening);
  const sources = opened.flatMap((source) => (source.ok ? [source.value] : []));
  const refusal = opened.find((source) => !source.ok);
  if (refusal === undefined || refusal.ok) return ok(sources);
  await endAll(sources);
  return refusal;
}

async function endAll(sources: readonly BesideSource[]): Promise<void> {
  await Promise.all(sources.map((source) => source.end()));
}

/** What `traceLive` would change on this host; nothing is changed. */
export async function planLive(
  options: Pick<LiveOptions, "filter" | "netns" | "seconds" | "rate" | "mechanism" | "choice">,
): Promise<Result<DryRun & Pick<Marking, "notes">, Refusal>> {
  const marking = await markingOf(options);
  if (!marking.ok) return marking;
  const { rawRules, notes, follows } = marking.value;
  const canRead = follows && missingRights(options.netns).length === 0;
  const rules = canRead ? await readAllRules(options.netns) : ok([]);
  const planned = planDryRun({
    ...tablesOf(marking.value, options.netns, rules.ok ? rules.value : []),
    rawRules,
    netns: options.netns,
    deadlineSeconds: options.seconds + DEADLINE_SLACK_SECONDS,
    ratePerSecond: options.rate,
  });
  return planned.ok ? ok({ ...planned.value, notes }) : refused(ofHost(planned.error));
}

/** Keeps what comes before there is somebody to take it. */
class EarlyEvents {
  #kept: Event[] = [];
  #taker: ((batch: readonly Event[]) => void) | null = null;

  take(batch: readonly Event[]): void {
    if (this.#taker === null) this.#kept.push(...batch);
    else this.#taker(batch);
  }

  handOver(taker: (batch: readonly Event[]) => void): void {
    this.#taker = taker;
    const kept = this.#kept;
    this.#kept = [];
    if (kept.length > 0) taker(kept);
  }
}

/** Takes events as they come and lets journeys go as they finish. */
class Listener {
  readonly events = new EventTally();
  journeys = 0;
  /** Packets that another run has marked are not ours to show; null until the trace is armed. */
  ownTable: string | null = null;
  armedAt: Time | null = null;
  stoppedAt: Time | null = null;
  /** Steps of rules that this trace has added are no evidence about the host. */
  isOwnStep: (step: StepEvent) => boolean = () => false;
  /** Which packets are ours to show where that is all that tells; null: every one. */
  filter: Filter | null = null;
  readonly #explainer: Explainer;
  readonly #onExplained: OnExplained;
  readonly #routeCheck: RouteCheck;
  /** Journeys are shown one after the other, however slow the reader is. */
  #showing: Promise<void> = Promise.resolve();

  constructor(
    book: RuleBook,
    matches: (sighting: Sighting) => boolean | null,
    onExplained: OnExplained,
    routeCheck: RouteCheck,
  ) {
    this.#routeCheck = routeCheck;
    this.#explainer = new Explainer(book, {
      linker: { idleNanos: IDLE_NANOS, idleEvents: 1_000_000 },
      mostHeld: 10_000,
      takes: matches,
      isWanted: (frame) => this.#wasTraced(frame.time) && matches(frame.sighting) === true,
    });
    this.#onExplained = onExplained;
  }

  get begun(): number {
    return this.#explainer.begun;
  }

  useHosts(hosts: readonly HostSnapshot[]): void {
    this.#explainer.useHosts(new HostBook(hosts));
  }

  readonly take = (batch: readonly Event[]): void => {
    for (const event of batch) {
      if (event.kind === "step" && this.isOwnStep(event)) continue;
      this.events.count(event);
      this.#show(this.#explainer.add(event));
    }
  };

  /** Captures begin before packets are marked, and end after. */
  #wasTraced(time: Time | null): boolean {
    const { armedAt, stoppedAt } = this;
    if (armedAt === null) return false;
    const since = nanosBetween(armedAt, time) ?? 0;
    const until = stoppedAt === null ? 0 : (nanosBetween(time, stoppedAt) ?? 0);
    return since >= 0 && until >= 0;
  }

  /** @param until when everything has been heard that happened */
  settle(until: Time): void {
    this.#show(this.#explainer.settle(until, SHOWN_AFTER_NANOS));
  }

  async finish(): Promise<void> {
    this.#show(this.#explainer.end(this.stoppedAt));
    await this.#showing;
  }

  #isOurs(journey: Journey): boolean {
    const { ownTable, filter } = this;
    if (ownTable !== null && isMarkedByOthersOnly(journey, ownTable)) return false;
    return filter === null || isMeant(filter, journey);
  }

  #show(all: readonly Explained[]): void {
    const leaving = all.filter(({ journey }) => this.#isOurs(journey));
    if (leaving.length === 0) return;
    this.journeys += leaving.length;
    this.#showing = this.#showing.then(async () => {
      for (const explained of await this.#routeCheck.check(leaving)) await this.#onExplained(explained);
    });
  }
}

function isMeant(filter: Filter, { steps, first }: Journey): boolean {
  return [first, ...steps.map(({ sighting }) => sighting)].some(
    (sighting) => sighting !== null && matchesFilter(filter, sighting) !== false,
  );
}

async function wait(options: LiveOptions, listener: Listener, trace: Trace): Promise<EndReason> {
  const over = new AbortController();
  const settling = setInterval(() => listener.settle(trace.heardUntil()), SETTLE_EVERY_MS);
  try {
    return await Promise.race([
      pause(options.seconds * 1000, over.signal).then((): EndReason => "time"),
      untilAborted(options.signal).then((): EndReason => "signal"),
      enoughPackets(options.packets, listener, over.signal).then((): EndReason => "packets"),
      command(options.during, over.signal).then((): EndReason => "command"),
      trace.broken.then((): EndReason => "broken"),
    ]);
  } finally {
    clearInterval(settling);
    over.abort();
  }
}

async function command(during: LiveOptions["during"], over: AbortSignal): Promise<void> {
  if (during === null) return never(over);
  await during();
  await pause(AFTER_COMMAND_MS, over);
}

async function enoughPackets(most: number | null, listener: Listener, over: AbortSignal): Promise<void> {
  if (most === null) return never(over);
  while (listener.begun < most && !over.aborted) await pause(20, over);
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Resolves only when the wait is over anyhow, so that no promise is left behind. */
async function never(over: AbortSignal): Promise<void> {
  await untilAborted(over);
}

async function pause(ms: number, over: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal: over });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AbortError") throw error;
  }
}

/** The kernel log has everybody's packets, and a reply that was translated is told by nothing in the filter. */
const NO_REPLIES_FROM_LOG =
  "of the replies, those that the filter's own words say are shown: the kernel log does not tell who marked a packet";

/** What the plan of an nft table has to know; nothing for rules in raw. */
function tablesOf(
  { tables, follows }: ChosenMarking,
  netns: readonly (string | null)[],
  rules: readonly RulesNow[],
): Pick<PlanOptions, "tables" | "conntrackInUse"> {
  if (tables === null) return {};
  return follows && rules.length > 0
    ? { tables, conntrackInUse: whereConntrackIs(netns, rules) }
    : { tables };
}

/** By the kernel's list of hooks; where it has none, by the rules, which are what switches conntrack on. */
function whereConntrackIs(
  netns: readonly (string | null)[],
  rules: readonly RulesNow[],
): readonly ConntrackInUse[] {
  return netns.map((name, index) => conntrackInUse(name) ?? impliedConntrack(rules[index]?.rulesets ?? []));
}

function rulesetsOf(all: readonly RulesNow[]): readonly Ruleset[] {
  return all.flatMap(({ rulesets }) => rulesets);
}

async function readAllRules(
  netns: readonly (string | null)[],
): Promise<Result<readonly RulesNow[], HostRefusal>> {
  const all: RulesNow[] = [];
  for (const name of netns) {
    const read = await readRules(name);
    if (!read.ok) return read;
    all.push(read.value);
  }
  return ok(all);
}

interface TakenSnapshots {
  readonly hosts: readonly HostSnapshot[];
  /** Why there is none of a namespace. */
  readonly notes: readonly string[];
}

/** @param rules those in force, of each namespace; null where they are read elsewhere */
async function takeSnapshots(
  netns: readonly (string | null)[],
  rules: readonly RulesNow[] | null,
): Promise<TakenSnapshots> {
  const hosts: HostSnapshot[] = [];
  const notes: string[] = [];
  for (const [at, name] of netns.entries()) {
    const taken = await takeSnapshot({ netns: name, rulesets: rules?.[at]?.texts ?? "skip" });
    if (taken.ok) hosts.push(taken.value);
    else notes.push(`no snapshot: ${taken.error.message}`);
  }
  return { hosts, notes };
}

function withRules(hosts: readonly HostSnapshot[], rules: readonly RulesNow[]): readonly HostSnapshot[] {
  return hosts.length === rules.length
    ? hosts.map((host, at) => ({ ...host, rulesets: rules[at]?.texts ?? null }))
    : hosts;
}

function compareRules(
  before: readonly RulesNow[],
  after: readonly RulesNow[],
  netns: readonly (string | null)[],
) {
  const notes = before.flatMap((now) => now.refusals.map((error) => `rules not read: ${error.message}`));
  for (const [index, name] of netns.entries()) {
    if (before[index]?.fingerprint === after[index]?.fingerprint) continue;
    const where = name === null ? "" : ` in ${name}`;
    notes.push(
      `the rules changed${where} during the trace: steps after the change may show an older rule's text`,
    );
  }
  return notes;
}
