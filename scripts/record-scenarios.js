#!/usr/bin/env node
// @ts-check
/**
 * Records scenarios anew, for hosts on which they cannot be run: `node scripts/record-scenarios.js [NAME…]`, as root, after
 * `npm run build`. Each is built with one kind of its rules, nft's where it has them, and collected by the printed script on each
 * traced host, whose tar is kept as test/recordings/NAME-RULES-HOST.tar.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { projectRoot } from "./setup.js";

/** @param {string} path of a built module */
const built = (path) => import(pathToFileURL(join(projectRoot, "dist", path)).href);
/** @type {typeof import("../src/app/lab-recording.ts")} */
const { recordScenario } = await built("app/lab-recording.js");
/** @type {typeof import("../src/lab/scenarios/catalogue.ts")} */
const { SCENARIOS } = await built("lab/scenarios/catalogue.js");
/** @type {typeof import("../src/lab/scenarios/scenario.ts")} */
const { variantsOf } = await built("lab/scenarios/scenario.js");

const target = join(projectRoot, "test", "recordings");
const wanted = process.argv.slice(2);
mkdirSync(target, { recursive: true });

for (const scenario of SCENARIOS) {
  if (wanted.length > 0 && !wanted.includes(scenario.name)) continue;
  const variants = variantsOf(scenario);
  const variant = variants.find((one) => one === "nft") ?? variants[0];
  if (variant === undefined) continue;
  const directory = mkdtempSync(join(tmpdir(), "nfpath-record-"));
  try {
    const recorded = await recordScenario(scenario, variant, directory);
    if (!recorded.ok) throw new Error(`${scenario.name}: ${recorded.error.message}; ${recorded.error.hint}`);
    const { collections, objections } = recorded.value;
    if (objections.length > 0) throw new Error(`${scenario.name}: ${objections.join("; ")}`);
    for (const [host, collection] of Object.entries(collections))
      copyFileSync(`${collection}.tar`, join(target, `${scenario.name}-${variant}-${host}.tar`));
    console.log(`${scenario.name}, ${variant}: ${Object.keys(collections).join(", ")}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
