/**
 * The live source: starts the collector and turns what it sends into events.
 *
 * Everything of a namespace comes in the order in which its kernel said it, whichever of the two tracers spoke.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ok, type Result, refused } from "../core/base/result.ts";
import type { Time } from "../core/base/time.ts";
import { KernelLogDecoder } from "../core/events/decode/kernel-log.ts";
import { type NetlinkContext, netlinkContext } from "../core/events/decode/netlink/context.ts";
import { decodeLinkNames } from "../core/events/decode/netlink/link.ts";
import { decodeNetfilterDatagram } from "../core/events/decode/netlink/message.ts";
import type { Event, GapEvent } from "../core/events/event.ts";
import { isOwnChange } from "../core/journeys/rule-changes.ts";
import { firstLine, type RunningProcess, startProcess } from "../linux/process.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";
import type { RevertReport } from "../linux/undo/revert-report.ts";
import type { CollectorConfig } from "./collector/config.ts";
import { FRAME, type Frame, FrameReader, type GapReport } from "./collector/frames.ts";

export interface LiveSource {
  /** Milliseconds since something came, by the monotonic clock. */
  readonly quietFor: () => number;
  /** Until when everything has been heard: now, or, while events wait to be read, the time of the last that was. */
  readonly heardUntil: () => Time;
  /** Steps of packets lost, as far as they are counted. */
  readonly lost: () => number;
  /**
   * Lets the collector pass on what is queued, put the settings back and end. Refused when it had died before: then the
   * settings are the caller's to put back.
   */
  readonly end: () => Promise<Result<RevertReport, HostRefusal>>;
  /** Resolves when the collector has ended, asked or not. */
  readonly gone: Promise<void>;
}

/** Starts reading; resolves when every socket is open and every setting made, or with the first refusal. */
export async function openLiveSource(
  config: CollectorConfig,
  onEvents: (batch: readonly Event[]) => void,
): Promise<Result<LiveSource, HostRefusal>> {
  // The collector needs nothing of what a developer may have put there, and must not wait for a debugger.
  const started = startProcess(process.execPath, [collectorEntry()], { env: { NODE_OPTIONS: "" } });
  if (!started.ok) return started;
  const source = new CollectorReader(started.value, config, onEvents);
  const opened = await source.opened;
  if (opened.ok) return ok(source);
  await source.end();
  return opened;
}

/** The built program has it beside itself; TypeScript sources, as tests run them, use the build. */
function collectorEntry(): string {
  const beside = fileURLToPath(new URL("./collector/main.js", import.meta.url));
  if (existsSync(beside)) return beside;
  const built = fileURLToPath(new URL("../../dist/sources/collector/main.js", import.meta.url));
  if (existsSync(built)) return built;
  throw new Error("the collector is not built: npm run build");
}

const OVERRUN_REMEDY =
  "choose fewer packets with a filter, or a lower --rate: the kernel made events faster than they could be read";

function meaningOf({ of, cause }: GapReport): Pick<GapEvent, "gap" | "remedy"> {
  if (cause === "cut")
    return {
      gap: "truncated",
      remedy: "report this as a defect: an event was longer than any should be",
    };
  switch (of) {
    case "trace":
      return { gap: "lost-by-kernel", remedy: OVERRUN_REMEDY };
    case "flows":
      return {
        gap: "flows-lost",
        remedy: "trace without --conntrack: connections came and went faster than their events could be read",
      };
    case "logs":
      return {
        gap: "logs-lost",
        remedy: "read an NFLOG group that fewer rules log to, or limit those rules (-m limit, limit rate)",
      };
  }
}

class CollectorReader implements LiveSource {
  readonly opened: Promise<Result<void, HostRefusal>>;
  readonly #child: RunningProcess;
  readonly #onEvents: (batch: readonly Event[]) => void;
  readonly #frames = new FrameReader();
  readonly #contexts: readonly NetlinkContext[];
  readonly #interfaceNames: readonly Map<number, string>[];
  readonly #kernelLogs: readonly KernelLogDecoder[];
  readonly #settle: (outcome: Result<void, HostRefusal>) => void;
  readonly gone: Promise<void>;
  #endReport: RevertReport | null = null;
  #lostMessages = 0;
  #logLines = 0;
  #lastFrame = performance.now();
  #lastArrival: Time | null = null;
  #isBehind = false;
  #said = "";
  #isOpen = false;
  #isEnding = false;
  #hasFailed = false;

  constructor(child: RunningProcess, config: CollectorConfig, onEvents: (batch: readonly Event[]) => void) {
    this.#child = child;
    this.#onEvents = onEvents;
    this.#interfaceNames = config.namespaces.map(() => new Map());
    this.#contexts = config.namespaces.map(({ netns }, index) =>
      netlinkContext(netns, (number) => this.#interfaceNames[index]?.get(number) ?? null, IS_LITTLE_ENDIAN),
    );
    this.#kernelLogs = config.namespaces.map(
      ({ netns }) => new KernelLogDecoder({ input: "/dev/kmsg", netns }),
    );
    let settle: (outcome: Result<void, HostRefusal>) => void = () => {};
    this.opened = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settle = settle;
    child.stdout.on("data", (chunk: Buffer) => this.#readChunk(chunk));
    child.stderr.on("data", (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString("utf8")).slice(-4096);
    });
    this.gone = child.exited.then(({ status }) => this.#noticeEnd(status));
    child.stdin.write(`${JSON.stringify(config)}\n`);
  }

  readonly quietFor = (): number => performance.now() - this.#lastFrame;

