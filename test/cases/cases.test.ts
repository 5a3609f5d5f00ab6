/**
 * Each folder beside this file is a case: what real tools said of real packets, and what a person is to read about them.
 * `UPDATE_EXPECTED=1` writes expected.txt anew; read it before committing it.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { explainInputs } from "../support/explained.ts";
import { textInput } from "../support/text-inputs.ts";

const here = dirname(fileURLToPath(import.meta.url));
const cases = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

test("there are cases of both backends", () => {
  expect(cases.filter((name) => name.includes("legacy")).length).toBeGreaterThan(5);
  expect(cases.filter((name) => name.includes("nft")).length).toBeGreaterThan(3);
});

describe.each(cases)("%s", (name) => {
  const directory = join(here, name);
  const files = readdirSync(directory)
    .filter((file) => file !== "case.md" && file !== "expected.txt")
    .map((file) => ({ name: file, text: readFileSync(join(directory, file), "utf8") }));
  const whole = () => files.map((file) => textInput(file.name, file.text));

  test("is explained as expected", async () => {
    const { tree } = await explainInputs(whole());
    const path = join(directory, "expected.txt");
    if (process.env.UPDATE_EXPECTED) writeFileSync(path, tree);
    expect(existsSync(path)).toBe(true);
    expect(tree).toBe(readFileSync(path, "utf8"));
  });

  test("a byte at a time, in the other order and without file names, it is explained the same", async () => {
    const { journeys } = await explainInputs(whole());
    const pieces = files.toReversed().map((file) => textInput("-", file.text, 1));
    expect((await explainInputs(pieces)).journeys).toEqual(journeys);
  });

  test("all in one file, the trace before the rules, it is explained the same", async () => {
    const { tree } = await explainInputs(whole());
    const traceFirst = files.toSorted(
      (a, b) => Number(a.name === "rules.txt") - Number(b.name === "rules.txt"),
    );
    const mail = `Hello,\n\nplease see below.\n\n${traceFirst.map((file) => file.text).join("\nAnd the rules:\n\n")}\nThanks\n`;
    expect((await explainInputs([textInput("mail.txt", mail)])).tree).toBe(tree);
  });

  test("every line of the trace is a step, or belongs to one", async () => {
    const { report } = await explainInputs(whole());
    expect(report.unparsed).toEqual([]);
    expect(report.events.step).toBeGreaterThan(0);
  });

  test("cut short anywhere, it is explained as far as it goes", async () => {
    const trace = files.find((file) => file.name !== "rules.txt");
    const rules = files.find((file) => file.name === "rules.txt");
    if (trace === undefined || rules === undefined) throw new Error("a case has a trace and rules");
    const stride = Math.max(1, Math.floor(trace.text.length / 60));
    const wholeSteps = (await explainInputs(whole())).report.events.step;
    // The first line may be cut before there is anything to explain.
    for (let end = trace.text.indexOf("\n") + 1; end < trace.text.length; end += stride) {
      const inputs = [textInput(trace.name, trace.text.slice(0, end)), textInput(rules.name, rules.text)];
      const { report, journeys } = await explainInputs(inputs);
      expect(report.events.step).toBeLessThanOrEqual(wholeSteps);
      expect(journeys.length).toBeGreaterThan(0);
    }
  });
});
