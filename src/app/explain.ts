/**
 * `nfpath explain`: logs, traces and rulesets in any mix and order, to explained journeys.
 *
 * Every input is read line by line by two readers side by side, one that knows rules and one that knows traces; what
 * neither knows is prose. Inputs are looked through for rules first, so that a trace can come before its rules; of one
 * that is too large for that, the rules are used from where they stand.
 */
import { LineSplitter } from "../core/base/lines.ts";
import { ok, type Result, refused } from "../core/base/result.ts";
import { isProbablyBinary } from "../core/base/text.ts";
import type { Explained } from "../core/diagnosis/diagnose.ts";
import { DEFAULT_EXPLAINER_OPTIONS, Explainer, type ExplainerOptions } from "../core/diagnosis/explainer.ts";
import { looksLikeTrace, TextTraceDecoder } from "../core/events/decode/text-trace.ts";
import type { Event, UnparsedEvent } from "../core/events/event.ts";
import { looksLikeSnapshot } from "../core/hosts/read-snapshot.ts";
import { RuleBook } from "../core/rulesets/rule-book.ts";
import type { Ruleset } from "../core/rulesets/ruleset.ts";
import { RulesetReader } from "../core/rulesets/ruleset-reader.ts";
import type { CaptureInput } from "../sources/collection.ts";
import { type Head, openTextInput, type TextInput } from "../sources/text-input.ts";
import { type EventCounts, EventTally } from "./event-tally.ts";
import { HostEvidence } from "./host-evidence.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { spareMemory } from "./spare-memory.ts";

export interface ExplainOptions {
  readonly inputs: readonly TextInput[];
  /** Inputs that are rules whatever they look like. */
  readonly ruleInputs: readonly TextInput[];
  /** Inputs that tell what the host was like, and nothing else. */
  readonly factInputs?: readonly TextInput[];
  /** Captures of netfilter's log, read behind the texts. */
  readonly captures?: readonly CaptureInput[];
  /** Completes dates of logs that do not tell their year; null leaves them without. */
  readonly year: number | null;
  readonly explainer?: ExplainerOptions;
  /** Told the rules before the first packet is explained, and again where more become known later. Refuses: it ends. */
  readonly onRules?: (book: RuleBook) => Refusal | null;
}

export interface ExplainReport {
  readonly rulesets: readonly Ruleset[];
  readonly events: EventCounts;
  /** The first of what could not be read; `events.unparsed` has the number. */
  readonly unparsed: readonly UnparsedEvent[];
  readonly journeys: number;
  /** For each input: its name, and what was found in it. */
  readonly inputs: readonly InputReport[];
}

export interface InputReport {
  readonly name: string;
  readonly lines: number;
  readonly events: number;
  readonly rules: number;
  /** It tells what a host was like: a snapshot, or listings of its addresses, routes, settings. */
  readonly hasHost: boolean;
}

/** Takes each journey as it leaves; an answer that is a promise is waited for. */
export type OnExplained = (explained: Explained) => void | Promise<void>;

/** Characters of each input that are looked through for rules before the first packet is explained. */
const READ_AHEAD = 64 * 1024 * 1024;

/** Characters of a trace from which on memory is spared, at some cost of time. */
const MUCH = 8 * 1024 * 1024;

