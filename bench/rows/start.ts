/** How long one waits: for the version, for a small file, for an armed trace. */
import { join } from "node:path";
import { type Bench, type Group, NFPATH, ROOT } from "../bench.ts";
import { BPFTRACE, startBpftrace, whyNoBpftrace } from "../bpftrace.ts";
import { needRoot, shell, withNamespaces } from "../lab.ts";
import { type Listener, nflogListeners, nftraceListeners, type Running } from "../listeners.ts";
import { type Contestant, inTurn, measureCommand, whoIsHere } from "../measure.ts";
import { type Absent, type Row, withMemory } from "../row.ts";

export const start: Group = {
  name: "start",
  run: async (bench) => {
    await bench.measure("start/version", "nfpath --version", () =>
      commands(bench, "start/version", "nfpath --version", [...NFPATH, "--version"]),
    );
    const log = join(ROOT, "examples/docker-udp/trace.log");
    await bench.measure("start/explain", "nfpath explain of six packets", () =>
      commands(bench, "start/explain", "nfpath explain of six packets", [...NFPATH, "explain", log]),
    );
    await bench.measure("start/armed", "until a trace listens", () => armed(bench));
  },
};

async function commands(
  bench: Bench,
  id: string,
  title: string,
  own: readonly string[],
): Promise<readonly Row[]> {
  const measured = await bench.native("measured");
  const contestant = (
    name: string,
    program: string,
    command: readonly string[],
  ): Contestant & { program: string } => ({
    name,
    program,
    run: async () => {
      const { seconds, peakBytes } = await measureCommand(measured, command);
      return { value: seconds, peakBytes };
    },
  });
  const { here, absent } = whoIsHere([
    contestant("node -e 0", "node", [process.execPath, "-e", "0"]),
    contestant("nft --version", "nft", ["nft", "--version"]),
    contestant("bpftrace --version", "bpftrace", ["bpftrace", "--version"]),
  ]);
  const [nfpath, ...peers] = await inTurn([contestant("nfpath", "node", own), ...here], often(bench));
  if (nfpath === undefined) throw new Error("nothing was measured");
  return withMemory({ id, title, unit: "s", better: "less", nfpath, peers, absent, notes: [] });
}

/** What takes so little is asked more often. */
function often({ choices, isSmoke }: Bench): number {
  return isSmoke ? 1 : choices.runs * 3;
}

/** From the start of the process until the kernel would tell it of a packet. */
async function armed(bench: Bench): Promise<Row> {
  needRoot();
  const absent: Absent[] = [];
  const listeners = [...nftraceListeners(bench).slice(0, 3), ...nflogListeners(bench).slice(1, 2)];
  const { here, absent: missing } = whoIsHere(listeners.map(readiness));
  const contestants = [...here];
  const why = await whyNoBpftrace();
  if (why !== null) absent.push({ name: BPFTRACE, why });
  else contestants.push({ name: BPFTRACE, run: async () => ready(await startBpftrace()) });
  const [nfpath, ...peers] = await inTurn(contestants, often(bench));
  if (nfpath === undefined) throw new Error("nothing was measured");
  return {
    ...{ id: "start/armed", title: "from the start until packets are heard", unit: "s", better: "less" },
    ...{ nfpath, peers, absent: [...missing, ...absent] },
    notes: [
      "nfpath also reads the rules, takes a snapshot, writes its journal and marks packets; peers' rules are there before",
    ],
  };
}

function readiness({
  name,
  program,
  rules,
  start: begin,
}: Listener): Contestant & { readonly program: string } {
  return {
    name,
    program,
    run: () =>
      withNamespaces(["start"], async (netns = "") => {
        await shell(rules, netns);
        return ready(await begin(netns));
      }),
  };
}

async function ready({ readyAfter, stop }: Running) {
  await stop();
  return { value: readyAfter, peakBytes: null };
}
