import { describe, expect, test } from "vitest";
import { Explainer } from "../../../src/core/diagnosis/explainer.ts";
import { TextTraceDecoder } from "../../../src/core/events/decode/text-trace.ts";
import type { DropEvent, Event, Sighting, WireEvent } from "../../../src/core/events/event.ts";
import type { Packet } from "../../../src/core/packets/packet.ts";
import { RuleBook } from "../../../src/core/rulesets/rule-book.ts";
import { TraceLog } from "../../support/trace-log.ts";

const FORWARDED = { in: "eth0", out: "eth1", ttl: 63 };

function eventsOf(log: TraceLog): readonly Event[] {
  const decoder = new TextTraceDecoder({ input: "log", netns: null });
  return [...log.text.split("\n").flatMap((text, at) => decoder.read(text, at + 1)), ...decoder.end()];
}

/** The packet of a step, as something else saw it. */
function sightingOf(events: readonly Event[], at: number, packet: Partial<Packet>): Sighting {
  const event = events[at];
  if (event?.kind !== "step" || event.sighting === null) throw new Error("no step with headers");
  return { ...event.sighting, packet: { ...event.sighting.packet, ...packet } };
}

function wire(
  events: readonly Event[],
  at: number,
  direction: "in" | "out",
  packet: Partial<Packet> = {},
  afterMs = 0,
): WireEvent {
  const time = events[at]?.time ?? null;
  return {
    kind: "wire",
    origin: { input: "wire", line: null, raw: "" },
    time: time === null ? null : { ...time, nanos: time.nanos + afterMs * 1e6 },
    netns: null,
    direction,
    interface: direction === "in" ? "eth0" : "eth1",
    checksum: "not-known",
    sighting: sightingOf(events, at, packet),
  };
}

function drop(events: readonly Event[], at: number, afterMs: number): DropEvent {
  const time = events[at]?.time ?? null;
  return {
    kind: "drop",
    origin: { input: "kfree_skb", line: null, raw: "" },
    time: time === null ? null : { ...time, nanos: time.nanos + afterMs * 1e6 },
    netns: null,
    reason: "NO_SOCKET",
    function: "f",
    device: null,
    sighting: sightingOf(events, at, {}),
  };
}

function explain(events: readonly Event[]) {
  const explainer = new Explainer(new RuleBook([]));
  return [...events.flatMap((event) => explainer.add(event)), ...explainer.end()];
}

describe("what is told of a packet beside its trace", () => {
  const forwarded = () =>
    eventsOf(
      new TraceLog()
        .at("raw:PREROUTING:policy:1", { in: "eth0", length: 1600 })
        .at("mangle:POSTROUTING:policy:1", { ...FORWARDED, length: 1600 }),
    );

  test("its fragments on the wire, whichever source was quicker", () => {
    const steps = forwarded();
    const first = wire(steps, 0, "in", { length: 1500, moreFragments: true });
    const second = wire(steps, 0, "in", { length: 120, fragmentOffset: 1480, sport: null, dport: null });
    const out = wire(steps, 1, "out");
    for (const order of [
      [first, second, ...steps, out],
      [...steps, out, second, first],
    ]) {
      const [journey] = explain(order);
      expect(
        journey?.besides.wire.map(({ direction, sighting }) => [direction, sighting.packet.length]).sort(),
      ).toEqual(
        [
          ["in", 1500],
          ["in", 120],
          ["out", 1600],
        ].sort(),
      );
    }
  });

  test("its fragments on the wire over IPv6, where the packet has no identification: by the first one's ports, and the length", () => {
    const line =
      "[ 7.0] TRACE: raw:PREROUTING:policy:1 IN=eth0 OUT= SRC=2001:0db8:0001:0000:0000:0000:0000:0002 DST=2001:0db8:0002:0000:0000:0000:0000:0002 LEN=3048 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=UDP SPT=5555 DPT=7 LEN=3008 ";
    const decoder = new TextTraceDecoder({ input: "log", netns: null });
    const steps = [...decoder.read(line, 1), ...decoder.end()];
    const part = (ipId: number, length: number, fragmentOffset: number) =>
      wire(steps, 0, "in", {
        ...{ ipId, length, fragmentOffset, moreFragments: length === 1496, udpLength: null },
        ...(fragmentOffset === 0 ? {} : { sport: null, dport: null }),
      });
    const parts = (ipId: number, last: number) => [
      part(ipId, 1496, 0),
      part(ipId, 1496, 1448),
      part(ipId, last, 2896),
    ];
    const ids = (frames: readonly WireEvent[]) =>
      explain([...frames, ...steps])[0]?.besides.wire.map(({ sighting }) => sighting.packet.ipId);
    expect(ids([...parts(1, 152), ...parts(2, 160)])).toEqual([2, 2, 2]);
    expect(ids(parts(2, 160).slice(0, 2))).toEqual([]);
  });

  test("each frame belongs to one of several packets alike: the nearest in time", () => {
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:1", { in: "eth0", id: 0 })
      .wait(0.02)
      .at("raw:PREROUTING:policy:1", { in: "eth0", id: 0 });
    const steps = eventsOf(log);
    const explained = explain([...steps, wire(steps, 0, "in", {}, 1), wire(steps, 1, "in", {}, 1)]);
    expect(explained.map(({ besides }) => besides.wire.map(({ time }) => (time?.nanos ?? 0) / 1e6))).toEqual([
      [1],
      [21.01],
    ]);
  });

  test("a death that comes seconds later, as that of a packet whose neighbour never answered", () => {
    const steps = forwarded();
    const [journey] = explain([...steps, drop(steps, 1, 999)]);
    expect(journey?.besides.drops.map(({ reason }) => reason)).toEqual(["NO_SOCKET"]);
  });

  test("not what belongs to another packet", () => {
    const steps = forwarded();
    const other = wire(steps, 0, "in", { ipId: 8 });
    const elsewhere = { ...wire(steps, 0, "in"), netns: "b" };
    const [journey] = explain([...steps, other, elsewhere]);
    expect(journey?.besides).toEqual({ wire: [], drops: [] });
  });
});
