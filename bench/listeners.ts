/**
 * Programs that listen to traced packets, as live rows need them: what marks the packets, when the program hears, how to end it,
 * and how many events it had.
 *
 * Each packet makes five events, whoever listens: what marks it makes one, or two, and the host's own rules make the rest.
 */
import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Bench, NFPATH } from "./bench.ts";
import { ended, gathered, interrupt, lastLine, startTied } from "./measure.ts";

export const PORT = 7777;
export const EVENTS_A_PACKET = 5;

/** What a listener had, when it has ended. */
export interface Heard {
  readonly events: number;
  /** How many it says it lost; null for one that says nothing. */
  readonly saidLost: number | null;
  /** Seconds from the order to end until it had. */
  readonly ending: number;
}

export interface Running {
  readonly child: ChildProcess;
  /** Seconds from its start until it listened. */
  readonly readyAfter: number;
  readonly stop: () => Promise<Heard>;
}

export interface Listener {
  readonly name: string;
  readonly program: string;
  readonly note?: string;
  /** Shell lines that put the host's rules in place, and what marks packets where the program does not do it. */
  readonly rules: string;
  readonly start: (netns: string) => Promise<Running>;
}

/** Host rules of nft: `count` that match, the last of which drops. */
function nftHost(count: number): string {
  const matching = Array.from(
    { length: count - 1 },
    () => `add rule inet host input udp dport ${PORT} counter;`,
  );
  return `nft 'add table inet host; add chain inet host input { type filter hook input priority 0; }; ${matching.join(" ")} add rule inet host input udp dport ${PORT} counter drop'`;
}

/** The same by iptables; `program` is `iptables-legacy` or `iptables-nft`. */
function iptablesHost(program: string, count: number): string {
  return [
    ...Array.from({ length: count - 1 }, () => `${program} -A INPUT -p udp --dport ${PORT}`),
    `${program} -A INPUT -p udp --dport ${PORT} -j DROP`,
  ].join("\n");
}

export const NFT_MARK = (port: number) =>
  `nft 'add table inet tracer; add chain inet tracer pre { type filter hook prerouting priority -350; }; add rule inet tracer pre udp dport ${port} meta nftrace set 1 accept'`;

export const TRACE_MARK = (program: string, port: number) =>
  `${program} -t raw -A PREROUTING -p udp --dport ${port} -j TRACE`;

/** Legacy TRACE to NFLOG group 0 of this namespace; the kernel forgets it with the namespace. */
const TO_NFLOG = "sysctl -qw net.netfilter.nf_log.2=nfnetlink_log";

export function nftraceListeners(bench: Bench): readonly Listener[] {
  return [
    nfpathListener(bench, nftHost(4)),
    {
      name: "nft monitor trace",
      program: "nft",
      rules: `${NFT_MARK(PORT)}\n${nftHost(4)}`,
      start: (netns) => monitor(bench, netns, ["nft", "monitor", "trace"], isNftEvent),
    },
    {
      name: "xtables-monitor --trace",
      program: "xtables-monitor",
      note: "over iptables-nft's rules; it ends with an error at the first loss",
      rules: `${TRACE_MARK("iptables-nft", PORT)}\n${iptablesHost("iptables-nft", 3)}`,
      start: (netns) =>
        monitor(bench, netns, ["xtables-monitor", "--trace"], (line) => line.includes("TRACE: ")),
    },
    sink(bench, "nftrace", `${NFT_MARK(PORT)}\n${nftHost(4)}`),
  ];
}

export function nflogListeners(bench: Bench): readonly Listener[] {
  const traced = `${TO_NFLOG}\n${TRACE_MARK("iptables-legacy", PORT)}\n${iptablesHost("iptables-legacy", 4)}`;
  return [
    {
      ...nfpathListener(bench, iptablesHost("iptables-legacy", 4)),
      note: "one of the five events is nft's, of the rule that marks",
    },
    {
      name: "tcpdump -i nflog",
      program: "tcpdump",
      rules: traced,
      start: (netns) => tcpdump(bench, netns),
    },
    sink(bench, "nflog", traced),
  ];
}

/** A listener without its host's rules. */
export function nfpathListener(bench: Bench, rules: string, words: readonly string[] = WHOLE_RATE): Listener {
  return {
    name: "nfpath",
    program: "node",
    rules,
    start: (netns) => nfpath(bench, netns, words),
  };
}

const WHOLE_RATE = ["--no-follow", "--rate", "10000000", "udp dst port", String(PORT)];

async function nfpath(bench: Bench, netns: string, words: readonly string[]): Promise<Running> {
  const path = bench.newFile("nfpath.json");
  const file = openSync(path, "w");
  const began = performance.now();
  const command = [
    ...NFPATH,
    "trace",
    "--netns",
    netns,
    "--for",
    "10m",
    "--format",
    "json",
    "--summary",
    ...words,
  ];
  const child = startTied(command, ["ignore", file, "pipe"]);
  closeSync(file);
  const said = gathered(child.stderr);
  await until(child, () => said().includes("tracing for"), said);
  return running(child, began, async () => {
    const { report } = JSON.parse(readFileSync(path, "utf8")) as NfpathAccount;
    const saidLost = report.gaps
      .filter(({ kind }) => kind === "lost-by-kernel")
      .reduce((sum, { count }) => sum + (count ?? Number.NaN), 0);
    return { events: report.events.step, saidLost };
  });
}

interface NfpathAccount {
  readonly report: {
    readonly events: { readonly step: number };
    readonly gaps: readonly { readonly kind: string; readonly count: number | null }[];
  };
}

