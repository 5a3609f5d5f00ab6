// @ts-check
// The compiler takes a second even to find that nothing changed, so what it built is dated by a stamp: anything
// younger under src/ means a build. `./nfpath` makes the same comparison in the shell.
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { lastLines, run } from "./run.js";
import { SetupRefused, say } from "./say.js";

const STAMP = join("dist", ".stamp");
/** Besides all of src/, what the result depends on. */
const CONFIGURATION = ["package.json", "package-lock.json", "tsconfig.base.json", "tsconfig.build.json"];

/** @param {string} root the project's directory */
export function buildIsCurrent(root) {
  const stamp = statSync(join(root, STAMP), { throwIfNoEntry: false });
  if (stamp === undefined) return false;
  /** @param {string} path */
  const isOlder = (path) => statSync(path).mtimeMs <= stamp.mtimeMs;
  return (
    CONFIGURATION.every((file) => isOlder(join(root, file))) &&
    // Directories count too: removing a file changes nothing else.
    isOlder(join(root, "src")) &&
    readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).every((path) =>
      isOlder(join(root, "src", path)),
    )
  );
}

/** @param {string} root the project's directory */
export function build(root) {
  say("building");
  // The stamp carries the time at which the compiler began: what is saved while it runs is built next time.
  const began = new Date();
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  if (!existsSync(compiler))
    throw new SetupRefused("the TypeScript compiler is missing: delete node_modules, then run this again");
  const { ok, output } = run(process.execPath, [compiler, "-b", "tsconfig.build.json"], { cwd: root });
  if (!ok) throw new SetupRefused(`the sources do not compile:\n${lastLines(output, 40)}`);
  const stamp = join(root, STAMP);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, "");
  utimesSync(stamp, began, began);
}