export async function explain(
  options: ExplainOptions,
  onExplained: OnExplained,
): Promise<Result<ExplainReport, Refusal>> {
  const { inputs, ruleInputs } = options;
  const rulesets: Ruleset[] = [];
  const readAhead = new Set<TextInput>();
  const onlyRules = new Set<TextInput>();
  const hosts = new HostEvidence();
  const ofHosts = new Set<string>();
  for (const input of [...ruleInputs, ...inputs]) {
    const isForced = ruleInputs.includes(input);
    const read = await readRules(input, isForced, hosts);
    if (!read.ok) return read;
    rulesets.push(...read.value.rulesets);
    if (read.value.isWhole) readAhead.add(input);
    if (read.value.isWithoutTrace) onlyRules.add(input);
    if (read.value.hasHost) ofHosts.add(input.name);
  }
  for (const input of options.factInputs ?? []) {
    const read = await readFacts(input, hosts);
    if (!read.ok) return read;
  }
  const book = new RuleBook(rulesets);
  const run = new Run(book, rulesets, { hosts, ofHosts }, options, onExplained);
  const isAllKnown = inputs.every((input) => readAhead.has(input));
  const refusedRules = options.onRules?.(book) ?? null;
  if (refusedRules !== null && isAllKnown) return refused(refusedRules);
  for (const input of inputs) {
    if (!onlyRules.has(input)) await run.read(input, !readAhead.has(input));
  }
  const captures = options.captures ?? [];
  for (const capture of captures) await run.readCapture(capture);
  return run.finish(inputs.filter((input) => !onlyRules.has(input)).length + captures.length > 0);
}

/** Hosts, and the names of the inputs that tell about them. */
interface KnownHosts {
  readonly hosts: HostEvidence;
  readonly ofHosts: Set<string>;
}

/** One pass over the traces of all inputs. */
class Run {
  readonly #rulesets: Ruleset[];
  readonly #known: KnownHosts;
  readonly #options: ExplainOptions;
  readonly #onExplained: OnExplained;
  readonly #explainer: Explainer;
  readonly #events = new EventTally();
  readonly #inputs: InputReport[] = [];
  #leaving: Explained[] = [];
  #journeys = 0;
  /** That were read as traces so far. */
  #characters = 0;

  constructor(
    book: RuleBook,
    rulesets: Ruleset[],
    known: KnownHosts,
    options: ExplainOptions,
    onExplained: OnExplained,
  ) {
    this.#rulesets = rulesets;
    this.#known = known;
    this.#options = options;
    this.#onExplained = onExplained;
    this.#explainer = new Explainer(book, options.explainer ?? DEFAULT_EXPLAINER_OPTIONS, known.hosts.book());
  }

