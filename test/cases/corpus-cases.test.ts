/**
 * Questions that people asked with a trace and their rules, and whose answer is known: nfpath's is held against it. The questions are no
 * part of the project; without them the tests are skipped, and say so.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { corpus } from "../support/corpus.ts";
import { explainInputs } from "../support/explained.ts";
import { textInput } from "../support/text-inputs.ts";

interface Asked {
  readonly name: string;
  readonly question: string;
  /** Of each packet of the log, in its order. */
  readonly answers: readonly {
    readonly outcome: string;
    readonly cause: string | null;
    readonly finding: string;
    /** What the finding has to say. */
    readonly says: RegExp;
  }[];
}

const ASKED: readonly Asked[] = [
  {
    name: "02",
    question:
      "ping replies vanish before docker0, and no rule counts them: forwarding of the interface was off",
    answers: Array.from({ length: 2 }, () => ({
      outcome: "vanished",
      cause: null,
      finding: "not-enough-evidence",
      says: /routing lost it.*forwarding is off.*net\.ipv4\.conf\.eno1\.forwarding/s,
    })),
  },
  {
    name: "05",
    question:
      "a local connection hangs in SYN_SENT: rule 1 of INPUT drops the SYN, and the same a second later",
    answers: Array.from({ length: 2 }, () => ({
      outcome: "dropped",
      cause: "rule-drop",
      finding: "rule-drop",
      says: /filter:INPUT rule 1 dropped it.*-p tcp --dport 1060 -j DROP/s,
    })),
  },
  {
    name: "16",
    question:
      "REJECT in INPUT does not count for a published port: DNAT sends it through FORWARD; then a rule returns before",
    answers: [
      {
        outcome: "forwarded",
        cause: null,
        finding: "dnat",
        says: /sent it to 172\.29\.0\.5:873 instead of 10\.1\.1\.5:873.*INPUT's never see it/s,
      },
      {
        outcome: "rejected",
        cause: "rule-reject",
        finding: "rule-reject",
        says: /INPUT refused it.*iifname "wg1" reject/s,
      },
    ],
  },
];

const folder = corpus === null ? null : join(corpus, "cases");
const skipped = folder === null || !existsSync(folder) ? " (skipped: there is no corpus)" : "";

describe.skipIf(skipped !== "")(`questions with a known answer${skipped}`, () => {
  for (const { name, question, answers } of ASKED) {
    const path = join(folder ?? "", `${name}.md`);
    it.skipIf(!existsSync(path))(`${name}: ${question}`, async () => {
      const { journeys, tree } = await explainInputs([textInput(name, readFileSync(path, "utf8"))]);
      expect(journeys.length, tree).toBe(answers.length);
      for (const [at, { outcome, cause, finding, says }] of answers.entries()) {
        const journey = journeys[at];
        expect([journey?.outcome.verdict, journey?.outcome.cause], tree).toEqual([outcome, cause]);
        const found = journey?.findings.find((one) => one.cause === finding);
        expect(`${found?.what}\n${found?.why}\n${found?.try}`).toMatch(says);
      }
    });
  }
});
