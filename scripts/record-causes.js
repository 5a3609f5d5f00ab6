#!/usr/bin/env node
// @ts-check
/**
 * Makes the examples of docs/causes/ anew: `node scripts/record-causes.js [CODE…]`, as root, after `npm run build`.
 *
 * Each page says where its example comes from: a scenario of the lab that is run and traced (`lab NAME RULES`), files that are explained
 * (`explain FILE…`), or a trace during which the rules are changed (`live rules-changed`). Of what nfpath
 * says the first journey with the page's finding is kept, at 80 columns, without names and times that differ from run to run.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { projectRoot } from "./setup.js";

/** @import { Explained } from "../src/core/diagnosis/diagnose.ts" */
/** @import { Variant } from "../src/lab/scenarios/scenario.ts" */

const COLUMNS = 80;
const DATAGRAM = `const socket = require("node:dgram").createSocket("udp4");
socket.send("nfpath", 9, "127.0.0.1", () => socket.close());`;

/** @param {string} path of a built module */
const built = (path) => import(pathToFileURL(join(projectRoot, "dist", path)).href);
/** @type {typeof import("../src/app/lab-scenarios.ts")} */
const { runScenario } = await built("app/lab-scenarios.js");
/** @type {typeof import("../src/app/trace.ts")} */
const { traceLive } = await built("app/trace.js");
/** @type {typeof import("../src/app/explain.ts")} */
const { explain } = await built("app/explain.js");
/** @type {typeof import("../src/app/evidence.ts")} */
const { openEvidence } = await built("app/evidence.js");
/** @type {typeof import("../src/core/filters/parse.ts")} */
const { parseFilter } = await built("core/filters/parse.js");
/** @type {typeof import("../src/core/views/tree.ts")} */
const { describeJourney, UNICODE } = await built("core/views/tree.js");
/** @type {typeof import("../src/lab/scenarios/catalogue.ts")} */
const { SCENARIOS } = await built("lab/scenarios/catalogue.js");

const pages = join(projectRoot, "docs", "causes");
const wanted = process.argv.slice(2);

for (const file of readdirSync(pages).filter((name) => name.endsWith(".md"))) {
  const code = file.slice(0, -".md".length);
  if (wanted.length > 0 && !wanted.includes(code)) continue;
  const page = readFileSync(join(pages, file), "utf8");
  const [, source] = /^<!-- example: (.+) -->$/m.exec(page) ?? [];
  if (source === undefined) throw new Error(`${file} does not say where its example comes from`);
  const example = exampleOf(code, await explained(source));
  writeFileSync(
    join(pages, file),
    page.replace(/^```\n[\s\S]*?^```$/m, () => `\`\`\`\n${example}\n\`\`\``),
  );
  console.log(`${code}: ${source}`);
}

/** @param {string} source @returns {Promise<readonly Explained[]>} */
async function explained(source) {
  const [kind, ...words] = source.split(" ");
  /** @type {Explained[]} */
  const journeys = [];
  /** @param {Explained} one */
  const keep = (one) => {
    journeys.push(one);
  };
  if (kind === "explain") {
    const evidence = openEvidence(words.map((word) => join(projectRoot, word)));
    if (!evidence.ok) throw new Error(evidence.error.message);
    must(await explain({ ...evidence.value, year: null }, keep));
  } else if (kind === "live") {
    await changeRules(keep);
  } else {
    const scenario = SCENARIOS.find(({ name }) => name === words[0]);
    if (scenario === undefined) throw new Error(`no scenario is called ${words[0]}`);
    const { signal } = new AbortController();
    const run = must(await runScenario(scenario, /** @type {Variant} */ (words[1]), { signal }, keep));
    if (run.objections.length > 0) throw new Error(`${scenario.name}: ${run.objections.join("; ")}`);
  }
  return journeys;
}

/** A trace while somebody changes the rules. @param {(one: Explained) => void} keep */
async function changeRules(keep) {
  const netns = `nfpath-causes-${process.pid}`;
  /** @param {string[]} command */
  const inside = (...command) =>
    execFileSync("ip", ["netns", "exec", netns, ...command], { stdio: "ignore" });
  execFileSync("ip", ["netns", "add", netns]);
  try {
    inside("ip", "link", "set", "lo", "up");
    inside("nft", "add table inet fw; add chain inet fw local { type filter hook input priority 0; }");
    inside("nft", "add rule inet fw local udp dport 9 accept");
    const filter = parseFilter("udp port 9");
    const during = async () => {
      inside("nft", "add rule inet fw local counter");
      inside(process.execPath, "-e", DATAGRAM);
    };
    must(
      await traceLive(
        {
          filter: filter.ok ? filter.value : null,
          netns: [netns],
          seconds: 20,
          packets: null,
          rate: 1000,
          during,
          signal: new AbortController().signal,
        },
        keep,
      ),
    );
  } finally {
    execFileSync("ip", ["netns", "del", netns]);
  }
}

/** @param {string} code @param {readonly Explained[]} journeys */
function exampleOf(code, journeys) {
  const one = journeys.find(({ findings }) => findings.some(({ cause }) => cause === code));
  if (one === undefined) throw new Error(`${code} was not found by nfpath in its example`);
  const timeless = { ...one, journey: { ...one.journey, netns: null, firstTime: null, lastTime: null } };
  const lines = describeJourney(timeless, { columns: COLUMNS, glyphs: UNICODE });
  const text = lines
    .map((line) =>
      line
        .map((span) => span.text)
        .join("")
        .trimEnd(),
    )
    .join("\n");
  return text.trim().replaceAll(/nfpath-[\da-f]{6}-/g, "");
}

/**
 * @template Value
 * @param {{ ok: true, value: Value } | { ok: false, error: { message: string } }} result
 * @returns {Value}
 */
function must(result) {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}
