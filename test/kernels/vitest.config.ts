/** For test machines only (`npm run test:kernels`): what runs there, one file after the other, those of this folder first. */
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted((one, other) => (one.moduleId < other.moduleId ? -1 : 1));
  }
}

export default defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/kernels/**/*.guest.ts", "test/live/**/*.live.test.ts"],
    reporters: ["default", "./scripts/kernels/guest/reporter.js"],
    // One process for all: each new one would have to load everything again, in emulation.
    fileParallelism: false,
    isolate: false,
    sequence: { sequencer: ByName },
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
