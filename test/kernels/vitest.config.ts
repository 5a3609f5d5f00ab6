/** For test machines only (`npm run test:kernels`): what runs there, one file after the other, those of this folder first. */
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { namePattern } from "../../scripts/kernels/tests.js";

class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted((one, other) => (one.moduleId < other.moduleId ? -1 : 1));
  }
}

export default defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/kernels/**/*.guest.ts", "test/live/**/*.live.test.ts"],
    testNamePattern: namePattern(),
    reporters: ["default", "./scripts/kernels/guest/reporter.js"],
    // One process for all: each new one would have to load everything again, in emulation.
    fileParallelism: false,
    // Time limits inside tests are meant for a machine that does not do five things at once on one processor.
    maxConcurrency: 2,
    isolate: false,
    sequence: { sequencer: ByName },
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
