/** What the decoder tests share: text in, events out. */
import { LineSplitter } from "../../../../src/core/base/lines.ts";
import { formatTime } from "../../../../src/core/base/time.ts";
import type { KernelLogContext } from "../../../../src/core/events/decode/kernel-log.ts";
import { TextTraceDecoder } from "../../../../src/core/events/decode/text-trace.ts";
import type {
  ConntrackEvent,
  Event,
  GapEvent,
  LogEvent,
  SightingEvent,
  StepEvent,
  UnparsedEvent,
} from "../../../../src/core/events/event.ts";
import type { Packet } from "../../../../src/core/packets/packet.ts";

interface EventKinds {
  step: StepEvent;
  sighting: SightingEvent;
  conntrack: ConntrackEvent;
  log: LogEvent;
  gap: GapEvent;
  unparsed: UnparsedEvent;
}

export function decode(text: string, context: Partial<KernelLogContext> = {}): Event[] {
  return decodeChunks([text], context);
}

export function decodeChunks(chunks: readonly string[], context: Partial<KernelLogContext> = {}): Event[] {
  const decoder = new TextTraceDecoder({ input: "test", netns: null, ...context });
  const events: Event[] = [];
  const splitter = new LineSplitter((text, line) => void events.push(...decoder.read(text, line)));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  events.push(...decoder.end());
  return events;
}

/** The only event of a text, which must be of that kind. */
export function only<Kind extends keyof EventKinds>(
  kind: Kind,
  text: string,
  context: Partial<KernelLogContext> = {},
): EventKinds[Kind] {
  const events = decode(text, context);
  if (events.length !== 1 || events[0]?.kind !== kind)
    throw new Error(`expected one ${kind}, got ${JSON.stringify(events.map((event) => event.kind))}`);
  return events[0] as EventKinds[Kind];
}

/** The packet that a step, sighting or log line shows. */
export function packetOf(event: Event): Packet {
  if (event.kind !== "step" && event.kind !== "sighting" && event.kind !== "log")
    throw new Error(`a ${event.kind} event shows no packet`);
  if (event.sighting === null) throw new Error("the event shows no packet");
  return event.sighting.packet;
}

/** `raw:PREROUTING:policy:2`, as the kernel would name a step; `?` for a number that is not known. */
export function name(event: Event): string {
  if (event.kind !== "step") return event.kind;
  return `${event.table}:${event.chain}:${event.step}:${event.number ?? "?"}`;
}

export function times(events: readonly Event[]): (string | null)[] {
  return events.map((event) => (event.time === null ? null : formatTime(event.time)));
}
