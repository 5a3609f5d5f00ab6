/**
 * Two runs of the bench side by side:
 *
 *     npm run bench:compare -- A.json B.json
 *
 * Machines and tools that differ are named first: such figures are no comparison of nfpath.
 */
import { compare } from "./comparison.ts";
import { readResult } from "./result-file.ts";

const [before, after] = process.argv.slice(2);
if (before === undefined || after === undefined) {
  process.stderr.write("bench:compare: give two results: npm run bench:compare -- A.json B.json\n");
  process.exitCode = 2;
} else {
  try {
    process.stdout.write(`${compare(readResult(before), readResult(after)).join("\n")}\n`);
  } catch (error) {
    process.stderr.write(`bench:compare: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  }
}
