/**
 * Recorded logs with lines taken out at random, as loggers under load do: a packet that really arrived must not be called dropped, and not
 * vanished either where the rest of the log shows that it has holes.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { type Evidence, openEvidence } from "../../src/app/evidence.ts";
import { explain } from "../../src/app/explain.ts";
import type { Explained } from "../../src/core/diagnosis/diagnose.ts";
import { root } from "../support/cli.ts";
import { randomFrom } from "../support/random.ts";
import { textInput } from "../support/text-inputs.ts";

const SHARES = [0.003, 0.01, 0.03, 0.1, 0.3];
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
/** Of one packet alone, or of one line alone, nobody can tell that it is missing. */
const LONG_LOG = "many-packets-nft-router.tar";
const TELLING_LINES = 5;

const counts = new Map<string, number>();
afterAll(() => {
  const lines = [...counts]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([what, times]) => `${what}: ${times}`);
  console.log(
    `packets in logs with lines taken out, by what they were and what they are called\n  ${lines.join("\n  ")}`,
  );
});

const recordings = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".tar"))
  .map((name) => [name, [join(import.meta.dirname, name)]] as const);
const cases = readdirSync(join(root, "test/cases"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => {
    const folder = join(root, "test/cases", name);
    const files = readdirSync(folder).filter((file) => /^(kernel|trace|rules)\b/.test(file));
    return [name, files.map((file) => join(folder, file))] as const;
  });

it.each([...recordings, ...cases])("%s", async (name, files) => {
  const opened = openEvidence(files);
  if (!opened.ok) throw new Error(opened.error.message);
  const texts = await Promise.all(
    opened.value.inputs.map(async (input) => {
      let text = "";
      for await (const chunk of input.chunks()) text += chunk;
      return { name: input.name, lines: text.split("\n") };
    }),
  );
  const whole = await explainTexts(opened.value, texts, () => true);
  for (const one of whole.explained) expect(missing(one), "a whole log has no holes").toBe(false);
  const truths = new Map(whole.explained.flatMap((one) => linesOf(one).map((line) => [line, one] as const)));
  for (const share of SHARES)
    for (const seed of SEEDS) {
      const random = randomFrom(seed * 1000 + Math.round(share * 1000));
      let lost = 0;
      const keeps = () => {
        const isKept = !random.chance(share);
        if (!isKept) lost++;
        return isKept;
      };
      const { explained, original } = await explainTexts(opened.value, texts, keeps);
      for (const one of explained) {
        const truth = truthOf(one, truths, original);
        if (truth === null) continue;
        const { verdict } = one.outcome;
        count(`${name === LONG_LOG ? "long log" : "short logs"}, ${share} lost`, truth, one);
        if (!hasArrived(truth)) continue;
        expect(verdict, `${share}, seed ${seed}`).not.toMatch(/^(dropped|rejected|queued)$/);
        if (name === LONG_LOG && lost >= TELLING_LINES)
          expect(verdict, `${share}, seed ${seed}`).not.toBe("vanished");
      }
    }
});

interface Text {
  readonly name: string;
  readonly lines: readonly string[];
}

async function explainTexts(evidence: Evidence, texts: readonly Text[], keeps: () => boolean) {
  const explained: Explained[] = [];
  /** Of each input, the number that each line had before others were taken out. */
  const numbers = new Map<string, readonly number[]>();
  const inputs = texts.map(({ name, lines }) => {
    const kept = lines.flatMap((text, at) => (isOfTrace(text) && !keeps() ? [] : [{ text, number: at + 1 }]));
    numbers.set(
      name,
      kept.map(({ number }) => number),
    );
    return textInput(name, kept.map(({ text }) => text).join("\n"));
  });
  await explain({ ...evidence, inputs, year: 2026 }, (one) => {
    explained.push(one);
  });
  const original = (input: string, line: number) => `${input}:${numbers.get(input)?.[line - 1] ?? "?"}`;
  return { explained, original };
}

function isOfTrace(line: string): boolean {
  return /\bTRACE: |\btrace id |\bPACKET: /.test(line);
}

function linesOf({ journey }: Explained): readonly string[] {
  return journey.steps.map(({ event }) => `${event.origin.input}:${event.origin.line}`);
}

/** The packet of the whole log that most of its lines are of; null where it has none. */
function truthOf(
  { journey }: Explained,
  truths: ReadonlyMap<string, Explained>,
  original: (input: string, line: number) => string,
): Explained | null {
  const votes = new Map<Explained, number>();
  for (const { event } of journey.steps) {
    const truth = truths.get(original(event.origin.input, event.origin.line ?? 0));
    if (truth !== undefined) votes.set(truth, (votes.get(truth) ?? 0) + 1);
  }
  const [best] = [...votes].toSorted(([, a], [, b]) => b - a);
  return best?.[0] ?? null;
}

function hasArrived({ outcome }: Explained): boolean {
  return /^(delivered|forwarded|sent)$/.test(outcome.verdict);
}

function missing({ journey }: Explained): boolean {
  return journey.gaps.some(({ gap }) => gap === "lines-missing");
}

function count(where: string, truth: Explained, one: Explained): void {
  const was = hasArrived(truth) ? "arrived" : truth.outcome.verdict;
  const is = hasArrived(one) ? "arrived" : `${one.outcome.verdict}${missing(one) ? " (holes seen)" : ""}`;
  const key = `${where}: ${was} → ${is}`;
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
