// @ts-check
// Programs that set-up runs are heard only when they fail: a page of npm's or apt's output hides the one line
// that matters.
import { spawnSync } from "node:child_process";

const OUTPUT_LIMIT = 64 * 1024 * 1024;

/**
 * @typedef {object} Ran
 * @property {boolean} ok it ran and its exit status was 0
 * @property {string} output what it wrote, standard error after standard output
 */

/**
 * Runs a program to its end without input.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, minutes?: number }} [options] ten minutes unless told otherwise
 * @returns {Ran}
 */
export function run(program, args, { cwd, env, minutes = 10 } = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    env: env ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    timeout: minutes * 60_000,
    maxBuffer: OUTPUT_LIMIT,
  });
  const output = [stdout, stderr, error?.message].filter(Boolean).join("\n");
  return { ok: status === 0, output };
}

/**
 * The beginning of a program's output, indented, for showing under our own line.
 * @param {string} output
 * @param {number} [count]
 */
export function firstLines(output, count = 8) {
  return indented(lines(output).slice(0, count));
}

/**
 * Its end, likewise.
 * @param {string} output
 * @param {number} [count]
 */
export function lastLines(output, count = 8) {
  return indented(lines(output).slice(-count));
}

/** @param {string} output */
function lines(output) {
  return output.split("\n").filter((line) => line.trim() !== "");
}

/** @param {readonly string[]} lines */
function indented(lines) {
  return lines.map((line) => `    ${line}`).join("\n");
}
