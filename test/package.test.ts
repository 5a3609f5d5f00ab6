/** What `import` from outside gets: the package's two entrances, as built. */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nfpath, root } from "./support/cli.ts";

function evaluate(code: string): string {
  const ran = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    cwd: root,
    encoding: "utf8",
  });
  if (ran.status !== 0) throw new Error(ran.stderr);
  return ran.stdout.trim();
}

test("nfpath/core explains events without Node's help", async () => {
  const trace = readFileSync(join(root, "examples/docker-udp/trace.log"), "utf8");
  const code = `
    import { Explainer, LineSplitter, RuleBook, TextTraceDecoder, journeyContract } from "nfpath/core";
    const explainer = new Explainer(new RuleBook([]));
    const decoder = new TextTraceDecoder({ input: "trace.log", netns: null });
    const lines = new LineSplitter((text, line) => decoder.read(text, line).forEach((event) => explainer.add(event)));
    lines.push(${JSON.stringify(trace)});
    lines.end();
    decoder.end().forEach((event) => explainer.add(event));
    console.log(JSON.stringify(explainer.end().map(journeyContract).map((journey) => journey.outcome.verdict)));`;
  expect(JSON.parse(evaluate(code))).toEqual(Array.from({ length: 6 }, () => "forwarded"));
  expect((await nfpath(["--version"])).status).toBe(0);
});

test("nfpath has the commands as functions", () => {
  const code = `import * as nfpath from "nfpath"; console.log(typeof nfpath.explain, typeof nfpath.traceLive);`;
  expect(evaluate(code)).toBe("function function");
});