/** A program that writes lines, whose events are counted afterwards. */
async function monitor(
  bench: Bench,
  netns: string,
  command: readonly string[],
  isEvent: (line: string) => boolean,
): Promise<Running> {
  const path = bench.newFile("monitor.txt");
  const file = openSync(path, "w");
  const began = performance.now();
  const child = startTied(command, ["ignore", file, "pipe"], { netns });
  closeSync(file);
  const said = gathered(child.stderr);
  await until(child, () => hasGroup(child), said);
  return running(child, began, async () => {
    const events = countLines(path, isEvent);
    rmSync(path);
    return { events, saidLost: null };
  });
}

function isNftEvent(line: string): boolean {
  return line.startsWith("trace id ") && !line.includes(" packet: ");
}

async function tcpdump(bench: Bench, netns: string): Promise<Running> {
  const path = bench.newFile("nflog.pcap");
  const began = performance.now();
  const command = ["tcpdump", "-i", "nflog:0", "-Z", "root", "-s", "256", "-w", path];
  const child = startTied(command, ["ignore", "ignore", "pipe"], { netns });
  const said = gathered(child.stderr);
  await until(child, () => holdsNflog(child) && existsSync(path), said);
  return running(child, began, async () => {
    const events = countRecords(readFileSync(path));
    const [, lost] = /(\d+) packets? dropped by kernel/.exec(said()) ?? [];
    rmSync(path);
    return { events, saidLost: lost === undefined ? null : Number(lost) };
  });
}

/** Does nothing but receive: what the kernel can hand out at most. */
function sink(bench: Bench, kind: "nftrace" | "nflog", rules: string): Listener {
  return {
    name: "recvmmsg and nothing else",
    program: "sh",
    note: "a program in C with nfpath's buffer: what the kernel can hand out",
    rules,
    start: async (netns) => {
      const program = await bench.native("sink");
      const began = performance.now();
      const child = startTied([program, kind], ["pipe", "pipe", "pipe"], { netns });
      const [said, failed] = [gathered(child.stdout), gathered(child.stderr)];
      await until(child, () => said().includes("ready"), failed);
      const readyAfter = (performance.now() - began) / 1000;
      const stop = async (): Promise<Heard> => {
        const asked = performance.now();
        child.stdin?.end();
        await ended(child);
        const [events = 0, saidLost = 0] = lastLine(said()).split(" ").map(Number);
        return { events, saidLost, ending: (performance.now() - asked) / 1000 };
      };
      return { child, readyAfter, stop };
    },
  };
}

/** A program that SIGINT ends, when it has taken what was queued. */
function running(child: ChildProcess, began: number, account: () => Promise<Omit<Heard, "ending">>): Running {
  const readyAfter = (performance.now() - began) / 1000;
  const stop = async (): Promise<Heard> => {
    const asked = performance.now();
    // nfpath takes what is queued itself when it is told to end; others would leave it.
    await untilQuiet(child);
    await interrupt(child);
    return { ...(await account()), ending: (performance.now() - asked) / 1000 };
  };
  return { child, readyAfter, stop };
}

const PATIENCE_MS = 20_000;
const LOOKED_EVERY_MS = 2;

/** Waits until something holds of a program that runs; throws with what it said when it ends before. */
export async function until(child: ChildProcess, holds: () => boolean, said: () => string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`it ended before it listened: ${lastLine(said())}`);
    if (performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`it did not listen within ${PATIENCE_MS / 1000} s`);
    }
    await sleep(LOOKED_EVERY_MS);
  }
}

/** Until its sockets have had nothing queued for a while. */
async function untilQuiet(child: ChildProcess): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  let quiet = 0;
  while (quiet < 5 && performance.now() < deadline && child.exitCode === null) {
    quiet = netlinkSockets(child).some(({ queued }) => queued > 0) ? 0 : quiet + 1;
    await sleep(40);
  }
}

interface NetlinkSocket {
  readonly groups: number;
  /** Bytes. */
  readonly queued: number;
}

const NETFILTER = "12";

/** Netfilter sockets of the namespace that a program is in: its own, and no other's, since the bench made it. */
function netlinkSockets({ pid }: ChildProcess): readonly NetlinkSocket[] {
  return readOrNothing(`/proc/${pid}/net/netlink`)
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, protocol, port]) => protocol === NETFILTER && port !== "0")
    .map(([, , , groups = "0", queued = "0"]) => ({
      groups: Number.parseInt(groups, 16),
      queued: Number(queued),
    }));
}

function hasGroup(child: ChildProcess): boolean {
  return netlinkSockets(child).some(({ groups }) => groups !== 0);
}

function holdsNflog({ pid }: ChildProcess): boolean {
  return /^\s*0\s/m.test(readOrNothing(`/proc/${pid}/net/netfilter/nfnetlink_log`));
}

/** A process that has ended has nothing to read. */
function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Children of a process, by pid. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readOrNothing(`/proc/${pid}/task/${task}/children`).trim().split(" ").filter(Boolean).map(Number),
  );
}

export function commandLineOf(pid: number): string {
  return readOrNothing(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
}

function countLines(path: string, isCounted: (line: string) => boolean): number {
  if (statSync(path).size === 0) return 0;
  return readFileSync(path, "latin1").split("\n").filter(isCounted).length;
}

/** Packets of a capture file in this machine's byte order; one that was cut in the middle is none. */
function countRecords(pcap: Buffer): number {
  let records = 0;
  for (let at = 24; at + 16 <= pcap.length; records++) {
    at += 16 + pcap.readUInt32LE(at + 8);
    if (at > pcap.length) break;
  }
  return records;
}
