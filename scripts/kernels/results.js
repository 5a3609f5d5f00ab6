// @ts-check
// What a test machine says on its second serial line: one JSON object a line, written by guest/run.sh and guest/reporter.js.

/**
 * @typedef {{ event: "up", node: string, release: string }
 *   | { event: "test", name: string, state: "passed" | "failed" | "skipped", ms: number, errors: readonly string[] }
 *   | { event: "kept", tar: string } | { event: "end" }} GuestEvent
 */

/** @typedef {import("../last-line-reporter.js").Counts} Counts */

export class Results {
  /** @type {Counts} */
  counts = { passed: 0, failed: 0, skipped: 0 };
  hasEnded = false;
  /** What the tests recorded, a packed tar. @type {Buffer | null} */
  kept = null;
  #say;

  /** @param {(line: string) => void} say takes lines for a person */
  constructor(say) {
    this.#say = say;
  }

  /** @param {string} line */
  take(line) {
    const event = parse(line);
    // The firmware and the kernel may write here too before the line is ours.
    if (event === null) return;
    switch (event.event) {
      case "up":
        this.#say(`  up: Linux ${event.release}, Node ${event.node}`);
        return;
      case "test": {
        this.counts[event.state] += 1;
        const mark = { passed: "✓", failed: "✗", skipped: "-" }[event.state];
        this.#say(
          `  ${mark} ${event.name}${event.state === "skipped" ? "" : `  ${Math.round(event.ms)} ms`}`,
        );
        for (const error of event.errors) this.#say(error.replaceAll(/^/gm, "      "));
        return;
      }
      case "kept":
        this.kept = Buffer.from(event.tar, "base64");
        return;
      case "end":
        this.hasEnded = true;
    }
  }

  /** The machine is off. @param {string | null} why it had to be ended, if it had */
  close(why) {
    const complaint = why ?? (this.hasEnded ? null : "it went off before its tests had ended");
    if (complaint === null && this.counts.passed + this.counts.failed > 0) return;
    this.counts.failed += 1;
    this.#say(`  ✗ ${complaint ?? "no test ran"}`);
  }
}

/** @param {string} line @returns {GuestEvent | null} */
function parse(line) {
  const start = line.indexOf('{"event":');
  if (start === -1) return null;
  try {
    return JSON.parse(line.slice(start));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
