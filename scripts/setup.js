#!/usr/bin/env node
// @ts-check
// From a fresh clone to a program that runs, with Node alone: npm's packages, the system's packages where apt can
// fetch them, and the build. Each part looks first whether there is anything to do, so the second time is
// silent and quick. `npm start`, `npm test` and `./nfpath` all begin here.
import { readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build, buildIsCurrent } from "./setup/build.js";
import { withLock } from "./setup/lock.js";
import { complaintAboutNode } from "./setup/node-version.js";
import { installPackages, packagesAreInstalled } from "./setup/npm-packages.js";
import { SetupRefused, say } from "./setup/say.js";
import { installSystemPackages, missingSystemPackages, SYSTEM_PACKAGES } from "./setup/system-packages.js";

export const projectRoot = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Makes the project runnable.
 * @param {{ system?: readonly import("./setup/system-packages.js").SystemPackage[] }} [options] the system's packages to
 *   have; `[]` leaves them alone
 * @returns {Promise<boolean>} false when it cannot be made so; why is on standard error then
 */
export async function setUp({ system = SYSTEM_PACKAGES } = {}) {
  try {
    const { engines } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));
    const complaint = complaintAboutNode(process.versions.node, engines.node);
    if (complaint !== null) throw new SetupRefused(complaint);
    if (isDone(system)) return true;
    await withLock(join(projectRoot, ".cache", "setup.lock"), () => {
      if (!packagesAreInstalled(projectRoot)) installPackages(projectRoot);
      installSystemPackages(missingSystemPackages(system));
      if (!buildIsCurrent(projectRoot)) build(projectRoot);
    });
    return true;
  } catch (error) {
    if (!(error instanceof SetupRefused)) throw error;
    say(error.message);
    return false;
  }
}

/** @param {readonly import("./setup/system-packages.js").SystemPackage[]} system */
function isDone(system) {
  return (
    packagesAreInstalled(projectRoot) &&
    buildIsCurrent(projectRoot) &&
    missingSystemPackages(system).length === 0
  );
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // A launcher is run by people who want an answer about a packet, perhaps on a production host: it never
  // installs anything outside this directory.
  const isDone = await setUp(process.argv.includes("--for-launcher") ? { system: [] } : {});
  process.exitCode = isDone ? 0 : 1;
}
