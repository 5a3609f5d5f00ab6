#!/usr/bin/env node
// @ts-check
// `npm test [-- --quick] [-- ARGUMENTS FOR VITEST]`: set-up, then every test; with --quick fewer random kills. The last line printed is
// `N passed, N failed, N skipped` whatever happens, a test runner that cannot even start included.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { lastLine, SUMMARY_FILE } from "./last-line-reporter.js";
import { TEST_PACKAGES } from "./setup/system-packages.js";
import { projectRoot, setUp } from "./setup.js";

const QUICK = "--quick";
const QUICK_KILLS = "30";
const NOTHING_RAN = lastLine({ passed: 0, failed: 1, skipped: 0 });

if (await setUp({ system: TEST_PACKAGES })) {
  const directory = mkdtempSync(join(tmpdir(), "nfpath-test-"));
  const summary = join(directory, "summary");
  const words = process.argv.slice(2);
  if (words.includes(QUICK)) process.env.NFPATH_KILLS ??= QUICK_KILLS;
  const args = words.filter((word) => word !== QUICK);
  const status = await vitest(args, summary);
  const hasEnded = existsSync(summary);
  console.log(hasEnded ? readFileSync(summary, "utf8") : NOTHING_RAN);
  rmSync(directory, { recursive: true });
  process.exitCode = hasEnded ? status : status || 1;
} else {
  console.log(NOTHING_RAN);
  process.exitCode = 1;
}

/**
 * @param {readonly string[]} args
 * @param {string} summary the file for the last line
 * @returns {Promise<number>} the exit status
 */
function vitest(args, summary) {
  // Ctrl-C reaches vitest too, which stops its workers; the last line is still ours to print.
  process.on("SIGINT", () => {});
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join("node_modules", "vitest", "vitest.mjs"), "run", ...args], {
      cwd: projectRoot,
      stdio: "inherit",
      env: { ...process.env, [SUMMARY_FILE]: summary },
    });
    process.on("SIGTERM", () => child.kill("SIGTERM"));
    child.once("error", reject);
    child.once("exit", (status) => resolve(status ?? 1));
  });
}
