/** Rules as kube-proxy writes them, up to a hundred thousand: reading them, and joining a trace to them. */
import { readFileSync } from "node:fs";
import { findProgram } from "../../src/linux/programs.ts";
import { type Bench, type Group, NFPATH, ownProgram } from "../bench.ts";
import { generateFile, generateTrace } from "../generated.ts";
import { shell, withNamespaces } from "../lab.ts";
import { type Contestant, inTurn, measureCommand } from "../measure.ts";
import { type Absent, type Row, withMemory } from "../row.ts";

export const rules: Group = {
  name: "rules",
  run: async (bench) => {
    for (const count of bench.isSmoke ? [100] : [1_000, 10_000, 100_000]) {
      for (const kind of KINDS) {
        const id = `rules/${kind.name}/${count}`;
        await bench.measure(id, `${count.toLocaleString("en-US")} rules, ${kind.name}`, () =>
          measureRules(bench, id, kind, count),
        );
      }
    }
  },
};

interface Kind {
  readonly name: string;
  /** The generators' words: for rules, for rules that can be loaded, for a trace of packets that meet them. */
  readonly rules: readonly string[];
  readonly loadable: readonly string[];
  readonly trace: string;
  readonly load: string;
  readonly list: string;
}

const KINDS: readonly Kind[] = [
  {
    name: "iptables-save",
    rules: ["iptables-rules"],
    loadable: ["iptables-rules"],
    trace: "kube-log",
    load: "iptables-legacy-restore",
    list: "iptables-legacy-save",
  },
  {
    name: "nft-json",
    rules: ["nft-rules"],
    loadable: ["nft-rules", "--load"],
    trace: "kube-trace",
    load: "nft -j -f",
    list: "nft -j list ruleset",
  },
];

interface Inputs {
  readonly measured: string;
  readonly rules: string;
  readonly loadable: string;
  readonly trace: string;
  readonly lines: number;
  readonly runs: number;
}

async function measureRules(bench: Bench, id: string, kind: Kind, count: number): Promise<readonly Row[]> {
  const inputs = {
    measured: await bench.native("measured"),
    rules: bench.newFile(`rules-${kind.name}`),
    loadable: bench.newFile(`loadable-${kind.name}`),
    trace: bench.newFile(`trace-${kind.name}`),
  };
  const size = ["--rules", String(count)];
  await generateFile(bench, inputs.rules, [...kind.rules, ...size]);
  await generateFile(bench, inputs.loadable, [...kind.loadable, ...size]);
  const lines = String(bench.isSmoke ? 500 : 20_000);
  const truth = await generateTrace(bench, inputs.trace, [kind.trace, ...size, "--lines", lines]);
  // The largest takes as long as all the others together.
  const runs = count > 10_000 ? 1 : bench.choices.runs;
  const all = { ...inputs, lines: truth.lines, runs };
  return [...(await reading(id, kind, all)), ...(await joining(bench, id, all))];
}

/** A whole run of nfpath over the rules and a trace, beside programs that only read or list the same rules. */
async function reading(id: string, kind: Kind, inputs: Inputs): Promise<readonly Row[]> {
  const { measured, rules: path, trace } = inputs;
  const command = [...NFPATH, "explain", "--summary", "--format", "json", "--rules", path, trace];
  const own = run("nfpath", measured, command);
  const counting = run("wc of the file", measured, ["wc", path]);
  const absent: Absent[] = [];
  const finish = async (more: readonly Contestant[]) => {
    const [nfpath, ...peers] = await inTurn([own, counting, ...more], inputs.runs);
    if (nfpath === undefined) throw new Error("nothing was measured");
    return withMemory({
      ...{ id: `${id}/read`, title: `a trace of ${inputs.lines} steps explained with them`, unit: "s" },
      ...{ better: "less", nfpath, peers, absent, notes: [] },
    });
  };
  const [program = ""] = kind.list.split(" ");
  const name = `${kind.list} | wc`;
  if (findProgram(program) === null) absent.push({ name, why: `${program} is not installed` });
  else if (process.getuid?.() !== 0) absent.push({ name, why: "it needs root, for a namespace" });
  if (absent.length > 0) return finish([]);
  return withNamespaces(["rules"], async (netns = "") => {
    try {
      await shell(`${kind.load} ${inputs.loadable}`, netns);
    } catch (error) {
      absent.push({ name, why: error instanceof Error ? error.message : String(error) });
      return finish([]);
    }
    return finish([run(name, measured, ["sh", "-c", name], netns)]);
  });
}

function run(name: string, measured: string, command: readonly string[], netns?: string): Contestant {
  return {
    name,
    run: async () => {
      const options = netns === undefined ? {} : { netns };
      const { seconds, peakBytes } = await measureCommand(measured, command, options);
      return { value: seconds, peakBytes };
    },
  };
}

/** In process: rules a second that are read, and events a second that are explained with them and without. */
async function joining(bench: Bench, id: string, inputs: Inputs): Promise<readonly Row[]> {
  const out = bench.newFile("rules.json");
  const said: Said[] = [];
  for (let turn = 0; turn < inputs.runs; turn++) {
    const words = [inputs.rules, inputs.trace, out];
    await measureCommand(inputs.measured, [...ownProgram("inner/rules.js"), ...words]);
    const one: Said = JSON.parse(readFileSync(out, "utf8"));
    if (one.resolved * 2 < one.events)
      throw new Error(`of ${one.events} events only ${one.resolved} were found to be of a listed rule`);
    said.push(one);
  }
  const series = (name: string, value: (one: Said) => number) => ({
    name,
    values: said.map(value),
    peakBytes: null,
  });
  return [
    {
      ...{ id: `${id}/parse`, title: "rules read and indexed, in process", unit: "/s", better: "more" },
      nfpath: series("nfpath", ({ rules: count, reading: read, indexing }) => count / (read + indexing)),
      ...{ peers: [], absent: [], notes: [] },
    },
    {
      ...{ id: `${id}/join`, title: "events explained with these rules, in process", unit: "events/s" },
      better: "more",
      nfpath: series("nfpath", ({ events, joining: seconds }) => events / seconds),
      peers: [series("nfpath, without rules", ({ events, without }) => events / without)],
      ...{ absent: [], notes: [] },
    },
  ];
}

interface Said {
  readonly rules: number;
  readonly events: number;
  readonly reading: number;
  readonly indexing: number;
  readonly joining: number;
  readonly without: number;
  readonly resolved: number;
}
