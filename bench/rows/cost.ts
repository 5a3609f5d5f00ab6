/**
 * What a listener costs the host: packets that are not chosen, and those that are.
 *
 * Three namespaces, a sender, a router and a receiver; the listener is on the router. The rate is what arrives behind it of a
 * flood that is as fast as the sender can; the latency is that of one datagram at a time, there and back, through the router.
 */
import { findProgram } from "../../src/linux/programs.ts";
import type { Bench, Group } from "../bench.ts";
import { BPFTRACE, startBpftrace, whyNoBpftrace } from "../bpftrace.ts";
import { needRoot, shell, withNamespaces } from "../lab.ts";
import {
  type Listener,
  NFT_MARK,
  nflogListeners,
  nfpathListener,
  nftraceListeners,
  PORT,
  TRACE_MARK,
  until,
} from "../listeners.ts";
import { ended, gathered, inTurn, startTied } from "../measure.ts";
import type { Absent, Row, Series, Unit } from "../row.ts";

/** No trace asks for packets to this port. */
const OTHER_PORT = 5000;

export const cost: Group = {
  name: "cost",
  run: async (bench) => {
    await bench.measure("cost/others", "packets that are not chosen, through a router", () => others(bench));
    await bench.measure("cost/chosen", "packets that are chosen, through a router", () => chosen(bench));
    await bench.measure("cost/cpu", "CPU time of a packet that is not chosen", () => cpuTime(bench));
  },
};

/** Something that is attached to the router while packets go through it; null: nothing. */
interface Attached {
  readonly name: string;
  readonly note?: string;
  readonly program: string | null;
  readonly rules: string;
  readonly start: ((router: string) => ReturnType<Listener["start"]>) | null;
}

const NOTHING: Attached = { name: "nothing attached", program: null, rules: "", start: null };

async function others(bench: Bench): Promise<readonly Row[]> {
  const [bpftrace, absent] = await bpftraceHere();
  return throughRouter(bench, "cost/others", OTHER_PORT, "packets that are not chosen", absent, [
    nfpathListener(bench, ""),
    NOTHING,
    {
      name: "nft monitor trace, a rule",
      program: "nft",
      rules: NFT_MARK(PORT),
      start: startOf(bench, "nft monitor trace"),
    },
    {
      ...{ name: "a plain TRACE rule", program: "iptables-legacy" },
      ...{ rules: TRACE_MARK("iptables-legacy", PORT), start: null },
    },
    ...bpftrace,
  ]);
}

async function chosen(bench: Bench): Promise<readonly Row[]> {
  const [bpftrace, absent] = await bpftraceHere();
  const filter = ["udp", "port", String(PORT)];
  const forTcpdump = `sysctl -qw net.netfilter.nf_log.2=nfnetlink_log\n${TRACE_MARK("iptables-legacy", PORT)}`;
  return throughRouter(bench, "cost/chosen", PORT, "packets that are chosen", absent, [
    { ...nfpathListener(bench, "", filter), note: "as it comes: at most 1,000 packets a second are marked" },
    NOTHING,
    { ...nfpathListener(bench, "", ["--rate", "10000000", ...filter]), name: "nfpath, each packet" },
    {
      name: "nft monitor trace, a rule",
      program: "nft",
      rules: NFT_MARK(PORT),
      start: startOf(bench, "nft monitor trace"),
    },
    {
      name: "a TRACE rule, tcpdump -i nflog",
      program: "tcpdump",
      rules: forTcpdump,
      start: startOf(bench, "tcpdump -i nflog"),
    },
    {
      ...{ name: "a TRACE rule, no reader", program: "iptables-legacy", start: null },
      rules: TRACE_MARK("iptables-legacy", PORT),
    },
    ...bpftrace,
  ]);
}

function startOf(bench: Bench, name: string): Listener["start"] {
  const found = [...nftraceListeners(bench), ...nflogListeners(bench)].find(
    (listener) => listener.name === name,
  );
  if (found === undefined) throw new Error(`no listener ${name}`);
  return found.start;
}

