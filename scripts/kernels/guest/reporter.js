// @ts-check
// vitest's results as lines on the second serial line. A file that does not load, a hook that fails and an error outside
// any test are failures too.
import { appendFileSync } from "node:fs";
import { relative } from "node:path";

/** @import { Reporter, TestCase, TestModule, TestSuite } from "vitest/node" */
/** @import { GuestEvent } from "../results.js" */

const LINE = "/dev/ttyS1";

/** @implements {Reporter} */
export default class SerialReporter {
  /** @param {TestCase} test */
  onTestCaseResult(test) {
    const result = test.result();
    send({
      event: "test",
      name: `${relative(process.cwd(), test.module.moduleId)} > ${test.fullName}`,
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
