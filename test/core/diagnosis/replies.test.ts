/** `no-reply` and `asymmetric-reply`: told where the evidence carries them, and nowhere else. */
import { describe, expect, test } from "vitest";
import { Explainer } from "../../../src/core/diagnosis/explainer.ts";
import { TextTraceDecoder } from "../../../src/core/events/decode/text-trace.ts";
import type { Event } from "../../../src/core/events/event.ts";
import { RuleBook } from "../../../src/core/rulesets/rule-book.ts";
import { type JourneyContract, journeyContract } from "../../../src/core/views/contract.ts";
import { explainInputs } from "../../support/explained.ts";
import { back, there } from "../../support/tcp-log.ts";
import { textInput } from "../../support/text-inputs.ts";
import { TraceLog } from "../../support/trace-log.ts";

async function explain(log: TraceLog): Promise<readonly JourneyContract[]> {
  return (await explainInputs([textInput("log", log.text)])).journeys;
}

function finding(journey: JourneyContract | undefined, cause: string) {
  return journey?.findings.find((candidate) => candidate.cause === cause);
}

const SYN = { id: 1, flags: "SYN", seq: 100 };

/** Another connection, whose answer was traced. */
function answered(log: TraceLog): TraceLog {
  there(log, { id: 50, flags: "SYN", seq: 900, sport: 50000 });
  return back(log, { id: 51, flags: "ACK SYN", seq: 901, sport: 50000 });
}

/** Something later, so that an answer had time to come. */
function later(log: TraceLog): TraceLog {
  return there(log.wait(3), { id: 90, flags: "ACK", seq: 5, sport: 60000 });
}

describe("no-reply", () => {
  test("where answers to others were traced and time has passed", async () => {
    const journeys = await explain(later(there(answered(new TraceLog()), SYN)));
    expect(finding(journeys[2], "no-reply")).toMatchObject({
      severity: "warning",
      what: "no answer from 198.51.100.1:80 was seen in the 3 s after it",
      why: "no rule here ended it; the answer to another request was seen in this trace",
    });
  });

  test("where its sender sends it again, whatever else was traced", async () => {
    const log = there(there(new TraceLog(), SYN).wait(1), { ...SYN, id: 2 });
    const [first] = await explain(log);
    expect(finding(first, "no-reply")?.what).toContain("its sender sent it again once, so it got none");
  });

  test("not where no answer to anything was traced: perhaps none are", async () => {
    expect(finding((await explain(later(there(new TraceLog(), SYN))))[0], "no-reply")).toBeUndefined();
  });

  test("not where the recording ends too soon", async () => {
    expect(finding((await explain(there(answered(new TraceLog()), SYN)))[2], "no-reply")).toBeUndefined();
  });

  test("not where an answer came, however late", async () => {
    const log = there(answered(new TraceLog()), SYN).wait(5);
    const journeys = await explain(later(back(log, { id: 9, flags: "ACK SYN", seq: 200 })));
    expect(finding(journeys[2], "no-reply")).toBeUndefined();
  });

  test("not across a gap: the answer may have been among what was lost", async () => {
    const log = there(answered(new TraceLog()), SYN).line(
      "[  100.100000] net_ratelimit: 12 callbacks suppressed",
    );
    const journeys = await explain(later(log));
    expect(finding(journeys[2], "no-reply")).toBeUndefined();
  });

  test("not for what is sent to many", async () => {
    const cast = { in: "", out: "eth0", dst: "239.1.2.3", id: 3 };
    const log = answered(new TraceLog()).at("mangle:OUTPUT:policy:1", cast);
    const journeys = await explain(later(log.at("mangle:POSTROUTING:policy:1", cast)));
    expect(finding(journeys[2], "no-reply")).toBeUndefined();
  });

  test.each([
    [true, 1],
    [false, 0],
    [null, 0],
  ])("a live trace whose filter takes answers: %s", (takes, count) => {
    const explainer = new Explainer(new RuleBook([]), {
      linker: { idleNanos: 1e9, idleEvents: 1000 },
      mostHeld: 100,
      takes: () => takes,
    });
    for (const event of eventsOf(later(there(new TraceLog(), SYN)))) explainer.add(event);
    const journeys = explainer.end().map(journeyContract);
    expect(journeys[0]?.findings.filter(({ cause }) => cause === "no-reply")).toHaveLength(count);
  });
});

function eventsOf(log: TraceLog): readonly Event[] {
  const decoder = new TextTraceDecoder({ input: "log", netns: null });
  const events = log.text.split("\n").flatMap((line, at) => decoder.read(line, at + 1));
  return [...events, ...decoder.end()];
}

describe("asymmetric-reply", () => {
  test("where the answer comes in by another interface than the request left by", async () => {
    const log = back(there(new TraceLog(), SYN), { id: 2, flags: "ACK SYN", seq: 200 }, "eth2");
    const [request, answer] = await explain(log);
    expect(finding(request, "asymmetric-reply")).toBeUndefined();
    expect(finding(answer, "asymmetric-reply")?.what).toBe(
      "an answer to 1, but it came in by eth2, and the request left by eth1",
    );
  });

  test("not where it comes back the same way", async () => {
    const log = back(there(new TraceLog(), SYN), { id: 2, flags: "ACK SYN", seq: 200 });
    const journeys = await explain(log);
    expect(journeys.flatMap(({ findings }) => findings.map(({ cause }) => cause))).not.toContain(
      "asymmetric-reply",
    );
  });
});
