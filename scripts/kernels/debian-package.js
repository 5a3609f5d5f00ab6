// @ts-check
// Debian's packages fetched and unpacked beside the system, never installed: a kernel's package would rebuild this
// machine's boot menu, and busybox-static would push out busybox.
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

import { lastLines, run } from "../setup/run.js";
import { SetupRefused, say } from "../setup/say.js";
import { updateLists } from "../setup/system-packages.js";

/**
 * The newest of the packages whose whole name matches, by apt's lists; null when there is none.
 * @param {RegExp} pattern
 */
export function newestPackage(pattern) {
  const search = () => {
    const { ok, output } = run("apt-cache", ["pkgnames", "linux-image"]);
    if (!ok) throw new SetupRefused(`apt-cache does not work here:\n${lastLines(output)}`);
    return newestOf(output.split("\n"), pattern);
  };
  const found = search();
  if (found !== null) return found;
  // A fresh image has no lists at all.
  const update = updateLists();
  if (!update.ok) throw new SetupRefused(`apt cannot read its lists:\n${lastLines(update.output)}`);
  return search();
}

/**
 * `…-6.12.9+…` is older than `…-6.12.10+…`.
 * @param {readonly string[]} names
 * @param {RegExp} pattern
 * @returns {string | null}
 */
export function newestOf(names, pattern) {
  const order = new Intl.Collator("en", { numeric: true });
  return (
    names
      .filter((name) => pattern.test(name))
      .toSorted(order.compare)
      .at(-1) ?? null
  );
}

/**
 * Unpacks a package into `directory/name`, at once or not at all.
 * @param {string} name
 * @param {string} directory
 * @param {(tree: string) => void} [finish] what is to be done with the tree before it counts
 * @returns {string} the tree's path
 */
export function unpackPackage(name, directory, finish = () => {}) {
  const partial = join(directory, `.${name}.${process.pid}`);
  const tree = join(directory, name);
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    say(`fetching Debian's package ${name}, which is unpacked in ${directory} and not installed`);
    download(name, partial);
    const archive = readdirSync(partial).find((file) => file.endsWith(".deb"));
    if (archive === undefined) throw new SetupRefused(`apt has fetched no package ${name}`);
    const unpacked = run("dpkg-deb", ["--extract", join(partial, archive), join(partial, "tree")]);
    if (!unpacked.ok) throw new SetupRefused(`${archive} cannot be unpacked:\n${lastLines(unpacked.output)}`);
    finish(join(partial, "tree"));
    rmSync(tree, { recursive: true, force: true });
    renameSync(join(partial, "tree"), tree);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return tree;
}

/** @param {string} name @param {string} directory */
function download(name, directory) {
  const fetch = () =>
    // The sandbox is a user who may not write into a directory of root's.
    run("apt-get", ["download", "--quiet", "--option=APT::Sandbox::User=root", name], { cwd: directory });
  let result = fetch();
  if (!result.ok) {
    // Lists name versions that the archive no longer has.
    const update = updateLists();
    result = update.ok ? fetch() : update;
  }
  if (!result.ok) throw new SetupRefused(`apt cannot fetch ${name}; apt said:\n${lastLines(result.output)}`);
}
