#!/usr/bin/env node
// @ts-check
// `npm run test:kernels [-- SERIES…] [--tests FILE]… [--minutes N]`: the tests that need a real kernel, on other kernels than
// this machine's, under QEMU. The last line is `N passed, N failed, N skipped`, of all kernels together.
//
// Nothing of this machine is changed: packages of kernels are unpacked in .cache/kernels, and what a test machine writes stays
// in its memory. The project is copied first, so that nobody edits what is tested.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";

import { lastLine } from "../last-line-reporter.js";
import { lastLines } from "../setup/run.js";
import { SetupRefused, say } from "../setup/say.js";
import { projectRoot, setUp } from "../setup.js";
import { unpackPackage } from "./debian-package.js";
import { initramfs } from "./initramfs.js";
import { fetchKernel } from "./kernel.js";
import { runMachine } from "./machine.js";
import { meetRequirements } from "./requirements.js";
import { Results } from "./results.js";
import { ARTICLE, LEFT_OUT, TESTS } from "./tests.js";

/** @import { Counts } from "./results.js" */

const CACHE = join(projectRoot, ".cache", "kernels");
const SERIES = ["6.1", "6.12"];
const NOT_COPIED = new Set(["node_modules", ".cache", ".git"]);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tests: { type: "string", multiple: true },
    minutes: { type: "string", default: "90" },
    "boot-minutes": { type: "string", default: "10" },
  },
});

/** @type {Counts} */
const total = { passed: 0, failed: 0, skipped: 0 };
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  // `exit` ends the machines and removes what they stood on; without this a signal would skip it.
  process.once(signal, () => {
    total.failed += 1;
    console.log(lastLine(total));
    process.exit(130);
  });
}
try {
  if (!(await setUp())) throw new SetupRefused("the project itself cannot be set up");
  meetRequirements();
  removeRunsOfTheDead();
  if (values.tests === undefined) {
    for (const [file, why] of Object.entries(LEFT_OUT)) console.log(`not run: ${file}: ${why}`);
  }
  for (const series of positionals.length > 0 ? positionals : SERIES) {
    const counts = await testOn(series);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
} catch (error) {
  if (error instanceof SetupRefused) say(error.message);
  else console.error(error);
  total.failed += 1;
}
console.log(lastLine(total));
process.exitCode = total.failed > 0 ? 1 : 0;

/** @param {string} series @returns {Promise<Counts>} */
async function testOn(series) {
  const kernel = fetchKernel(series, CACHE);
  const began = performance.now();
  const directory = join(CACHE, `run-${process.pid}-${series}`);
  const consoleLog = join(CACHE, `console-${series}.log`);
  const copy = join(directory, "project");
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.on("exit", remove);
  mkdirSync(directory, { recursive: true });
  console.log(`Linux ${kernel.release}`);
  const results = new Results((line) => console.log(line));
  try {
    // Entry by entry: a directory is not copied into a part of itself.
    for (const entry of readdirSync(projectRoot).filter((name) => !NOT_COPIED.has(name))) {
      cpSync(join(projectRoot, entry), join(copy, entry), { recursive: true, preserveTimestamps: true });
    }
    // Where its node_modules is mounted, and what is to be run.
    mkdirSync(join(copy, "node_modules"));
    writeFileSync(
      join(copy, "kernel-tests"),
      [ARTICLE, ...(values.tests ?? TESTS)].map((file) => `${file}\n`).join(""),
    );
    const archive = join(directory, "initramfs");
    const settings = { project: projectRoot, copy, kernel: kernel.tree };
    writeFileSync(archive, initramfs(kernel, staticBusybox(), settings));
    const why = await runMachine({
      directory,
      image: kernel.image,
      initramfs: archive,
      console: consoleLog,
      onLine: (line) => results.take(line),
      bootMinutes: Number(values["boot-minutes"]),
      minutes: Number(values.minutes),
    });
    results.close(why);
    if (results.kept !== null) writeFileSync(join(CACHE, `recorded-${series}.tar.gz`), results.kept);
  } finally {
    remove();
    process.off("exit", remove);
  }
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  console.log(`Linux ${kernel.release}: ${lastLine(results.counts)}, in ${minutes} minutes`);
  if (results.counts.failed === 0) rmSync(consoleLog, { force: true });
  else {
    const text = existsSync(consoleLog) ? readFileSync(consoleLog, "utf8") : "";
    console.log(
      `its console, whole in ${relative(process.cwd(), consoleLog)}, ended with:\n${lastLines(text, 20)}`,
    );
  }
  return results.counts;
}

/** A run that was killed by SIGKILL took its machine with it, and left its copy of the project. */
function removeRunsOfTheDead() {
  for (const name of existsSync(CACHE) ? readdirSync(CACHE) : []) {
    const pid = /^run-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      rmSync(join(CACHE, name), { recursive: true, force: true });
  }
}

function staticBusybox() {
  const tree = join(CACHE, "busybox-static");
  if (!existsSync(tree)) unpackPackage("busybox-static", CACHE);
  const path = ["bin/busybox", "usr/bin/busybox"]
    .map((name) => join(tree, name))
    .find((file) => existsSync(file));
  if (path === undefined) throw new SetupRefused(`there is no busybox in ${tree}`);
  return path;
}
