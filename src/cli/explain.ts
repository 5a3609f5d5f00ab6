/** `nfpath explain`: words of the command line to options, journeys to the chosen format. */
import { existsSync } from "node:fs";
import { openEvidence } from "../app/evidence.ts";
import { explain, openInputs } from "../app/explain.ts";
import { type ExitStatus, type Refusal, refusal } from "../app/refusal.ts";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { OutcomeVerdict } from "../core/diagnosis/outcome.ts";
import type { Filter } from "../core/filters/filter.ts";
import type { RuleBook } from "../core/rulesets/rule-book.ts";
import type { Format } from "./choices.ts";
import { type Choice, isChosen, OUTCOMES } from "./choose.ts";
import { Output } from "./output.ts";
import { presenterFor, type ViewFlags, viewFor } from "./present.ts";
import { say, sayRefusal } from "./say.ts";
import { isNotWhole, summaryLines, summaryObject, Tally } from "./summary.ts";

export interface ExplainFlags extends ViewFlags {
  readonly rules: readonly string[];
  readonly format: Format;
  readonly only?: string;
  readonly filter?: string;
  readonly journey: readonly string[];
  readonly follow?: string;
  readonly year?: number;
  readonly strict: boolean;
}

export async function explainCommand(words: readonly string[], flags: ExplainFlags): Promise<ExitStatus> {
  const meant = await understand(words, flags);
  if (!meant.ok) return fail(meant.error);
  const { choice } = meant.value;
  const view = viewFor(flags, flags.format, false);
  if (!view.ok) return fail(view.error);
  const inputs = openEvidence(meant.value.inputs.filter((name) => !flags.rules.includes(name)));
  if (!inputs.ok) return fail(inputs.error);
  const ruleInputs = openInputs(flags.rules);
  if (!ruleInputs.ok) return fail(ruleInputs.error);
  const output = new Output(process.stdout);
  const why = await whyNotOf(flags, output);
  const printer = why ?? presenterFor(view.value, flags.format, output, false);
  const tally = new Tally();
  let hasBegun = false;
  for (const note of inputs.value.notes) say(`note: ${note}`);
  const options = {
    inputs: inputs.value.inputs,
    ruleInputs: [...ruleInputs.value, ...inputs.value.ruleInputs],
    captures: inputs.value.captures,
    factInputs: inputs.value.factInputs,
    year: flags.year ?? null,
    onRules: (book: RuleBook) => {
      why?.useRules(book);
      return why?.problem() ?? null;
    },
  };
  const done = await explain(options, async (explained) => {
    const shows = isChosen(explained, choice);
    tally.count(explained, shows);
    if (!shows || output.isClosed) return;
    if (!hasBegun) await printer.begin();
    hasBegun = true;
    await printer.journey(explained);
  });
  if (!done.ok) return fail(done.error);
  const problem = why?.problem() ?? null;
  if (problem !== null) return fail(problem);
  if (!hasBegun) await printer.begin();
  await printer.end(summaryObject(tally, done.value));
  if (output.isClosed) return 0;
  if (tally.shownTotal === 0 && flags.journey.length > 0)
    say(
      `no journey ${flags.journey.join(" or ")} is shown: there are ${done.value.journeys}, numbered from 1`,
    );
  for (const line of summaryLines(tally, done.value, printer.isSummary())) say(line);
  return flags.strict && isNotWhole(tally, done.value) ? 4 : 0;
}

// What few runs need is loaded when it is asked for: two thirds of a small file's time are loading.
async function whyNotOf({ whyNot, format }: ExplainFlags, output: Output) {
  if (whyNot === undefined) return null;
  const { whyNotPresenter } = await import("./why-not.ts");
  return whyNotPresenter(whyNot, format, output);
}

interface Meaning {
  readonly inputs: readonly string[];
  readonly choice: Choice;
}

/** Words that name files are inputs; the others are a filter, as tcpdump takes one behind its options. */
async function understand(words: readonly string[], flags: ExplainFlags): Promise<Result<Meaning, Refusal>> {
  const isInput = (word: string) => word === "-" || existsSync(word);
  const named = words.filter(isInput);
  const filterWords = words.filter((word) => !isInput(word));
  const inputs = named.length === 0 && flags.rules.length === 0 ? ["-"] : named;
  if (named.length === 0 && filterWords.length === 0 && process.stdin.isTTY) {
    return refused(
      refusal(2, "nothing to explain", "name files, or pipe a log in: journalctl -k | nfpath explain"),
    );
  }
  const only = onlyOutcomes(flags.only);
  if (!only.ok) return only;
  const missing = filterWords.find(looksLikeFile);
  if (missing !== undefined) {
    return refused(
      refusal(
        2,
        `${missing}: no such file`,
        "check the name; a filter goes behind the files, or into --filter",
      ),
    );
  }
  const filter = await readFilter(flags.filter ?? filterWords.join(" "));
  if (!filter.ok) return filter;
  return ok({ inputs, choice: { filter: filter.value, only: only.value, journeys: chosen(flags.journey) } });
}

/** Null: all. */
export function chosen(ids: readonly string[]): ReadonlySet<string> | null {
  return ids.length === 0 ? null : new Set(ids);
}

/** Null for no words, which chooses all. */
export async function readFilter(text: string): Promise<Result<Filter | null, Refusal>> {
  if (text.trim() === "") return ok(null);
  const { parseFilter } = await import("../core/filters/parse.ts");
  const parsed = parseFilter(text);
  if (parsed.ok) return parsed;
  const { message, at, hint } = parsed.error;
  const where = at === null ? "" : ` at "${text.slice(at, at + 20)}"`;
  return refused(refusal(2, `filter: ${message}${where}`, hint));
}

/** A word with a slash or an ending such as `.log` is a file's name and no filter's word. */
function looksLikeFile(word: string): boolean {
  if (/\s/.test(word)) return false;
  if (word.includes("/")) return !/^[\da-fA-F.:]+\/\d+$/.test(word);
  return /^[^:\s]*\.[a-z]+$/i.test(word);
}

export function onlyOutcomes(text: string | undefined): Result<readonly OutcomeVerdict[] | null, Refusal> {
  if (text === undefined) return ok(null);
  const chosen: OutcomeVerdict[] = [];
  for (const word of text.split(",")) {
    const outcome = OUTCOMES.find((candidate) => candidate === word.trim());
    if (outcome === undefined)
      return refused(refusal(2, `--only ${word}: no such outcome`, `one of ${OUTCOMES.join(", ")}`));
    chosen.push(outcome);
  }
  return ok(chosen);
}

function fail(error: Refusal): ExitStatus {
  sayRefusal(error);
  return error.status;
}
