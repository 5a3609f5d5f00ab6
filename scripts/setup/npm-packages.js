// @ts-check
// npm keeps its own record of what it installed, node_modules/.package-lock.json, and writes it last: an install
// that was interrupted has none. So whether node_modules is what package-lock.json asks for is answered by
// comparing the two, and a developer's own `npm install` counts as well as ours.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { firstLines, run } from "./run.js";
import { SetupRefused, say } from "./say.js";

/** @typedef {Record<string, { version?: string, optional?: boolean }>} LockedPackages */

/** @param {string} root the project's directory */
export function packagesAreInstalled(root) {
  const record = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  const installed = lockedPackages(record);
  return Object.entries(lockedPackages(join(root, "package-lock.json"))).every(
    // Optional packages are the native parts of other platforms.
    ([path, { version, optional }]) => path === "" || optional || installed[path]?.version === version,
  );
}

/** @param {string} root the project's directory */
export function installPackages(root) {
  say("installing npm packages (npm ci)");
  // `--include=dev`: with NODE_ENV=production npm would leave out the compiler.
  const { ok, output } = run("npm", ["ci", "--include=dev", "--loglevel=error"], { cwd: root });
  if (ok) return;
  throw new SetupRefused(
    "npm could not install the packages (the network and npm's proxy settings are the usual reasons); " +
      `mend that and run this again. npm said:\n${firstLines(withoutFrame(output))}`,
  );
}

/** npm's reasons come first, then help on the command. @param {string} output */
function withoutFrame(output) {
  return output.replaceAll(/^npm (?:error|ERR!) ?/gm, "");
}

/** @param {string} file @returns {LockedPackages} */
function lockedPackages(file) {
  return JSON.parse(readFileSync(file, "utf8")).packages ?? {};
}
