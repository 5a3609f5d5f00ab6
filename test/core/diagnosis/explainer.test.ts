import { describe, expect, test } from "vitest";
import type { Time } from "../../../src/core/base/time.ts";
import type { Explained } from "../../../src/core/diagnosis/diagnose.ts";
import { Explainer } from "../../../src/core/diagnosis/explainer.ts";
import { TextTraceDecoder } from "../../../src/core/events/decode/text-trace.ts";
import type { Event } from "../../../src/core/events/event.ts";
import { DEFAULT_LINKER_OPTIONS } from "../../../src/core/journeys/linker.ts";
import { RuleBook } from "../../../src/core/rulesets/rule-book.ts";
import { TraceLog } from "../../support/trace-log.ts";

function eventsOf(log: TraceLog): Event[] {
  const decoder = new TextTraceDecoder({ input: "log", netns: null });
  const events = log.text.split("\n").flatMap((text, at) => [...decoder.read(text, at + 1)]);
  return [...events, ...decoder.end()];
}

function at(seconds: number): Time {
  return {
    clock: "kernel-log",
    epoch: "boot",
    seconds: Math.floor(seconds),
    nanos: Math.round((seconds % 1) * 1e9),
  };
}

const ids = (explained: readonly Explained[]) => explained.map(({ journey }) => journey.id);

describe("an explainer that is asked while more is coming", () => {
  const linker = { idleNanos: 5e8, idleEvents: 1000 };
  const reply = { src: "198.51.100.1", dst: "192.0.2.1", sport: 53, dport: 40000, id: 2 };

  test("lets a journey go when it was idle for long enough, once", () => {
    const explainer = new Explainer(new RuleBook([]), { linker, mostHeld: 100 });
    for (const event of eventsOf(new TraceLog().at("filter:INPUT:policy:1", { in: "eth0" })))
      explainer.add(event);
    expect(ids(explainer.settle(at(100.4), 1e9))).toEqual([]);
    expect(ids(explainer.settle(at(100.9), 1e9))).toEqual([]);
    expect(ids(explainer.settle(at(101.1), 1e9))).toEqual(["1"]);
    expect(ids(explainer.settle(at(109), 1e9))).toEqual([]);
    expect(ids(explainer.end())).toEqual([]);
  });

  test("an answer that came before the request was shown is told with it", () => {
    const explainer = new Explainer(new RuleBook([]), { linker, mostHeld: 100 });
    const log = new TraceLog()
      .at("filter:OUTPUT:policy:1", { id: 1, out: "eth0" })
      .wait(0.3)
      .at("filter:INPUT:policy:1", { ...reply, in: "eth0" });
    for (const event of eventsOf(log)) explainer.add(event);
    const shown = explainer.settle(at(101.2), 1e9);
    expect(ids(shown)).toEqual(["1"]);
    expect(shown[0]?.answer?.journey).toBe("2");
    expect(ids(explainer.end())).toEqual(["2"]);
  });
});

test("memory is bounded: beyond the limit the oldest leave early, and none is lost or shown twice", () => {
  const explainer = new Explainer(new RuleBook([]), {
    linker: { ...DEFAULT_LINKER_OPTIONS, idleEvents: 10 },
    mostHeld: 20,
  });
  const log = new TraceLog();
  for (let id = 1; id <= 2000; id++) log.at("filter:INPUT:policy:1", { id, in: "eth0" });
  const early = eventsOf(log).flatMap((event) => [...explainer.add(event)]);
  const late = explainer.end();
  expect(early.length).toBeGreaterThan(1000);
  expect(ids([...early, ...late])).toEqual(Array.from({ length: 2000 }, (_, index) => String(index + 1)));
});
