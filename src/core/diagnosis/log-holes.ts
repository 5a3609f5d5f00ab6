/**
 * Holes in a log that nobody tells of.
 *
 * A logger under load leaves lines out, and not all of them say so. But a packet's way has no choice: it comes in by PREROUTING or OUTPUT,
 * and passes every base chain of a hook in the order of their priorities. So a journey that begins in the middle, or goes on behind a chain
 * without a word of it, although that chain has spoken of other packets, shows that lines are missing there; and then a packet that
 * is not heard of again may be one whose lines are missing.
 *
 * Sources that read from the kernel count their own losses, so journeys of text alone are looked at. Bounded: one entry for each
 * stretch of time with holes, and the oldest are forgotten first.
 */
import { nanosBetween, type Time } from "../base/time.ts";
import type { GapEvent, SightingEvent, StepEvent } from "../events/event.ts";
import type { Journey, Step } from "../journeys/journey.ts";
import type { PacketFamily } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";
import { WATCH_PRIORITY, WATCHED_HOOKS } from "../plans/own-chains.ts";

/** journald counts in stretches of 30 s (RateLimitIntervalSec), the kernel in 5 s (net.core.message_cost): where one line is missing, others may be. */
const NEAR_NANOS = 30e9;
const MOST_STRETCHES = 1_000;
/** Conntrack's defragmentation: what is in front of it saw the fragments, and not the packet that was made of them. */
const DEFRAGMENTATION = -400;

const REMEDY =
  "lift the limits of what writes this log for the time of the trace (sysctl net.core.message_cost=0; RateLimitIntervalSec=0 in journald.conf), or trace fewer packets; nfpath trace counts what is lost";

/** A base chain that has spoken. */
interface Post {
  readonly tracer: StepEvent["tracer"];
  readonly family: StepEvent["family"];
  readonly table: string;
  readonly chain: string;
  readonly hook: Hook;
  readonly priority: number;
}

interface Stretch {
  readonly netns: string | null;
  readonly from: Time | null;
  to: Time | null;
  /** What showed the first of its holes. */
  readonly gap: GapEvent;
}

type Stop = Step & { readonly hook: Hook; readonly priority: number };

export class LogHoles {
  readonly #posts = new Map<string | null, Post[]>();
  /** Learned, and not yet looked at: a chain may speak for the first time in a later journey. */
  #waiting: Journey[] = [];
  /** Namespaces in which a journey has begun where a way begins: what comes before that is the log's own beginning. */
  readonly #begun = new Set<string | null>();
  #stretches: Stretch[] = [];

  /** In the order in which journeys began. */
  learn(journey: Journey): void {
    if (!isFromText(journey)) return;
    for (const step of journey.steps) {
      if (step.isOwn) this.#postWatches(journey.netns, step);
      else if (step.event.step === "policy" && isStop(step) && !step.isNat) this.#post(journey.netns, step);
    }
    this.#waiting.push(journey);
  }

  /** The hole in the log that is near a packet's time; null where none is known. */
  near(journey: Journey): GapEvent | null {
    if (!isFromText(journey)) return null;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) this.#look(one);
    const found = this.#stretches.findLast(
      ({ netns, from, to }) =>
        netns === journey.netns && isNear(to, journey.firstTime) && isNear(journey.lastTime, from),
    );
    return found?.gap ?? null;
  }

  /** Our own table is made as a whole, and what it has marked speaks at each of its watch points. */
  #postWatches(netns: string | null, { event }: Step): void {
    if (event.family !== "inet" && event.family !== "ip" && event.family !== "ip6") return;
    for (const hook of WATCHED_HOOKS)
      this.#post(netns, { event: { ...event, chain: hook }, hook, priority: WATCH_PRIORITY });
  }

  #post(netns: string | null, { event, hook, priority }: Pick<Stop, "event" | "hook" | "priority">): void {
    const posts = this.#posts.get(netns) ?? [];
    if (posts.length === 0) this.#posts.set(netns, posts);
    const { tracer, family, table, chain } = event;
    for (const post of posts) {
      if (post.chain === chain && post.table === table && post.family === family && post.tracer === tracer)
        return;
    }
    posts.push({ tracer, family, table, chain, hook, priority });
  }

  #look(journey: Journey): void {
    const posts = this.#posts.get(journey.netns) ?? [];
    const stops = journey.steps.filter(isStop);
    const late = lateStart(journey, stops, posts);
    const isCutOff = late !== null && !this.#begun.has(journey.netns);
    if (late === null) this.#begun.add(journey.netns);
    // Steps that may be another packet's prove nothing of this one's way.
    if (journey.alike.length > 0 || journey.joinedBy === "neighbouring-lines") return;
    const step = (isCutOff ? null : late) ?? goesOnWithout(journey, stops, posts) ?? leavesUnsaid(journey);
    // A chain at whose head a packet is shown says something of it.
    const at = step?.event ?? journey.unspoken;
    if (at !== null) this.#add(journey, at);
  }

  #add({ netns, firstTime }: Journey, { origin, time }: StepEvent | SightingEvent): void {
    const at = time ?? firstTime;
    const last = this.#stretches.findLast((stretch) => stretch.netns === netns);
    if (last !== undefined && isNear(last.to, at)) {
      if ((nanosBetween(last.to, at) ?? 0) > 0) last.to = at;
      return;
    }
    if (this.#stretches.length >= MOST_STRETCHES) this.#stretches = this.#stretches.slice(1);
    const gap: GapEvent = {
      kind: "gap",
      origin,
      time: at,
      netns,
      gap: "lines-missing",
      count: null,
      remedy: REMEDY,
    };
    this.#stretches.push({ netns, from: at, to: at, gap });
  }
}