  async read(input: TextInput, withRules: boolean): Promise<void> {
    const context = { input: input.name, netns: null };
    const decoder = new TextTraceDecoder({
      ...context,
      ...(this.#options.year === null ? {} : { year: this.#options.year }),
    });
    const rules = withRules ? new RulesetReader(context) : null;
    const eventsBefore = this.#events.total;
    let lines = 0;
    const splitter = new LineSplitter((text, line, cut) => {
      lines = line;
      if (cut > 0) {
        this.#take([tooLong(input.name, line, text, cut)]);
        return;
      }
      if (rules !== null && !looksLikeTrace(text)) {
        if (rules.read(text, line)) return;
        if (this.#known.hosts.readLine(text)) {
          this.#known.ofHosts.add(input.name);
          return;
        }
      }
      this.#take(decoder.read(text, line));
    });
    for await (const chunk of input.chunks()) {
      splitter.push(chunk);
      this.#characters += chunk.length;
      if (this.#characters > MUCH) spareMemory();
      if (this.#leaving.length > 0) await this.#letGo();
    }
    splitter.end();
    this.#take(decoder.end());
    if (rules !== null) {
      this.#rulesets.push(...rules.end());
      const book = new RuleBook(this.#rulesets);
      this.#explainer.useRules(book);
      this.#options.onRules?.(book);
      this.#known.hosts.endInput();
      this.#explainer.useHosts(this.#known.hosts.book());
    }
    this.#inputs.push({
      name: input.name,
      lines,
      events: this.#events.total - eventsBefore,
      rules: countRules(this.#rulesets.filter((ruleset) => ruleset.input === input.name)),
      hasHost: this.#known.ofHosts.has(input.name),
    });
  }

  async readCapture(capture: CaptureInput): Promise<void> {
    const { NflogCaptureDecoder } = await import("../core/events/decode/nflog-capture.ts");
    const decoder = new NflogCaptureDecoder(capture.name, capture.interfaceNames);
    const eventsBefore = this.#events.total;
    for await (const chunk of capture.chunks()) {
      this.#take(decoder.push(chunk));
      if (this.#leaving.length > 0) await this.#letGo();
    }
    this.#take(decoder.end());
    const events = this.#events.total - eventsBefore;
    this.#inputs.push({ name: capture.name, lines: 0, events, rules: 0, hasHost: false });
  }

  async finish(hadInputs: boolean): Promise<Result<ExplainReport, Refusal>> {
    this.#leaving.push(...this.#explainer.end());
    await this.#letGo();
    if (this.#journeys === 0)
      return refused(whyNothing(this.#report(), hadInputs, this.#known.hosts.book().size > 0));
    return ok(this.#report());
  }

  #report(): ExplainReport {
    return {
      rulesets: this.#rulesets,
      events: this.#events.counts,
      unparsed: this.#events.unparsed,
      journeys: this.#journeys,
      inputs: this.#inputs,
    };
  }

  #take(events: readonly Event[]): void {
    for (const event of events) {
      this.#events.count(event);
      const leaving = this.#explainer.add(event);
      if (leaving.length > 0) this.#leaving.push(...leaving);
    }
  }

  async #letGo(): Promise<void> {
    const leaving = this.#leaving;
    this.#leaving = [];
    for (const explained of leaving) {
      this.#journeys++;
      await this.#onExplained(explained);
    }
  }
}

/** Opens inputs by name, `-` being standard input; each name once. */
export function openInputs(names: readonly string[]): Result<readonly TextInput[], Refusal> {
  const inputs: TextInput[] = [];
  for (const name of new Set(names)) {
    const opened = openTextInput(name);
    if (!opened.ok) return refused(refusal(2, `${name}: ${opened.error.detail}`, HINTS[opened.error.reason]));
    inputs.push(opened.value);
  }
  return ok(inputs);
}

const HINTS = {
  missing: "check the name; standard input is -",
  "not-permitted": "read it as a user who may, or pipe it in: sudo cat FILE | nfpath explain -",
  directory: "name the files in it",
  unreadable: "check the device, or copy the file elsewhere first",
} as const;

interface RulesOfHead {
  readonly rulesets: readonly Ruleset[];
  readonly isWhole: boolean;
  /** It is one JSON document, in which no trace can stand. */
  readonly isWithoutTrace: boolean;
  readonly hasHost: boolean;
}

/** Rules in the head of an input, or in the whole of one that is rules whatever it looks like. */
async function readRules(
  input: TextInput,
  isForced: boolean,
  hosts: HostEvidence,
): Promise<Result<RulesOfHead, Refusal>> {
  try {
    return await readRulesOf(
      await input.head(isForced ? Number.POSITIVE_INFINITY : READ_AHEAD),
      input.name,
      isForced,
      hosts,
    );
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    return refused(refusal(2, `${input.name}: ${cause.message}`, HINTS.unreadable));
  }
}

/** The system's refusals have a code; mistakes of ours have none. */
function isSystemError(cause: unknown): cause is Error {
  return cause instanceof Error && "code" in cause;
}

async function readRulesOf(
  { sample, isWhole, text }: Head,
  name: string,
  isForced: boolean,
  hosts: HostEvidence,
): Promise<Result<RulesOfHead, Refusal>> {
  if (sample === "") {
    return refused(refusal(2, `${name}: empty`, "was the log rotated, or the command run without root?"));
  }
  if (isProbablyBinary(sample.slice(0, 8192))) {
    return refused(refusal(2, `${name}: a binary file, not text`, binaryHint(sample)));
  }
  if (!isWhole) return ok({ rulesets: [], isWhole: false, isWithoutTrace: false, hasHost: false });
  if (!isForced && looksLikeSnapshot(sample)) {
    const read = hosts.readSnapshot(name, await joined(text()));
    if (!read.ok) return read;
    return ok({ rulesets: read.value, isWhole: true, isWithoutTrace: true, hasHost: true });
  }
  if (!isForced && /^\s*(\[|\{\s*"kernel")/.test(sample) && hosts.readDocument(await joined(text())))
    return ok({ rulesets: [], isWhole: true, isWithoutTrace: true, hasHost: true });
  const reader = new RulesetReader({ input: name, netns: null, force: isForced });
  let hasHost = false;
  const splitter = new LineSplitter(
    (text, line, cut) => {
      if (cut === 0 && !reader.read(text, line) && hosts.readLine(text)) hasHost = true;
    },
    // `nft -j list ruleset` is one line, however long.
    isForced || looksLikeJson(sample) ? Number.MAX_SAFE_INTEGER : undefined,
  );
  for await (const chunk of text()) splitter.push(chunk);
  splitter.end();
  hosts.endInput();
  const rulesets = reader.end();
  if (isForced && rulesets.length === 0) {
    return refused(
      refusal(
        2,
        `${name}: given as rules, and none are in it`,
        "give the output of iptables-save, nft -a list ruleset or iptables -L -n -v --line-numbers",
      ),
    );
  }
  return ok({
    rulesets,
    isWhole: true,
    isWithoutTrace: rulesets.some((ruleset) => ruleset.format === "nft-json"),
    hasHost,
  });
}

async function joined(text: AsyncIterable<string> | Iterable<string>): Promise<string> {
  const chunks: string[] = [];
  for await (const chunk of text) chunks.push(chunk);
  return chunks.join("");
}

async function readFacts(input: TextInput, hosts: HostEvidence): Promise<Result<void, Refusal>> {
  const splitter = new LineSplitter((text, _line, cut) => {
    if (cut === 0) hosts.readLine(text);
  });
  try {
    for await (const chunk of input.chunks()) splitter.push(chunk);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    return refused(refusal(2, `${input.name}: ${detail}`, HINTS.unreadable));
  }
  splitter.end();
  hosts.endInput();
  return ok(undefined);
}

function looksLikeJson(sample: string): boolean {
  return /^\s*[{[]/.test(sample);
}

function binaryHint(sample: string): string {
  if (sample.startsWith("\x1f")) return "it looks compressed: zcat FILE | nfpath explain -";
  return "give the kernel log, the trace or the rules as text (journalctl -k, nft monitor trace, iptables-save)";
}

function tooLong(input: string, line: number, text: string, cut: number): UnparsedEvent {
  return {
    kind: "unparsed",
    origin: { input, line, raw: text.slice(0, 200) },
    time: null,
    netns: null,
    reason: `a line of ${text.length + cut} characters: no log record is that long`,
  };
}

function countRules(rulesets: readonly Ruleset[]): number {
  let rules = 0;
  for (const { tables } of rulesets)
    for (const { chains } of tables) for (const chain of chains) rules += chain.rules.length;
  return rules;
}

function whyNothing(report: ExplainReport, hadInputs: boolean, hasHost: boolean): Refusal {
  const names = report.inputs.map((input) => input.name).join(", ");
  const rules = countRules(report.rulesets);
  const trace =
    "the kernel log with TRACE lines, or the output of nft monitor trace or xtables-monitor --trace";
  if (!hadInputs || rules > 0 || (hasHost && report.events.log === 0)) {
    const formats = [...new Set(report.rulesets.map((ruleset) => ruleset.format))].join(", ");
    const found: string[] = [];
    if (rules > 0 || !hasHost) found.push(`${rules} ${rules === 1 ? "rule" : "rules"} in ${formats}`);
    if (hasHost) found.push("what a host is like");
    const given = rules > 0 || !hasHost ? "only rules given" : "no packets given";
    return refusal(
      2,
      `${hadInputs && names !== "" ? names : given}: ${found.join(", and ")}, but no trace to explain with them`,
      `give ${trace} too`,
    );
  }
  if (report.events.log > 0) {
    return refusal(
      2,
      `${names}: ${report.events.log} LOG lines, but no TRACE: they show packets, not the rules that decided`,
      `give ${trace}`,
    );
  }
  const first = report.unparsed[0];
  if (first !== undefined) {
    return refusal(
      2,
      `${names}: nothing that can be read; line ${first.origin.line ?? "?"}: ${first.reason}`,
      `give ${trace}`,
    );
  }
  return refusal(2, `${names}: no trace and no rules in it`, `give ${trace}`);
}
