/** A log that has lost lines without a word: other packets' ways show it, and then silence proves nothing. */
import { describe, expect, test } from "vitest";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { type LoggedPacket, TraceLog } from "../../support/trace-log.ts";

const WAY = [
  "raw:PREROUTING:policy:1",
  "mangle:PREROUTING:policy:1",
  "mangle:FORWARD:policy:1",
  "filter:FORWARD:policy:1",
  "mangle:POSTROUTING:policy:1",
] as const;

/** The way of a forwarded packet, without some of its lines. */
function forward(log: TraceLog, packet: LoggedPacket, without: readonly string[] = []): TraceLog {
  for (const place of WAY) {
    if (without.includes(place)) continue;
    const isRouted = !place.includes("PREROUTING");
    const leaving = isRouted ? { out: "eth1", ttl: 63 } : {};
    log.at(place, { ...packet, in: place.includes("POSTROUTING") ? "" : "eth0", ...leaving });
  }
  return log;
}

const BEHIND = WAY.slice(2);
const stopped = (log: TraceLog) => forward(log, { id: 100, dport: 80 }, BEHIND);

async function journeysOf(log: TraceLog) {
  return (await explainInputs([textInput("kern.log", log.text)])).journeys;
}

async function outcomeOfStopped(log: TraceLog) {
  const journeys = await journeysOf(log);
  const found = journeys.find(({ packet }) => packet.dport === 80);
  if (found === undefined) throw new Error("the packet is not there");
  return found;
}

describe("a packet whose trace stops", () => {
  test("has vanished where every other way is whole", async () => {
    const log = forward(forward(stopped(forward(new TraceLog(), { id: 1 })), { id: 2 }), { id: 3 });
    expect((await outcomeOfStopped(log)).outcome.verdict).toBe("vanished");
  });

  test.each<[string, readonly string[]]>([
    ["begins behind its first chains", WAY.slice(0, 3)],
    ["begins behind raw", WAY.slice(0, 1)],
    ["goes on behind a chain of the same hook", ["mangle:FORWARD:policy:1"]],
    ["goes on behind a chain of the next hook", ["filter:FORWARD:policy:1"]],
    ["leaves a whole hook out", ["mangle:FORWARD:policy:1", "filter:FORWARD:policy:1"]],
  ])("is not known to have, where another packet %s", async (_what, without) => {
    const log = forward(forward(stopped(forward(new TraceLog(), { id: 1 })), { id: 2 }, without), { id: 3 });
    const { outcome, gaps, findings } = await outcomeOfStopped(log);
    expect(outcome).toMatchObject({ verdict: "unknown", cause: "gap" });
    expect(gaps).toMatchObject([{ kind: "lines-missing", count: null }]);
    const gap = findings.find(({ cause }) => cause === "gap");
    expect(gap?.what).toMatch(/lines of the log are missing near it: at kern\.log:\d+ a packet goes on/);
    expect(gap?.try).toContain("RateLimitIntervalSec=0");
  });

  test("has vanished where the hole is long ago", async () => {
    const log = forward(forward(new TraceLog(), { id: 1 }), { id: 2 }, WAY.slice(0, 3));
    expect((await outcomeOfStopped(stopped(log.wait(31)))).outcome.verdict).toBe("vanished");
    const near = forward(forward(new TraceLog(), { id: 1 }), { id: 2 }, WAY.slice(0, 3));
    expect((await outcomeOfStopped(stopped(near.wait(29)))).outcome.verdict).toBe("unknown");
  });

  test("has vanished where only the log's own beginning was cut off", async () => {
    const log = forward(stopped(forward(new TraceLog(), { id: 1 }, WAY.slice(0, 3))), { id: 2 });
    expect((await outcomeOfStopped(log)).outcome.verdict).toBe("vanished");
  });
});

test("a way of which nothing is missing is told as ever", async () => {
  const log = forward(forward(forward(new TraceLog(), { id: 1 }), { id: 2 }, WAY.slice(0, 3)), { id: 3 });
  const [first, , last] = await journeysOf(log);
  for (const journey of [first, last])
    expect([journey?.outcome.verdict, journey?.gaps]).toEqual(["forwarded", []]);
});

test("a jump that is missing is a hole: nothing returns from a chain that it did not enter", async () => {
  const log = forward(new TraceLog(), { id: 1 });
  log.at("filter:services:return:3", { id: 2, in: "eth0", out: "eth1", ttl: 63 });
  expect((await outcomeOfStopped(stopped(log))).outcome.verdict).toBe("unknown");
});

test("nobody is said to have kept silent near a hole: the answer may be what is missing", async () => {
  const syn = { protocol: "TCP", rest: "SEQ=1 ACK=0 WINDOW=1 RES=0x00 SYN URGP=0 ", dport: 443 };
  const asked = (log: TraceLog) =>
    forward(forward(log, { ...syn, id: 50 }).wait(3), { ...syn, id: 51 }).wait(3);
  const codesOf = async (log: TraceLog) =>
    (await journeysOf(log)).flatMap(({ findings }) => findings.map(({ cause }) => cause));
  expect(await codesOf(asked(forward(new TraceLog(), { id: 1 })))).toContain("no-reply");
  const holed = forward(forward(new TraceLog(), { id: 1 }), { id: 2 }, WAY.slice(0, 3));
  expect(await codesOf(asked(holed))).not.toContain("no-reply");
});

describe("nft's trace", () => {
  const HEADERS =
    'iif "eth0" oif "eth1" ip saddr 192.0.2.1 ip daddr 198.51.100.1 ip id 7 ip protocol udp ip length 60';
  const RULES = `table ip fw {
    chain way { type filter hook forward priority 0; policy accept; jump services }
    chain services { accept }
    chain late { type filter hook postrouting priority 0; policy accept; }
  }`;
  const head = (chain: string) => `trace id 00000001 ip fw ${chain} packet: ${HEADERS}`;
  const outcomeOf = async (lines: readonly string[]) => {
    const inputs = [textInput("trace.txt", `${lines.join("\n")}\n`), textInput("rules", RULES)];
    return (await explainInputs(inputs)).journeys[0]?.outcome;
  };
  const jump = "trace id 00000001 ip fw way rule jump services (verdict jump services)";
  const accept = "trace id 00000001 ip fw services rule accept (verdict accept)";

  test("headers at a chain that says nothing of them: its line is missing", async () => {
    expect(await outcomeOf([head("way"), jump, accept])).toMatchObject({ verdict: "vanished" });
    expect(await outcomeOf([head("way"), jump, accept, head("late")])).toMatchObject({
      verdict: "unknown",
      missing: expect.stringContaining("at trace.txt:4 a packet goes on"),
    });
  });

  test("a jump behind which nothing decides", async () => {
    const end = "trace id 00000001 ip fw late policy accept";
    const other = [head("way"), jump, accept].map((line) =>
      line.replaceAll("00000001", "00000002").replace("id 7", "id 8"),
    );
    expect(await outcomeOf([...other, head("way"), jump, accept, head("late"), end])).toMatchObject({
      verdict: "vanished",
    });
    expect(await outcomeOf([...other, head("way"), jump, head("late"), end])).toMatchObject({
      verdict: "unknown",
    });
  });
});
