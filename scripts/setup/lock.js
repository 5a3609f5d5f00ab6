// @ts-check
// Two set-ups at once (`npm start` in one terminal, `npm test` in another) would both run `npm ci`, which begins
// by deleting node_modules. Making a directory is the one test-and-set every file system has; the file in it
// says who holds the lock, so that a lock whose holder was killed is taken over and not waited for.
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { SetupRefused, say } from "./say.js";

const POLL_MS = 200;
/** A holder writes its name at once; a lock without one for this long was left by a holder that died between. */
const NAMELESS_MS = 5_000;

/**
 * Runs `work` while no other process holds the lock.
 * @template Value
 * @param {string} path of the lock directory; its parent is made where needed
 * @param {() => Value | Promise<Value>} work
 * @param {{ patienceMs?: number }} [options] how long to wait for another holder
 * @returns {Promise<Value>}
 */
export async function withLock(path, work, { patienceMs = 15 * 60_000 } = {}) {
  mkdirSync(dirname(path), { recursive: true });
  const deadline = Date.now() + patienceMs;
  let hasSaid = false;
  while (!take(path)) {
    if (removeIfDead(path)) continue;
    if (Date.now() > deadline) {
      throw new SetupRefused(
        `another set-up (process ${holder(path) ?? "?"}) does not end; if it is gone, delete ${path}`,
      );
    }
    if (!hasSaid) say(`waiting for another set-up of this directory (process ${holder(path) ?? "?"})`);
    hasSaid = true;
    await sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** @param {string} path */
function take(path) {
  try {
    mkdirSync(path);
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
  writeFileSync(join(path, "pid"), String(process.pid));
  return true;
}

/**
 * Takes a dead holder's lock away. The new name holds the dead holder's number, so of two processes that saw the
 * same corpse only one succeeds, and a lock that was renewed meanwhile is given back.
 * @param {string} path
 */
function removeIfDead(path) {
  const pid = holder(path);
  if (pid === null ? !isOldAndNameless(path) : isAlive(pid)) return false;
  const grave = `${path}.${pid ?? "nameless"}`;
  try {
    renameSync(path, grave);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTEMPTY", "EEXIST")) return false;
    throw error;
  }
  if (holder(grave) !== pid) {
    renameSync(grave, path);
    return false;
  }
  rmSync(grave, { recursive: true, force: true });
  return true;
}

/** @param {string} path @returns {number | null} */
function holder(path) {
  try {
    const pid = Number(readFileSync(join(path, "pid"), "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
}

/** @param {string} path */
function isOldAndNameless(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs > NAMELESS_MS;
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return hasCode(error, "EPERM");
  }
}

/** @param {unknown} error @param {readonly string[]} codes */
function hasCode(error, ...codes) {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
