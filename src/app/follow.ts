/**
 * `nfpath explain --follow`: a trace that is still being written, explained packet by packet as they finish.
 *
 * A packet has finished when nothing was heard of it for a while by the clock of its own lines, or when the input as a whole
 * falls silent: lines of `nft monitor trace` have no clock.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { LineSplitter } from "../core/base/lines.ts";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Time } from "../core/base/time.ts";
import type { Explained } from "../core/diagnosis/diagnose.ts";
import { Explainer } from "../core/diagnosis/explainer.ts";
import { TextTraceDecoder } from "../core/events/decode/text-trace.ts";
import type { Event } from "../core/events/event.ts";
import type { HostBook } from "../core/hosts/host-book.ts";
import { looksLikeSnapshot } from "../core/hosts/read-snapshot.ts";
import { RuleBook } from "../core/rulesets/rule-book.ts";
import type { Ruleset } from "../core/rulesets/ruleset.ts";
import { RulesetReader } from "../core/rulesets/ruleset-reader.ts";
import { isSystemError } from "../linux/sysctl.ts";
import type { Tail } from "../sources/tail.ts";
import type { TextInput } from "../sources/text-input.ts";
import { EventTally } from "./event-tally.ts";
import type { ExplainReport, OnExplained } from "./explain.ts";
import { HostEvidence } from "./host-evidence.ts";
import { type Refusal, refusal } from "./refusal.ts";

export interface FollowOptions {
  readonly tail: Tail;
  /** Rules, read before. Whatever else stands in them is not looked at. */
  readonly rules: readonly TextInput[];
  /** Completes dates of logs that do not tell their year. */
  readonly year: number | null;
  /** Ends it; so does the end of standard input. */
  readonly signal: AbortSignal;
}

const ASKED_EVERY_MS = 100;
const IDLE_NANOS = 5e8;
const SHOWN_AFTER_NANOS = 1e9;
/** When nothing at all has come for so long, every packet has finished. */
const SILENCE_MS = 1_000;
const MOST_HELD = 50_000;

/** Refused when the input or the rules cannot be read; otherwise runs until it is ended. Closes the tail. */
export async function follow(
  options: FollowOptions,
  onExplained: OnExplained,
): Promise<Result<ExplainReport, Refusal>> {
  const { tail, signal } = options;
  try {
    const hosts = new HostEvidence();
    const rulesets = await readRules(options.rules, hosts);
    if (!rulesets.ok) return rulesets;
    const follower = new Follower(rulesets.value, hosts.book(), options);
    let lastHeard = performance.now();
    while (!signal.aborted) {
      const isOver = tail.isOver;
      const pieces = tail.read();
      for (const piece of pieces) {
        if (piece.kind === "text") follower.push(piece.text);
        else follower.lose();
      }
      const now = performance.now();
      if (pieces.length > 0) lastHeard = now;
      await hand(follower.settle(now - lastHeard), onExplained);
      if (isOver) break;
      await pause(signal);
    }
    await hand(follower.end(), onExplained);
    return ok(follower.report());
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return refused(
      refusal(2, `${tail.name}: ${error.message}`, "see whether it is still there and readable"),
    );
  } finally {
    tail.close();
  }
}

class Follower {
  readonly #options: FollowOptions;
  readonly #rulesets: readonly Ruleset[];
  readonly #explainer: Explainer;
  readonly #decoder: TextTraceDecoder;
  readonly #splitter: LineSplitter;
  readonly #events = new EventTally();
  #leaving: Explained[] = [];
  #latest: Time | null = null;
  #lines = 0;
  #journeys = 0;
  /** Whether all that was heard has been explained. */
  #isSettled = true;

