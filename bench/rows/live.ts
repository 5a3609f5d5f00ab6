/**
 * Live: how many packets a second a listener keeps up with, and what it loses above that.
 *
 * A flood of UDP datagrams between two namespaces; each makes five trace events in the second, where the listener is. How many
 * packets there were is told by the kernel's counter of the rule that drops them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "../../src/linux/programs.ts";
import type { Bench, Group } from "../bench.ts";
import { shell, withNamespaces } from "../lab.ts";
import {
  childrenOf,
  commandLineOf,
  EVENTS_A_PACKET,
  type Heard,
  type Listener,
  nflogListeners,
  nftraceListeners,
  PORT,
  type Running,
} from "../listeners.ts";
import { ended, gathered, inTurn, startTied } from "../measure.ts";
import type { Absent, Row, Series } from "../row.ts";

export const live: Group = {
  name: "live",
  run: async (bench) => {
    for (const [kind, listeners] of [
      ["nftrace", nftraceListeners(bench)],
      ["nflog", nflogListeners(bench)],
    ] as const) {
      await bench.measure(`live/${kind}/rate`, "highest rate without loss", () =>
        highestRates(bench, kind, listeners),
      );
      for (const rate of bench.isSmoke ? [500] : [20_000, 100_000]) {
        await bench.measure(`live/${kind}/loss/${rate}`, `loss at ${rate} packets/s`, () =>
          losses(bench, kind, listeners, rate),
        );
      }
      await bench.measure(`live/${kind}/gap`, "events that nfpath says it lost", () =>
        gap(bench, kind, listeners[0] as Listener),
      );
    }
  },
};

const LADDER = [
  ...[500, 1_000, 1_400, 2_000, 2_800, 4_000, 5_600, 8_000, 11_000, 16_000, 22_000, 32_000, 45_000, 64_000],
  ...[90_000, 128_000, 180_000, 256_000],
];

const FLOWS = 16;

interface Probe {
  readonly packets: number;
  readonly packetsASecond: number;
  readonly heard: Heard;
  /** Of all events that the kernel made, the part that was not heard. */
  readonly share: number;
}

/** What it takes to see a flood: it is running, rules are in place. */
async function withCable<Value>(work: (sender: string, receiver: string) => Promise<Value>): Promise<Value> {
  return withNamespaces(["tx", "rx"], async (sender = "", receiver = "") => {
    await shell(`
      ip -n ${sender} link add veth0 type veth peer name veth0 netns ${receiver}
      ip -n ${sender} addr add 192.0.2.1/24 dev veth0; ip -n ${receiver} addr add 192.0.2.2/24 dev veth0
      ip -n ${sender} link set veth0 up; ip -n ${receiver} link set veth0 up`);
    return work(sender, receiver);
  });
}

/** One flood at a rate, heard by one listener. Nothing may be heard that was not there. */
async function probe(bench: Bench, listener: Listener, rate: number, seconds: number): Promise<Probe> {
  const flood = await bench.native("flood");
  return withCable(async (sender, receiver) => {
    await shell(listener.rules, receiver);
    const running = await listener.start(receiver);
    const words = [flood, "192.0.2.2", String(PORT), String(rate), String(seconds), String(FLOWS)];
    const took = await runFlood([...words, String(bench.choices.seed)], sender);
    const heard = await running.stop();
    const packets = await droppedPackets(receiver, listener.rules);
    const events = packets * EVENTS_A_PACKET;
    if (packets === 0) throw new Error("no packet arrived");
    if (heard.events > events) throw new Error(`${heard.events} events of ${packets} packets were heard`);
    return { packets, packetsASecond: packets / took, heard, share: 1 - heard.events / events };
  });
}

/** Seconds that it took. */
async function runFlood(command: readonly string[], netns: string): Promise<number> {
  const child = startTied(command, ["ignore", "pipe", "pipe"], { netns });
  const [said, failed] = [gathered(child.stdout), gathered(child.stderr)];
  if ((await ended(child)) !== 0) throw new Error(`the flood failed: ${failed()}`);
  return Number(said().trim().split(" ")[1]);
}