/** What shows the hole. */
export function wordsOfHole({ origin }: GapEvent): string {
  return `lines of the log are missing near it: at ${origin.input}:${origin.line} a packet goes on without what belongs there`;
}

/** Not long after it, or before. Clocks that do not compare tell nothing against it. */
function isNear(before: Time | null, after: Time | null): boolean {
  const nanos = nanosBetween(before, after);
  return nanos === null || nanos <= NEAR_NANOS;
}

/** Read from lines that somebody wrote down. Sources that read from the kernel count their own losses. */
export function isFromText({ steps }: Journey): boolean {
  return (steps[0]?.event.origin.line ?? null) !== null;
}

function isStop(step: Step): step is Stop {
  const { family } = step.event;
  return (
    step.hook !== null && step.priority !== null && (family === "ip" || family === "ip6" || family === "inet")
  );
}

/** The first step, where a way cannot begin with it; null where it can. */
function lateStart({ steps, family }: Journey, stops: readonly Stop[], posts: readonly Post[]): Step | null {
  const [first] = steps;
  if (first === undefined || first.isOwn || setsTrace(first)) return null;
  // A chain that was jumped to ends: the jump is missing.
  if (first.event.step === "return") return first;
  const [stop] = stops;
  if (stop === undefined || stop !== first) return null;
  return posts.some((post) => mustComeBefore(post, family, stop)) ? first : null;
}

/** From a rule like this on a packet is traced, wherever it stands. */
function setsTrace({ event, resolved }: Step): boolean {
  return /\bnftrace set\b|-j TRACE\b/.test(resolved.rule?.text ?? event.ruleText ?? "");
}

function mustComeBefore(post: Post, packet: PacketFamily, first: Stop): boolean {
  if (!hears(post, packet, first) || post.priority <= DEFRAGMENTATION) return false;
  if (post.hook === first.hook) return post.priority < first.priority;
  switch (first.hook) {
    case "input":
    case "forward":
      return post.hook === "prerouting";
    case "postrouting":
      // Older kernels name no incoming interface there; then a packet made here is meant.
      return first.sighting?.in == null ? post.hook === "output" : post.hook === "prerouting";
    default:
      return false;
  }
}

/** The first step that comes behind a chain which was left out; null where none does. */
function goesOnWithout({ family }: Journey, stops: readonly Stop[], posts: readonly Post[]): Step | null {
  for (const tracer of ["xtables", "nft"] as const) {
    const mine = stops.filter(({ event }) => event.tracer === tracer);
    for (let at = 1; at < mine.length; at++) {
      const [before, after] = [mine[at - 1] as Stop, mine[at] as Stop];
      if (posts.some((post) => isLeftOut(post, family, before, after))) return after;
    }
  }
  return null;
}

/**
 * The first step in another chain although the last one's had more to say; null where there is none. nft says every verdict, and
 * a base chain ends with one that ends it, or with its policy.
 */
function leavesUnsaid({ steps }: Journey): Step | null {
  const mine = steps.filter(({ event }) => event.tracer === "nft");
  for (let at = 1; at < mine.length; at++) {
    const [before, after] = [mine[at - 1] as Step, mine[at] as Step];
    const goesElsewhere = before.hop !== after.hop || before.event.table !== after.event.table;
    if (goesElsewhere && !before.isOwn && before.kind !== "policy" && isMidway(before)) return after;
  }
  return null;
}

function isMidway({ event, verdict, verdictBy }: Step): boolean {
  if (verdictBy !== "said" || event.family === "netdev") return false;
  return verdict === "continue" || verdict === "jump" || verdict === "goto" || verdict === "return";
}

const NEXT_HOOKS: Readonly<Partial<Record<Hook, readonly Hook[]>>> = {
  prerouting: ["input", "forward", "postrouting"],
  forward: ["postrouting"],
  output: ["postrouting"],
  postrouting: ["prerouting"],
};

/** Whether a packet that was seen at these two, one after the other, has passed that chain between them. */
function isLeftOut(post: Post, packet: PacketFamily, before: Stop, after: Stop): boolean {
  if (!hears(post, packet, after)) return false;
  if (before.hook === after.hook) {
    return (
      before.hop === after.hop &&
      post.hook === before.hook &&
      post.priority > before.priority &&
      post.priority < after.priority
    );
  }
  if (NEXT_HOOKS[before.hook]?.includes(after.hook) !== true) return false;
  if (post.hook === before.hook) return post.priority > before.priority;
  if (post.hook === after.hook) return post.priority < after.priority && post.priority > DEFRAGMENTATION;
  return before.hook === "prerouting" && after.hook === "postrouting" && post.hook === "forward";
}

/** Whether a packet that a step tells of is one that the chain tells of too. */
function hears(post: Post, packet: PacketFamily, { event }: Stop): boolean {
  return post.tracer === event.tracer && (post.family === packet || post.family === "inet");
}