  constructor(rulesets: readonly Ruleset[], hosts: HostBook, options: FollowOptions) {
    this.#options = options;
    this.#rulesets = rulesets;
    const explainer = { linker: { idleNanos: IDLE_NANOS, idleEvents: 1_000_000 }, mostHeld: MOST_HELD };
    this.#explainer = new Explainer(new RuleBook(rulesets), explainer, hosts);
    const year = options.year === null ? {} : { year: options.year };
    this.#decoder = new TextTraceDecoder({ input: options.tail.name, netns: null, ...year });
    this.#splitter = new LineSplitter((text, line, cut) => {
      this.#lines = line;
      if (cut === 0) this.#take(this.#decoder.read(text, line));
    });
  }

  push(text: string): void {
    this.#isSettled = false;
    this.#splitter.push(text);
  }

  /** The file was cut: nobody knows how much of it was not read. */
  lose(): void {
    const origin = { input: this.#options.tail.name, line: null, raw: "" };
    const remedy = "let logrotate move the file and make a new one (create) instead of copytruncate";
    this.#take([
      { kind: "gap", origin, time: this.#latest, netns: null, gap: "truncated", count: null, remedy },
    ]);
  }

  /** What can be shown, nothing having come for so long. */
  settle(silentMs: number): readonly Explained[] {
    if (silentMs >= SILENCE_MS && !this.#isSettled) {
      this.#isSettled = true;
      this.#take(this.#decoder.end());
      this.#leaving.push(...this.#explainer.end());
    } else if (this.#latest !== null) {
      this.#leaving.push(...this.#explainer.settle(later(this.#latest, silentMs), SHOWN_AFTER_NANOS));
    }
    return this.#leave();
  }

  end(): readonly Explained[] {
    this.#splitter.end();
    this.#take(this.#decoder.end());
    this.#leaving.push(...this.#explainer.end());
    return this.#leave();
  }

  report(): ExplainReport {
    const rules = this.#rulesets.flatMap(({ tables }) => tables.flatMap(({ chains }) => chains));
    return {
      rulesets: this.#rulesets,
      events: this.#events.counts,
      unparsed: this.#events.unparsed,
      journeys: this.#journeys,
      inputs: [
        {
          name: this.#options.tail.name,
          lines: this.#lines,
          events: this.#events.total,
          rules: rules.reduce((sum, chain) => sum + chain.rules.length, 0),
          hasHost: false,
        },
      ],
    };
  }

  #take(events: readonly Event[]): void {
    for (const event of events) {
      this.#events.count(event);
      if (event.time !== null) this.#latest = event.time;
      this.#leaving.push(...this.#explainer.add(event));
    }
  }

  #leave(): readonly Explained[] {
    const leaving = this.#leaving;
    this.#leaving = [];
    this.#journeys += leaving.length;
    return leaving;
  }
}

async function hand(leaving: readonly Explained[], onExplained: OnExplained): Promise<void> {
  for (const explained of leaving) await onExplained(explained);
}

async function readRules(
  inputs: readonly TextInput[],
  hosts: HostEvidence,
): Promise<Result<readonly Ruleset[], Refusal>> {
  const rulesets: Ruleset[] = [];
  for (const input of inputs) {
    const text: string[] = [];
    for await (const chunk of input.chunks()) text.push(chunk);
    if (looksLikeSnapshot(text[0] ?? "")) {
      const read = hosts.readSnapshot(input.name, text.join(""));
      if (!read.ok) return read;
      rulesets.push(...read.value);
      continue;
    }
    const reader = new RulesetReader({ input: input.name, netns: null, force: true });
    const take = (line: string, number: number) => {
      // With `force` every line is the rules' own: what tells about a host is taken out before.
      if (!hosts.readLine(line)) reader.read(line, number);
    };
    const splitter = new LineSplitter(take, Number.MAX_SAFE_INTEGER);
    for (const chunk of text) splitter.push(chunk);
    splitter.end();
    hosts.endInput();
    rulesets.push(...reader.end());
  }
  return ok(rulesets);
}

/** A moment of the input's own clock, as long after its last line as has passed here. */
function later(time: Time, ms: number): Time {
  const nanos = time.nanos + Math.round(ms * 1e6);
  return { ...time, seconds: time.seconds + Math.floor(nanos / 1e9), nanos: nanos % 1e9 };
}

async function pause(signal: AbortSignal): Promise<void> {
  try {
    await sleep(ASKED_EVERY_MS, undefined, { signal });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AbortError") throw error;
  }
}
