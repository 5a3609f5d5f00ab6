// @ts-check
// vitest's results as lines on the second serial line. A file that does not load, a hook that fails and an error outside
// any test are failures too.
import { appendFileSync } from "node:fs";
import { relative } from "node:path";

import { CHOICES } from "../tests.js";

/** @import { Reporter, TestCase, TestModule, TestSuite } from "vitest/node" */
/** @import { GuestEvent } from "../results.js" */

const LINE = "/dev/ttyS1";

/** @implements {Reporter} */
export default class SerialReporter {
  /** How many tests of a file are not among those that were chosen. @type {Map<string, number>} */
  #leftOut = new Map();
  /** @type {Map<string, Set<RegExp>>} */
  #met = new Map();

  /** @param {TestCase} test */
  onTestCaseResult(test) {
    const result = test.result();
    const file = relative(process.cwd(), test.module.moduleId);
    const chosen = CHOICES[file]?.tests;
    // The pattern is matched against the same name, joined otherwise.
    const name = test.fullName.replaceAll(" > ", " ");
    if (chosen !== undefined) {
      const matching = chosen.filter((pattern) => pattern.test(name));
      this.#met.set(file, new Set([...(this.#met.get(file) ?? []), ...matching]));
      if (matching.length === 0) {
        this.#leftOut.set(file, (this.#leftOut.get(file) ?? 0) + 1);
        return;
      }
    }
    send({
      event: "test",
      name: `${file} > ${test.fullName}`,
      state: result.state === "passed" || result.state === "failed" ? result.state : "skipped",
      ms: test.diagnostic()?.duration ?? 0,
      errors: wordsOf(result.errors ?? []),
    });
  }

  /**
   * @param {readonly TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    for (const module of modules) {
      fail(module, module.moduleId);
      for (const suite of module.children.allSuites()) fail(suite, `${module.moduleId} > ${suite.fullName}`);
    }
    for (const [file, met] of this.#met) {
      const errors = (CHOICES[file]?.tests ?? [])
        .filter((pattern) => !met.has(pattern))
        .map((pattern) => `no test is called ${pattern.source}`);
      if (errors.length > 0) send({ event: "test", name: file, state: "failed", ms: 0, errors });
    }
    for (const [file, count] of this.#leftOut) {
      const name = `${count} more of ${file}, left out: ${CHOICES[file]?.why}`;
      send({ event: "test", name, state: "skipped", ms: 0, errors: [] });
    }
    if (unhandledErrors.length > 0) {
      send({
        event: "test",
        name: "outside any test",
        state: "failed",
        ms: 0,
        errors: wordsOf(unhandledErrors),
      });
    }
    send({ event: "end" });
  }
}

/** @param {TestModule | TestSuite} group @param {string} path */
function fail(group, path) {
  const errors = wordsOf(group.errors());
  if (errors.length > 0)
    send({ event: "test", name: relative(process.cwd(), path), state: "failed", ms: 0, errors });
}

/** @param {readonly unknown[]} errors */
function wordsOf(errors) {
  return errors.map((error) => {
    const { message, diff } = /** @type {{ message?: string, diff?: string }} */ (error);
    return [message ?? String(error), diff].filter(Boolean).join("\n");
  });
}

/** @param {GuestEvent} event */
function send(event) {
  appendFileSync(LINE, `${JSON.stringify(event)}\n`);
}