async function bpftraceHere(): Promise<readonly [readonly Attached[], readonly Absent[]]> {
  needRoot();
  const why = await whyNoBpftrace();
  if (why !== null) return [[], [{ name: BPFTRACE, why }]];
  return [[{ name: BPFTRACE, program: "bpftrace", rules: "", start: startBpftrace }], []];
}

interface Passage {
  readonly packetsASecond: number;
  readonly median: number;
  readonly late: number;
}

const ROWS: readonly { readonly key: keyof Passage; readonly title: string; readonly unit: Unit }[] = [
  { key: "packetsASecond", title: "forwarded", unit: "packets/s" },
  { key: "median", title: "there and back, median", unit: "s" },
  { key: "late", title: "there and back, 99th percentile", unit: "s" },
];

async function throughRouter(
  bench: Bench,
  id: string,
  port: number,
  what: string,
  notHere: readonly Absent[],
  all: readonly Attached[],
): Promise<readonly Row[]> {
  const missing = all.filter(({ program }) => program !== null && findProgram(program) === null);
  const present = all.filter((attached) => !missing.includes(attached));
  const absent = [
    ...notHere,
    ...missing.map(({ name, program }) => ({ name, why: `${program} is not installed` })),
  ];
  const passages = new Map<string, Passage[]>();
  await inTurn(
    present.map((attached) => ({
      name: attached.name,
      run: async () => {
        const passage = await pass(bench, attached, port);
        passages.set(attached.name, [...(passages.get(attached.name) ?? []), passage]);
        return { value: passage.packetsASecond, peakBytes: null };
      },
    })),
    bench.choices.runs,
  );
  return ROWS.map(({ key, title, unit }): Row => {
    const [nfpath, ...peers] = present.map(
      ({ name, note }): Series => ({
        name,
        values: (passages.get(name) ?? []).map((passage) => passage[key]),
        peakBytes: null,
        ...(note === undefined ? {} : { note }),
      }),
    );
    if (nfpath === undefined) throw new Error("nothing was measured");
    const better = unit === "s" ? "less" : "more";
    return { id: `${id}/${key}`, title: `${what}: ${title}`, unit, better, nfpath, peers, absent, notes: [] };
  });
}

const RECEIVER = "198.51.100.2";

/** One listener attached to a new router, and what goes through. */
async function pass(bench: Bench, { rules, start }: Attached, port: number): Promise<Passage> {
  const programs = { flood: await bench.native("flood"), roundTrip: await bench.native("round-trip") };
  return withNamespaces(["tx", "router", "rx"], async (sender = "", router = "", receiver = "") => {
    await shell(cables(sender, router, receiver));
    if (rules !== "") await shell(rules, router);
    const running = start === null ? null : await start(router);
    try {
      const packetsASecond = await forwardRate(bench, programs.flood, sender, receiver, port);
      const { median, late } = await latency(bench, programs.roundTrip, sender, receiver, port);
      return { packetsASecond, median, late };
    } finally {
      await running?.stop();
    }
  });
}

function cables(sender: string, router: string, receiver: string): string {
  return `
    ip -n ${sender} link add veth0 type veth peer name veth0 netns ${router}
    ip -n ${receiver} link add veth0 type veth peer name veth1 netns ${router}
    ip -n ${sender} addr add 192.0.2.2/24 dev veth0; ip -n ${router} addr add 192.0.2.1/24 dev veth0
    ip -n ${receiver} addr add ${RECEIVER}/24 dev veth0; ip -n ${router} addr add 198.51.100.1/24 dev veth1
    for end in "${sender} veth0" "${router} veth0" "${router} veth1" "${receiver} veth0"; do
      set -- $end; ip -n $1 link set $2 up
    done
    ip -n ${sender} route add default via 192.0.2.1; ip -n ${receiver} route add default via 198.51.100.1
    ip netns exec ${router} sysctl -qw net.ipv4.ip_forward=1`;
}

