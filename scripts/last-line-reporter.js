// @ts-check
// Ends a test run with the groups that were skipped and why, and one plain line that people and scripts can
// rely on: `N passed, N failed, N skipped`. A file that does not load and an error outside any test are failures
// too; vitest's own summary counts neither as a test.
import { writeFileSync, writeSync } from "node:fs";
import { relative } from "node:path";

/** @import { Reporter, TestCase, TestModule, TestSuite } from "vitest/node" */

/** Where `scripts/test.js` wants the line, to print it itself when vitest has really ended. */
export const SUMMARY_FILE = "NFPATH_TEST_SUMMARY_FILE";

/**
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/** @param {Counts} counts */
export function lastLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** @implements {Reporter} */
export default class LastLineReporter {
  /** @type {Counts} */
  #counts = { passed: 0, failed: 0, skipped: 0 };
  #isWatching = false;

  /** @param {import("vitest/node").Vitest} vitest */
  onInit(vitest) {
    this.#isWatching = vitest.config.watch;
    const file = process.env[SUMMARY_FILE];
    // At exit, because vitest goes on to print after its reporters (coverage, a server that will not close).
    if (file !== undefined) process.once("exit", () => writeFileSync(file, lastLine(this.#counts)));
    else if (!this.#isWatching) process.once("exit", () => writeSync(1, `${lastLine(this.#counts)}\n`));
  }

  /**
   * @param {readonly TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    /** @type {Map<string, number>} */
    const skippedGroups = new Map();
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1;
      // A hook that failed: vitest marks the tests behind it as skipped, and the suite as failed.
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === "passed" || state === "failed" ? state : "skipped"] += 1;
        if (state !== "skipped") continue;
        const group = skippedGroup(test, module);
        skippedGroups.set(group, (skippedGroups.get(group) ?? 0) + 1);
      }
    }
    this.#counts = counts;
    if (skippedGroups.size > 0) console.log("Skipped:");
    for (const [group, count] of skippedGroups) console.log(`  ${count} × ${group}`);
    if (this.#isWatching) console.log(lastLine(counts));
  }
}

/**
 * The outermost group all of whose tests are skipped, whose name says why; a lone test speaks for itself.
 * @param {TestCase} test
 * @param {TestModule} module
 */
function skippedGroup(test, module) {
  /** @type {TestCase | TestSuite} */
  let group = test;
  while (group.parent.type === "suite" && group.parent.state() === "skipped") group = group.parent;
  const result = test.result();
  const note = result.state === "skipped" && result.note !== undefined ? `: ${result.note}` : "";
  return `${relative(process.cwd(), module.moduleId)} > ${group.fullName}${note}`;
}