/** Of the rule that drops them, as the kernel counts. */
async function droppedPackets(netns: string, rules: string): Promise<number> {
  const isNft = rules.includes("inet host");
  const listing = isNft ? "nft list chain inet host input" : `${iptablesOf(rules)} -nvxL INPUT`;
  const text = await shell(listing, netns);
  const [, count] = (isNft ? /packets (\d+) bytes \d+ drop/ : /^\s*(\d+)\s+\d+\s+DROP/m).exec(text) ?? [];
  if (count === undefined) throw new Error(`no counter in ${listing}`);
  return Number(count);
}

function iptablesOf(rules: string): string {
  return rules.includes("iptables-nft") ? "iptables-nft" : "iptables-legacy";
}

function here(listeners: readonly Listener[]): {
  readonly here: readonly Listener[];
  readonly absent: readonly Absent[];
} {
  const missing = listeners.filter(({ program }) => findProgram(program) === null);
  return {
    here: listeners.filter((listener) => !missing.includes(listener)),
    absent: missing.map(({ name, program }) => ({ name, why: `${program} is not installed` })),
  };
}

async function highestRates(bench: Bench, kind: string, all: readonly Listener[]): Promise<readonly Row[]> {
  const { here: listeners, absent } = here(all);
  const lags = new Map<string, number[]>();
  const held = new Set<string>();
  const found = new Map<string, number>();
  const [nfpath, ...peers] = await inTurn(
    listeners.map((listener) => ({
      name: listener.name,
      ...(listener.note === undefined ? {} : { note: listener.note }),
      run: async () => {
        const best = await highest(bench, listener, found.get(listener.name) ?? null);
        found.set(listener.name, best.step);
        if (best.isSendersLimit) held.add(listener.name);
        lags.set(listener.name, [...(lags.get(listener.name) ?? []), best.ending]);
        return { value: best.packetsASecond, peakBytes: null };
      },
    })),
    bench.choices.runs,
  );
  if (nfpath === undefined) throw new Error("nothing was measured");
  const lag = ({ name }: Series): Series => ({ name, values: lags.get(name) ?? [0], peakBytes: null });
  const notes = [`${EVENTS_A_PACKET} events a packet; of rates in steps of about 1.4`];
  if (held.size > 0)
    notes.push(
      `beside ${[...held].join(", ")} the sender could not send faster: that is a limit of this machine`,
    );
  return [
    {
      ...{ id: `live/${kind}/rate`, title: `highest rate without loss, ${kind}`, unit: "packets/s" },
      ...{ better: "more", nfpath, peers, absent, notes },
    },
    {
      ...{
        id: `live/${kind}/lag`,
        title: "from the end of that flood to the last event's having been taken",
        unit: "s",
      },
      ...{ better: "less", nfpath: lag(nfpath), peers: peers.map(lag), absent: [] },
      notes: [
        "what waits in buffers is no loss, and comes late; 0.2 s of it are the bench's, and the end of the program",
      ],
    },
  ];
}

interface Best {
  readonly packetsASecond: number;
  readonly ending: number;
  readonly step: number;
  /** Whether more packets a second could not be had. */
  readonly isSendersLimit: boolean;
}

const NO_RATE: Best = { packetsASecond: 0, ending: 0, step: 0, isSendersLimit: false };

/** The highest step of the ladder at which nothing is lost, by halves; from a step that is likely, by neighbours. */
async function highest(bench: Bench, listener: Listener, likely: number | null): Promise<Best> {
  const steps = bench.isSmoke ? LADDER.slice(0, 1) : LADDER;
  const seconds = probeSeconds(bench);
  let best = NO_RATE;
  let lossless = -1;
  let lossy = steps.length;
  let next = likely ?? Math.floor(steps.length / 2);
  while (lossy - lossless > 1) {
    const rate = steps[next] as number;
    const { packetsASecond, heard, share } = await probe(bench, listener, rate, seconds);
    if (share > 0) lossy = next;
    else {
      lossless = next;
      // Faster it does not come: that is no limit of the listener's.
      const isSendersLimit = packetsASecond < rate * 0.8;
      best = { packetsASecond, ending: heard.ending, step: next, isSendersLimit };
      if (isSendersLimit) break;
    }
    next = likely !== null && lossy === steps.length ? lossless + 1 : Math.floor((lossless + lossy) / 2);
    if (likely !== null && lossless === -1 && lossy < steps.length) next = lossy - 1;
  }
  return best;
}