/** What arrives of a flood, by the counter of the receiver's interface. */
async function forwardRate(
  bench: Bench,
  flood: string,
  sender: string,
  receiver: string,
  port: number,
): Promise<number> {
  // Nobody listens: an answer for each would be measured too.
  await shell(
    `nft 'add table ip quiet; add chain ip quiet in { type filter hook prerouting priority -400; }; add rule ip quiet in udp dport ${port} drop'`,
    receiver,
  );
  const before = await received(receiver);
  const words = [RECEIVER, String(port), "0", bench.isSmoke ? "0.1" : "2", "16", String(bench.choices.seed)];
  const child = startTied([flood, ...words], ["ignore", "pipe", "pipe"], { netns: sender });
  const [said, failed] = [gathered(child.stdout), gathered(child.stderr)];
  if ((await ended(child)) !== 0) throw new Error(`the flood failed: ${failed()}`);
  const came = (await received(receiver)) - before;
  await shell("nft delete table ip quiet", receiver);
  const seconds = Number(said().trim().split(" ")[1]);
  if (came === 0) throw new Error("no packet was forwarded");
  return came / seconds;
}

async function received(netns: string): Promise<number> {
  const links: { readonly stats64: { readonly rx: { readonly packets: number } } }[] = JSON.parse(
    await shell("ip -s -j link show veth0", netns),
  );
  return links[0]?.stats64.rx.packets ?? 0;
}

async function latency(bench: Bench, program: string, sender: string, receiver: string, port: number) {
  const echo = startTied([program, "echo", String(port)], ["ignore", "pipe", "pipe"], { netns: receiver });
  const [echoSaid, echoFailed] = [gathered(echo.stdout), gathered(echo.stderr)];
  await until(echo, () => echoSaid().includes("ready"), echoFailed);
  const words = ["ask", RECEIVER, String(port), bench.isSmoke ? "100" : "5000"];
  const asking = startTied([program, ...words], ["ignore", "pipe", "pipe"], { netns: sender });
  const [said, failed] = [gathered(asking.stdout), gathered(asking.stderr)];
  const status = await ended(asking);
  echo.kill("SIGKILL");
  await ended(echo);
  if (status !== 0) throw new Error(`no answer came back: ${failed()}`);
  const [median = 0, late = 0] = said().trim().split(" ").map(Number);
  return { median: median / 1e9, late: late / 1e9 };
}

/** Over the loopback, where the whole way of a packet, out and in, is done in the sender's time. */
async function cpuTime(bench: Bench): Promise<readonly Row[]> {
  const program = await bench.native("packet-cost");
  const packets = bench.isSmoke ? 3_000 : 300_000;
  const hosts = [
    { name: "bare", title: "on a host without rules", rules: "" },
    {
      ...{ name: "conntrack", title: "on a host that filters with conntrack" },
      rules: "iptables-legacy -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
    },
  ];
  const rows: Row[] = [];
  for (const { name, title, rules } of hosts) {
    const one = (label: string, start: Listener["start"] | null) => ({
      name: label,
      run: async () =>
        withNamespaces(["cpu"], async (netns = "") => {
          if (rules !== "") await shell(rules, netns);
          const running = start === null ? null : await start(netns);
          try {
            const nanos = Number(await shell(`${program} ${packets}`, netns));
            return { value: nanos / 1e9, peakBytes: null };
          } finally {
            await running?.stop();
          }
        }),
    });
    const [nfpath, ...peers] = await inTurn(
      [one("nfpath", nfpathListener(bench, "").start), one(NOTHING.name, null)],
      bench.choices.runs,
    );
    if (nfpath === undefined) throw new Error("nothing was measured");
    rows.push({
      ...{
        id: `cost/cpu/${name}`,
        title: `CPU time of a packet over the loopback, not chosen, ${title}`,
        unit: "s",
      },
      ...{ better: "less", nfpath, peers, absent: [], notes: [] },
    });
  }
  return rows;
}
