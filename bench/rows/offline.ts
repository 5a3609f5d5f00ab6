/**
 * Logs to journeys and counts, beside programs that count the same lines.
 *
 * A peer that counts chains does less than nfpath, which decides what belongs to one packet and what became of it; it is the
 * floor of what reading such a log costs. Every contestant's count is held against what was generated.
 */
import { readFileSync, rmSync } from "node:fs";
import { type Bench, type Group, NFPATH, ownProgram } from "../bench.ts";
import type { Truth } from "../generate/traffic.ts";
import { type Generated, generateTrace, generator } from "../generated.ts";
import {
  type CommandOptions,
  type Contestant,
  ended,
  gathered,
  inTurn,
  type Measured,
  measureCommand,
  type Sample,
  startTied,
  whoIsHere,
} from "../measure.ts";
import { PYTHON3 } from "../python.ts";
import { type Row, withMemory } from "../row.ts";

export const offline: Group = {
  name: "offline",
  run: async (bench) => {
    const lines = bench.isSmoke ? 3_000 : 2_000_000;
    const bytes = bench.isSmoke ? 500_000 : 100_000_000;
    await bench.measure("offline/log", `${lines.toLocaleString("en-US")} TRACE lines`, () =>
      log(bench, lines),
    );
    await bench.measure("offline/nft", `${inMega(bytes)} MB of nft monitor trace`, () =>
      nftText(bench, bytes),
    );
    await bench.measure("offline/growth", "from 10 MB on", () => growth(bench));
    await bench.measure("offline/decode", "lines to events", () => decoding(bench));
  },
};

/** How a peer counts the lines of each rule that was met; its counts come as `NUMBER KEY` lines. */
interface Counter {
  readonly name: string;
  readonly program: string;
  readonly command: (path: string) => readonly string[];
}

const COUNT_IN_PYTHON = (pattern: string) => `
import re, sys
found = re.compile(${JSON.stringify(pattern)}).search
counts = {}
with open(sys.argv[1], encoding="latin-1") as lines:
    for line in lines:
        match = found(line)
        if match:
            key = match.group(1)
            counts[key] = counts.get(key, 0) + 1
for key, count in counts.items():
    print(count, key)
`;

const COUNT_IN_NODE = (pattern: string) => `
const counts = new Map();
const found = ${pattern};
let rest = "";
const stream = require("node:fs").createReadStream(process.argv[1], { encoding: "latin1", highWaterMark: 1 << 18 });
stream.on("data", (chunk) => {
  const lines = (rest + chunk).split("\\n");
  rest = lines.pop();
  for (const line of lines) {
    const match = found.exec(line);
    if (match !== null) counts.set(match[1], (counts.get(match[1]) ?? 0) + 1);
  }
});
stream.on("end", () => { for (const [key, count] of counts) console.log(count, key); });
`;

const PRINT = "END { for (key in count) print count[key], key }";

const LOG_COUNTERS: readonly Counter[] = [
  {
    name: "mawk, fields",
    program: "mawk",
    command: (path) => ["mawk", `/ TRACE: / { count[$8]++ } ${PRINT}`, path],
  },
  {
    name: "mawk, index and substr",
    program: "mawk",
    command: (path) => [
      "mawk",
      `{ at = index($0, " TRACE: "); if (at) { key = substr($0, at + 8, 80); count[substr(key, 1, index(key, " ") - 1)]++ } } ${PRINT}`,
      path,
    ],
  },
  {
    name: "python3, a regex",
    program: "python3",
    command: (path) => [PYTHON3, "-c", COUNT_IN_PYTHON(String.raw` TRACE: (\S+)`), path],
  },
  {
    name: "node, a regex",
    program: "node",
    command: (path) => [process.execPath, "-e", COUNT_IN_NODE("/ TRACE: (\\S+)/"), path],
  },
  { name: "grep -c", program: "grep", command: (path) => ["grep", "-c", " TRACE: ", path] },
];

