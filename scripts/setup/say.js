// @ts-check
// Set-up speaks on standard error only: the standard output of `npm start` belongs to the program it runs.

/** One line to the person who is waiting. @param {string} line */
export function say(line) {
  process.stderr.write(`nfpath: ${line}\n`);
}

/** A refusal of the world that ends the set-up: its message is written for the person, without a stack. */
export class SetupRefused extends Error {}