  readonly heardUntil = (): Time => (this.#isBehind ? (this.#lastArrival ?? timeNow()) : timeNow());

  readonly lost = (): number => this.#lostMessages;

  readonly end = async (): Promise<Result<RevertReport, HostRefusal>> => {
    this.#isEnding = true;
    this.#child.stdin.end();
    await this.gone;
    return this.#endReport === null || this.#hasFailed ? refused(this.#diedEarly()) : ok(this.#endReport);
  };

  #readChunk(chunk: Buffer): void {
    const events: Event[] = [];
    this.#frames.read(chunk, (frame) => this.#readFrame(frame, events));
    if (events.length > 0) this.#onEvents(events);
  }

  #readFrame(frame: Frame, events: Event[]): void {
    switch (frame.kind) {
      case FRAME.netfilter:
        this.#decodeTrace(frame, events);
        return;
      case FRAME.aside:
        decodeNetfilterDatagram(frame.payload, arrival(frame), this.#contextOf(frame), events);
        return;
      case FRAME.kernelLog:
        this.#decodeKernelLog(frame, events);
        return;
      case FRAME.link:
        for (const { index, name } of decodeLinkNames(frame.payload, IS_LITTLE_ENDIAN)) {
          this.#interfaceNames[frame.netns]?.set(index, name);
        }
        return;
      case FRAME.gap:
        this.#lastFrame = performance.now();
        events.push(this.#gapEvent(frame));
        return;
      case FRAME.behind:
      case FRAME.inTime:
        this.#isBehind = frame.kind === FRAME.behind;
        return;
      case FRAME.ready:
        this.#isOpen = true;
        this.#settle(ok(undefined));
        return;
      case FRAME.refused:
        this.#settle(refused(json<HostRefusal>(frame)));
        return;
      case FRAME.end:
        this.#endReport = json<RevertReport>(frame);
        return;
      default:
        throw new Error(`a frame of unknown kind ${frame.kind}`);
    }
  }

  /** The tables of nfpath's own runs come and go, which changes none of the host's rules. */
  #decodeTrace(frame: Frame, events: Event[]): void {
    const time = this.#arrivalOf(frame);
    decodeNetfilterDatagram(frame.payload, time, this.#contextOf(frame), events);
    const last = events.at(-1);
    if (last?.kind === "rules-changed" && isOwnChange(last)) events.pop();
  }

  /**
   * Records are stamped with the time of their arrival, like all else that is heard live: one clock for what is joined. Each is
   * whole, so nothing is held back for the next.
   */
  #decodeKernelLog(frame: Frame, events: Event[]): void {
    const decoder = this.#kernelLogs[frame.netns];
    if (decoder === undefined) throw new Error(`a frame of unknown namespace ${frame.netns}`);
    const { bytes, start, end } = frame.payload;
    const time = arrival(frame);
    const lines = Buffer.from(bytes.subarray(start, end)).toString("utf8").split("\n");
    const decoded = lines.flatMap((line) => (line === "" ? [] : decoder.read(line, ++this.#logLines)));
    for (const event of [...decoded, ...decoder.flush()]) {
      this.#lastFrame = performance.now();
      events.push({ ...event, time });
    }
  }

  /** A batch has one time, and its events share it. */
  #arrivalOf(frame: Frame): Time {
    const last = this.#lastArrival;
    if (last !== null && last.nanos === frame.nanos && last.seconds === frame.seconds) return last;
    this.#lastFrame = performance.now();
    this.#lastArrival = arrival(frame);
    return this.#lastArrival;
  }

  #gapEvent(frame: Frame): GapEvent {
    const report = json<GapReport>(frame);
    if (report.of === "trace") this.#lostMessages += report.count ?? 0;
    return {
      kind: "gap",
      origin: { input: "netlink", line: null, raw: "" },
      time: arrival(frame),
      netns: this.#contextOf(frame).netns,
      ...meaningOf(report),
      count: report.count,
    };
  }

  #contextOf(frame: Frame): NetlinkContext {
    const context = this.#contexts[frame.netns];
    if (context === undefined) throw new Error(`a frame of unknown namespace ${frame.netns}`);
    return context;
  }

  /** When it ends unasked, it was killed or failed: what came after that moment nobody has seen. */
  #noticeEnd(status: number | null): void {
    this.#hasFailed = status !== 0;
    this.#settle(refused(this.#diedEarly()));
    if (this.#isEnding || !this.#isOpen) return;
    this.#onEvents(
      this.#contexts.map((context) => ({
        kind: "gap",
        origin: { input: "netlink", line: null, raw: "" },
        time: null,
        netns: context.netns,
        gap: "lost-by-kernel",
        count: null,
        remedy:
          "trace again: the process that reads the kernel's events was ended, and no later event was seen",
      })),
    );
  }

  #diedEarly(): HostRefusal {
    const said = firstLine(this.#said);
    return hostRefusal(
      "program-failed",
      `the collector process ended before its time${said === "" ? "" : `: ${said}`}`,
      "see whether something killed it (out of memory?), and trace again",
    );
  }
}

/** Now, by the clock that events are stamped with. */
export function timeNow(): Time {
  const ms = Date.now();
  return { clock: "arrival", epoch: "utc", seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 };
}

const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function arrival(frame: Frame): Time {
  return { clock: "arrival", epoch: "utc", seconds: frame.seconds, nanos: frame.nanos };
}

function json<Value>(frame: Frame): Value {
  const { bytes, start, end } = frame.payload;
  return JSON.parse(Buffer.from(bytes.subarray(start, end)).toString("utf8")) as Value;
}