/** Lines that tell of a step: all but those that only show the headers. */
const NFT_COUNTERS: readonly Counter[] = [
  {
    name: "mawk, fields",
    program: "mawk",
    command: (path) => ["mawk", `/^trace id / && $7 != "packet:" { count[$5 ":" $6]++ } ${PRINT}`, path],
  },
  {
    name: "python3, a regex",
    program: "python3",
    command: (path) => [
      PYTHON3,
      "-c",
      COUNT_IN_PYTHON(String.raw`^trace id \S+ \S+ (\S+ \S+) (?!packet:)`),
      path,
    ],
  },
  {
    name: "node, a regex",
    program: "node",
    command: (path) => [
      process.execPath,
      "-e",
      COUNT_IN_NODE("/^trace id \\S+ \\S+ (\\S+ \\S+) (?!packet:)/"),
      path,
    ],
  },
  {
    name: "grep -cE",
    program: "grep",
    command: (path) => ["grep", "-cE", "^trace id [0-9a-f]+ ip [^ ]+ [^ ]+ (rule|policy)", path],
  },
];

async function log(bench: Bench, lines: number): Promise<readonly Row[]> {
  const path = bench.newFile("trace.log");
  const truth = await generateTrace(bench, path, ["kernel-log", "--lines", String(lines)]);
  const title = `${inMega(truth.bytes)} MB of kernel log, ${truth.lines} lines, ${truth.packets} packets`;
  const rows = await beside(bench, "offline/log", title, path, truth, LOG_COUNTERS);
  rmSync(path);
  return rows;
}

async function nftText(bench: Bench, bytes: number): Promise<readonly Row[]> {
  const path = bench.newFile("trace.txt");
  const truth = await generateTrace(bench, path, ["nft-trace", "--bytes", String(bytes)]);
  const title = `${inMega(truth.bytes)} MB of nft monitor trace, ${truth.lines} steps, ${truth.packets} packets`;
  const rows = await beside(bench, "offline/nft", title, path, truth, NFT_COUNTERS);
  rmSync(path);
  return rows;
}

/** nfpath and the counters over one file: a row of times, and one of memory. */
async function beside(
  bench: Bench,
  id: string,
  title: string,
  path: string,
  truth: Generated,
  counters: readonly Counter[],
): Promise<readonly Row[]> {
  const measured = await bench.native("measured");
  const { here, absent } = whoIsHere(
    counters.map(({ name, program, command }) => ({
      name,
      program,
      run: async () => {
        const run = await measureCommand(measured, command(path));
        expectCount(totalOf(run.stdout), truth.lines, "lines");
        return sampleOf(run);
      },
    })),
  );
  const nfpath = explaining(measured, [path], truth);
  const [own, ...peers] = await inTurn([nfpath, ...here], bench.choices.runs);
  if (own === undefined) throw new Error("nothing was measured");
  return withMemory({
    ...{ id, title: `${title}: time to journeys and counts`, unit: "s", better: "less" },
    ...{ nfpath: own, peers, absent, notes: ["peers only count the lines of each rule or chain"] },
  });
}

/** `nfpath explain --summary`, which must find every packet and every step. */
function explaining(
  measured: string,
  inputs: readonly string[],
  truth: Truth,
  options: CommandOptions = {},
): Contestant {
  return {
    name: "nfpath",
    run: async () => {
      const command = [...NFPATH, "explain", "--summary", "--format", "json", ...inputs];
      const run = await measureCommand(measured, command, options);
      expectFound(run.stdout, truth);
      return sampleOf(run);
    },
  };
}

function expectFound(json: string, truth: Truth): void {
  const summary = JSON.parse(json) as {
    readonly journeys: number;
    readonly report: { readonly events: { readonly step: number; readonly unparsed: number } };
  };
  expectCount(summary.report.events.step, truth.lines, "steps");
  expectCount(summary.report.events.unparsed, 0, "unreadable lines");
  expectCount(summary.journeys, truth.packets, "journeys");
}

function expectCount(found: number, wanted: number, what: string): void {
  if (found !== wanted) throw new Error(`${found} ${what} were found, and ${wanted} were generated`);
}

