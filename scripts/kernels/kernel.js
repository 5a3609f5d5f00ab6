// @ts-check
// Debian's cloud kernels: small, everything of netfilter in modules, as on the hosts that nfpath is for.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { lastLines, run } from "../setup/run.js";
import { SetupRefused } from "../setup/say.js";
import { newestOf, newestPackage, unpackPackage } from "./debian-package.js";

/**
 * @typedef {object} Kernel
 * @property {string} series as asked for: `6.12`
 * @property {string} release as `uname -r` has it
 * @property {string} image path of vmlinuz
 * @property {string} tree where the package is unpacked
 * @property {string} modules path of /lib/modules/RELEASE
 */

/**
 * The kernel of a series, from the cache if it has one.
 * @param {string} series `6.1`
 * @param {string} cache a directory
 * @returns {Kernel}
 */
export function fetchKernel(series, cache) {
  const pattern = packagePattern(series);
  const cached = newestOf(existsSync(cache) ? readdirSync(cache) : [], pattern);
  const name = cached ?? newestPackage(pattern);
  if (name === null) {
    throw new SetupRefused(
      `apt knows no cloud kernel ${series}: add Debian's archive that has it to its sources`,
    );
  }
  const release = name.replace("linux-image-", "");
  const tree =
    cached === null ? unpackPackage(name, cache, (fresh) => listModules(fresh, release)) : join(cache, name);
  return {
    series,
    release,
    tree,
    image: join(tree, "boot", `vmlinuz-${release}`),
    modules: join(tree, "lib/modules", release),
  };
}

/** @param {string} series */
export function packagePattern(series) {
  return new RegExp(`^linux-image-${series.replaceAll(".", "\\.")}\\.\\d[^-]*(-\\d+)?-cloud-amd64$`);
}

/** What the package's installation script would do. @param {string} tree @param {string} release */
function listModules(tree, release) {
  const { ok, output } = run("depmod", ["--basedir", tree, release]);
  if (!ok) throw new SetupRefused(`depmod fails for ${release}:\n${lastLines(output)}`);
}
