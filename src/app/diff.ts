/** `nfpath diff`: two journeys, or two recordings, each explained with the rules that belong to it. */
import { existsSync } from "node:fs";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Explained } from "../core/diagnosis/diagnose.ts";
import { diffJourneys, type JourneyDiff } from "../core/diagnosis/journey-diff.ts";
import { holdsJourney } from "../core/diagnosis/parts.ts";
import { diffRecordings, type End, Recording, type RecordingDiff } from "../core/diagnosis/recording-diff.ts";
import { openEvidence } from "./evidence.ts";
import { explain, openInputs } from "./explain.ts";
import { type Refusal, refusal } from "./refusal.ts";

export interface DiffOptions {
  /** `FILE` or `FILE#ID`. */
  readonly a: string;
  readonly b: string;
  /** Inputs for both: rules, conntrack's listings. */
  readonly shared: readonly string[];
  /** Inputs for both that are rules whatever they look like. */
  readonly rules: readonly string[];
  readonly year: number | null;
}

export interface Diff {
  /** Null where two recordings were compared and nothing ended otherwise. */
  readonly journeys: JourneyDiff | null;
  /** How the two are called: `before.log#3`. */
  readonly names: { readonly a: string; readonly b: string };
  /** Null where journeys were chosen. */
  readonly recordings: RecordingDiff | null;
}

interface Named {
  readonly file: string;
  /** Null: the whole recording. */
  readonly journey: string | null;
}

export async function diff(options: DiffOptions): Promise<Result<Diff, Refusal>> {
  const [a, b] = [named(options.a), named(options.b)];
  const ofA = await read(a, options);
  if (!ofA.ok) return ofA;
  const ofB = await read(b, options);
  if (!ofB.ok) return ofB;
  const [one, two] = [ofA.value, ofB.value];
  if (a.journey === null && b.journey === null) return ok(ofRecordings(a, one.recording, b, two.recording));
  // A whole recording beside a chosen packet: its packet that is most like that one.
  const first = one.chosen ?? (two.chosen === null ? null : nearest(one.recording, two.chosen));
  const second = two.chosen ?? (one.chosen === null ? null : nearest(two.recording, one.chosen));
  if (first === null) return refused(notLike(a, b));
  if (second === null) return refused(notLike(b, a));
  const names = { a: `${a.file}#${first.journey.id}`, b: `${b.file}#${second.journey.id}` };
  return ok({ journeys: diffJourneys(first, second), names, recordings: null });
}

function named(word: string): Named {
  const at = word.lastIndexOf("#");
  if (at === -1 || existsSync(word)) return { file: word, journey: null };
  return { file: word.slice(0, at), journey: word.slice(at + 1) };
}

interface Read {
  readonly recording: Recording;
  readonly chosen: Explained | null;
}

async function read({ file, journey }: Named, options: DiffOptions): Promise<Result<Read, Refusal>> {
  const evidence = openEvidence([file, ...options.shared]);
  if (!evidence.ok) return evidence;
  const rules = openInputs(options.rules);
  if (!rules.ok) return rules;
  const { inputs, ruleInputs, captures } = evidence.value;
  const recording = new Recording();
  let chosen: Explained | null = null;
  const done = await explain(
    { inputs, ruleInputs: [...rules.value, ...ruleInputs], captures, year: options.year },
    (explained) => {
      recording.add(explained);
      if (journey !== null && holdsJourney(explained, journey)) chosen = explained;
    },
  );
  if (!done.ok) return done;
  if (journey !== null && chosen === null) {
    const hint = `it has ${recording.journeys}, numbered from 1; nfpath explain ${file} shows them`;
    return refused(refusal(2, `${file} has no journey ${journey}`, hint));
  }
  return ok({ recording, chosen });
}

function ofRecordings(a: Named, ofA: Recording, b: Named, ofB: Recording): Diff {
  const recordings = diffRecordings(ofA, ofB);
  const pair = examplesOf(recordings);
  if (pair === null) return { journeys: null, names: { a: a.file, b: b.file }, recordings };
  const [first, second] = pair;
  // The files are named above.
  const names = { a: `#${first.example.journey.id}`, b: `#${second.example.journey.id}` };
  return { journeys: diffJourneys(first.example, second.example), names, recordings };
}

/** One packet of each recording, of the kind that differs most: where that is so, one that got through and one that did not. */
function examplesOf({ differing }: RecordingDiff): readonly [End, End] | null {
  const [worst] = differing;
  if (worst === undefined) return null;
  for (const wants of [gotAnswer, gotThrough]) {
    const first = worst.a.find(wants);
    const second = worst.b.find((end) => end.key !== first?.key && !wants(end));
    if (first !== undefined && second !== undefined) return [first, second];
    const good = worst.b.find(wants);
    const bad = worst.a.find((end) => end.key !== good?.key && !wants(end));
    if (good !== undefined && bad !== undefined) return [bad, good];
  }
  const [first] = worst.a;
  const second = worst.b.find((end) => end.key !== first?.key);
  return first === undefined || second === undefined ? null : [first, second];
}

function gotThrough({ example: { outcome } }: End): boolean {
  return /^(delivered|forwarded|sent)$/.test(outcome.verdict);
}

function gotAnswer(end: End): boolean {
  return gotThrough(end) && end.example.answer !== null;
}

/** One that ended otherwise is preferred: that is what is asked about. */
function nearest(recording: Recording, chosen: Explained): Explained | null {
  const ends = recording.like(chosen);
  const { verdict, cause } = chosen.outcome;
  const other = ends.find(
    ({ example: { outcome } }) => outcome.verdict !== verdict || outcome.cause !== cause,
  );
  return (other ?? ends[0])?.example ?? null;
}

function notLike(recording: Named, chosen: Named): Refusal {
  const hint = `choose one yourself: ${recording.file}#ID; nfpath explain ${recording.file} shows them`;
  return refusal(2, `${recording.file} has no packet like journey ${chosen.journey} of ${chosen.file}`, hint);
}