function totalOf(stdout: string): number {
  return stdout.split("\n").reduce((sum, line) => sum + (Number.parseInt(line, 10) || 0), 0);
}

function sampleOf({ seconds, peakBytes }: Measured): Sample {
  return { value: seconds, peakBytes };
}

/** Ten times as much and ten times again, through a pipe, so that 5 GB need no disk. */
async function growth(bench: Bench): Promise<readonly Row[]> {
  const measured = await bench.native("measured");
  const least = Math.min(bench.isSmoke ? 10_000 : 10_000_000, bench.choices.upTo);
  const rows: Row[] = [];
  let smallest: Row | null = null;
  for (const bytes of sizesUpTo(least, bench.choices.upTo)) {
    const input = generator(bench, ["kernel-log", "--bytes", String(bytes)]);
    // Once more without a reader: the packets and lines that everybody must find.
    const truth = await truthOf(input);
    const nfpath = explaining(measured, ["-"], truth, { input });
    const { here, absent } = whoIsHere([
      {
        name: "mawk, fields",
        program: "mawk",
        run: async () => {
          const run = await measureCommand(measured, ["mawk", `/ TRACE: / { count[$8]++ } ${PRINT}`], {
            input,
          });
          expectCount(totalOf(run.stdout), truth.lines, "lines");
          return sampleOf(run);
        },
      },
    ]);
    const [own, ...peers] = await inTurn([nfpath, ...here], bytes > 1e8 ? 1 : bench.choices.runs);
    if (own === undefined) throw new Error("nothing was measured");
    const row: Row = {
      ...{
        id: `offline/growth/${inMega(bytes)}MB`,
        title: `${inMega(truth.bytes)} MB through a pipe`,
        unit: "s",
      },
      ...{ better: "less", nfpath: own, absent, notes: [] },
      peers: smallest === null ? peers : [...peers, itself(smallest.nfpath, least)],
    };
    smallest ??= row;
    rows.push(...withMemory(row));
  }
  return rows;
}

function itself(series: Row["nfpath"], bytes: number): Row["nfpath"] {
  return { ...series, name: `nfpath, ${inMega(bytes)} MB` };
}

function sizesUpTo(least: number, most: number): readonly number[] {
  const sizes: number[] = [];
  for (let size = least; size < most; size *= 10) sizes.push(size);
  return [...sizes, most];
}

async function truthOf(command: readonly string[]): Promise<Generated> {
  const child = startTied(command, ["ignore", "ignore", "pipe"]);
  const said = gathered(child.stderr);
  const status = await ended(child);
  if (status !== 0) throw new Error(`the generator failed: ${said()}`);
  return JSON.parse(said()) as Generated;
}

/** How fast lines are cut and decoded, in each dress of a kernel log, without all that comes after. */
async function decoding(bench: Bench): Promise<readonly Row[]> {
  const measured = await bench.native("measured");
  const lines = bench.isSmoke ? 2_000 : 400_000;
  const rows: Row[] = [];
  const dresses = ["syslog", "trimmed", "iso", "dmesg", "kmsg", "ip6"];
  for (const dress of bench.isSmoke ? dresses.slice(-2) : dresses) {
    const out = bench.newFile("decoded.json");
    const [own] = await inTurn(
      [
        {
          name: "nfpath",
          run: async () => {
            const words = [dress, String(lines), String(bench.choices.seed), out];
            const { peakBytes } = await measureCommand(measured, [
              ...ownProgram("inner/decode.js"),
              ...words,
            ]);
            const { records, seconds } = JSON.parse(readFileSync(out, "utf8"));
            return { value: records / seconds, peakBytes };
          },
        },
      ],
      bench.choices.runs,
    );
    if (own === undefined) throw new Error("nothing was measured");
    rows.push({
      ...{ id: `offline/decode/${dress}`, title: `lines cut and decoded in process, ${dress}`, unit: "/s" },
      ...{ better: "more", nfpath: own, peers: [], absent: [], notes: [] },
    });
  }
  return rows;
}

function inMega(bytes: number): string {
  return String(Number((bytes / 1e6).toPrecision(3)));
}
