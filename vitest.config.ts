import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    reporters: ["default", "./scripts/last-line-reporter.js"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: "pure", include: ["test/**/*.test.ts"], exclude: ["test/live/**"] } },
      {
        // Against the real kernel: one file at a time and alone, because namespaces, the kernel log and its
        // settings are the host's, and a busy machine loses packets.
        extends: true,
        test: {
          name: "live",
          include: ["test/live/**/*.test.ts"],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