/** Long enough that a buffer of 64 MiB hides nothing at the rates that matter. */
function probeSeconds({ isSmoke }: Bench): number {
  return isSmoke ? 0.2 : 3;
}

/** Measured once: what is lost at a rate varies less than the rate that is reached. */
async function losses(bench: Bench, kind: string, all: readonly Listener[], rate: number): Promise<Row> {
  const { here: listeners, absent } = here(all);
  const offered = new Map<string, number>();
  const [nfpath, ...peers] = await inTurn(
    listeners.map((listener) => ({
      name: listener.name,
      run: async () => {
        const { share, packetsASecond } = await probe(bench, listener, rate, probeSeconds(bench));
        offered.set(listener.name, packetsASecond);
        return { value: share, peakBytes: null };
      },
    })),
    1,
  );
  if (nfpath === undefined) throw new Error("nothing was measured");
  const came = (series: Series): Series => ({
    ...series,
    note: `${Math.round(offered.get(series.name) ?? 0).toLocaleString("en-US")} packets/s came`,
  });
  return {
    ...{ id: `live/${kind}/loss/${rate}`, title: `events lost at ${rate} packets/s, ${kind}`, unit: "share" },
    ...{ better: "less", nfpath: came(nfpath), peers: peers.map(came), absent, notes: [] },
  };
}

/** Events; the buffer of 64 MiB takes some hundred thousand. */
const FAR_TOO_MANY = 250_000;

/**
 * A loss that is made: nfpath's reader is held while more comes than its buffer takes. What nfpath says it lost must be what
 * the kernel made and nfpath did not hear, to the event.
 */
async function gap(bench: Bench, kind: string, listener: Listener): Promise<Row> {
  const flood = await bench.native("flood");
  const said: number[] = [];
  const truly: number[] = [];
  for (let turn = 0; turn < bench.choices.runs; turn++) {
    await withCable(async (sender, receiver) => {
      await shell(listener.rules, receiver);
      const running = await listener.start(receiver);
      const words = [flood, "192.0.2.2", String(PORT), "40000", "1", String(FLOWS)];
      await withReaderHeld(running, async () => {
        // On a busy machine a flood is smaller than it should be.
        do await runFlood([...words, String(bench.choices.seed)], sender);
        while ((await droppedPackets(receiver, listener.rules)) * EVENTS_A_PACKET < FAR_TOO_MANY);
      });
      const { events, saidLost } = await running.stop();
      const lost = (await droppedPackets(receiver, listener.rules)) * EVENTS_A_PACKET - events;
      if (lost <= 0) throw new Error("nothing was lost: the flood was too small for the buffer");
      if (saidLost !== lost)
        throw new Error(`nfpath says that ${saidLost} events were lost, and ${lost} were`);
      said.push(saidLost);
      truly.push(lost);
    });
  }
  return {
    ...{
      id: `live/${kind}/gap`,
      title: `events that nfpath says it lost, its reader held, ${kind}`,
      unit: "count",
    },
    ...{ better: "less", nfpath: { name: "nfpath", values: said, peakBytes: null } },
    peers: [{ name: "the kernel's counters", values: truly, peakBytes: null }],
    ...{ absent: [], notes: ["the row fails unless the two are the same"] },
  };
}

async function withReaderHeld(running: Running, work: () => Promise<unknown>): Promise<void> {
  const reader = childrenOf(running.child.pid ?? 0).find((pid) => commandLineOf(pid).includes("collector"));
  if (reader === undefined) throw new Error("nfpath's collector was not found");
  process.kill(reader, "SIGSTOP");
  try {
    await work();
  } finally {
    process.kill(reader, "SIGCONT");
  }
  // What was queued is taken before the end is asked for.
  await sleep(100);
}
