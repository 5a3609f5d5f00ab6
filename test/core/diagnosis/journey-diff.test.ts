/** Where two ways part, and what made the rule decide otherwise. */
import { describe, expect, test } from "vitest";
import type { Explained } from "../../../src/core/diagnosis/diagnose.ts";
import { diffJourneys, type JourneyDiff, stepSays } from "../../../src/core/diagnosis/journey-diff.ts";
import { diffRecordings, Recording } from "../../../src/core/diagnosis/recording-diff.ts";
import { describeJourneyDiff, describeRecordingDiff } from "../../../src/core/views/diff-tree.ts";
import type { Line } from "../../../src/core/views/styled.ts";
import { UNICODE } from "../../../src/core/views/tree.ts";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { type LoggedPacket, TraceLog } from "../../support/trace-log.ts";

const RULES = `*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
-A FORWARD -p udp -m udp --dport 1000:2000 -j ACCEPT
-A FORWARD -s 192.0.2.0/24 -i eth0 -j ACCEPT
-A FORWARD -m set --match-set friends src -j ACCEPT
-A FORWARD -j DROP
COMMIT
`;

const GOOD: LoggedPacket = { in: "eth0" };
const STRANGER: LoggedPacket = { in: "eth0", src: "203.0.113.9" };

/** Past raw's and mangle's chains to a step of filter's; if a rule with conditions accepted it there, out by eth1. */
function forwarded(log: TraceLog, packet: LoggedPacket, last: string): TraceLog {
  const leaving = { ...packet, out: "eth1", ttl: 63 };
  log.at("mangle:PREROUTING:policy:1", packet).at("mangle:FORWARD:policy:1", leaving).at(last, leaving);
  return last.includes(":rule:") ? log.at("mangle:POSTROUTING:policy:1", leaving) : log;
}

async function explained(log: TraceLog, rules = RULES): Promise<readonly Explained[]> {
  return (await explainInputs([textInput("log", log.text), textInput("rules", rules)])).explained;
}

async function diffOf(log: TraceLog, otherRules?: string): Promise<JourneyDiff> {
  const mine = await explained(log);
  const theirs = otherRules === undefined ? mine : await explained(log, otherRules);
  const [a, b] = [mine[0], theirs[1]];
  if (a === undefined || b === undefined) throw new Error("two journeys are needed");
  return diffJourneys(a, b);
}

function text(lines: readonly Line[]): string {
  return lines
    .map((line) =>
      line
        .map((span) => span.text)
        .join("")
        .trimEnd(),
    )
    .join("\n");
}

describe("two packets", () => {
  test("the rule that one matched, and the condition that failed for the other", async () => {
    const log = forwarded(new TraceLog(), GOOD, "filter:FORWARD:rule:2");
    const diff = await diffOf(forwarded(log, { ...STRANGER, id: 8 }, "filter:FORWARD:policy:4"));
    expect(diff.packet).toEqual([{ field: "source", a: "192.0.2.1:40000", b: "203.0.113.9:40000" }]);
    expect(diff.common).toHaveLength(2);
    expect([diff.first.a, diff.first.b].map((step) => step && stepSays(step))).toEqual([
      "2   -s 192.0.2.0/24 -i eth0 -j ACCEPT",
      "4   -j DROP",
    ]);
    expect(diff.reasons).toMatchObject([
      { side: "A", kind: "failed", answers: [{ words: "it came from 203.0.113.9" }] },
    ]);
    const screen = text(
      describeJourneyDiff(diff, { a: "log#1", b: "log#2" }, { columns: 80, glyphs: UNICODE }),
    );
    expect(screen).toContain("✘ -s 192.0.2.0/24  it came from 203.0.113.9");
    expect(screen.split("\n").length).toBeLessThan(24);
  });

  test("a condition that no trace shows is said to be not known", async () => {
    const log = forwarded(new TraceLog(), STRANGER, "filter:FORWARD:rule:3");
    const other = { ...STRANGER, src: "203.0.113.10", id: 8 };
    const diff = await diffOf(forwarded(log, other, "filter:FORWARD:policy:4"));
    expect(diff.reasons).toMatchObject([{ side: "A", kind: "not-known" }]);
  });

  test("a rule that the other listing does not have", async () => {
    const log = forwarded(new TraceLog(), GOOD, "filter:FORWARD:rule:2");
    const changed = RULES.replace("-A FORWARD -s 192.0.2.0/24 -i eth0 -j ACCEPT\n", "");
    const diff = await diffOf(forwarded(log, { ...GOOD, id: 8 }, "filter:FORWARD:policy:3"), changed);
    expect(diff.reasons.map(({ side, kind }) => [side, kind])).toContainEqual(["A", "absent"]);
  });

  test("a rule that only moved is the same rule", async () => {
    const log = forwarded(new TraceLog(), GOOD, "filter:FORWARD:rule:2");
    const moved = RULES.replace(
      "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n",
      (head) => `${head}-A FORWARD -i eth9 -j DROP\n`,
    );
    const diff = await diffOf(forwarded(log, { ...GOOD, id: 8 }, "filter:FORWARD:rule:3"), moved);
    expect(diff.first).toEqual({ a: null, b: null });
    expect(diff.endsAlike).toBe(true);
  });

  test("routing may part them, and no rule", async () => {
    const log = forwarded(new TraceLog(), GOOD, "filter:FORWARD:rule:2");
    const here = { ...GOOD, dst: "192.0.2.254", id: 8 };
    const diff = await diffOf(log.at("mangle:PREROUTING:policy:1", here).at("mangle:INPUT:policy:1", here));
    expect(diff.reasons).toEqual([]);
    const screen = text(
      describeJourneyDiff(diff, { a: "log#1", b: "log#2" }, { columns: 80, glyphs: UNICODE }),
    );
    expect(screen).toContain("A comes to FORWARD, mangle:FORWARD, B to INPUT, mangle:INPUT");
  });

  test("nat's chains are asked once a connection: that is no difference of the way", async () => {
    const log = new TraceLog();
    log.at("mangle:PREROUTING:policy:1", GOOD).at("nat:PREROUTING:policy:1", GOOD);
    log.at("mangle:FORWARD:policy:1", { ...GOOD, out: "eth1", ttl: 63 });
    const later = { ...GOOD, id: 8 };
    log
      .at("mangle:PREROUTING:policy:1", later)
      .at("mangle:FORWARD:policy:1", { ...later, out: "eth1", ttl: 63 });
    const diff = await diffOf(log);
    expect([diff.natAskedOf, diff.first.a, diff.first.b]).toEqual(["A", null, null]);
  });
});

async function recording(log: TraceLog, rules = RULES): Promise<Recording> {
  const all = new Recording();
  for (const journey of await explained(log, rules)) all.add(journey);
  return all;
}

describe("two recordings", () => {
  test("kinds of packets that ended otherwise, whatever port the client picked", async () => {
    const before = forwarded(new TraceLog(), GOOD, "filter:FORWARD:rule:2");
    const after = forwarded(new TraceLog(), { ...GOOD, sport: 51234, id: 9 }, "filter:FORWARD:policy:4");
    const diff = diffRecordings(await recording(before), await recording(after));
    expect(diff).toMatchObject({ alike: 0, onlyA: [], onlyB: [], uncounted: 0 });
    expect(diff.differing).toMatchObject([
      {
        kind: "udp 192.0.2.1 → 198.51.100.1:53",
        comparedBy: "all",
        a: [{ words: "forwarded out eth1", count: 1 }],
        b: [{ words: "dropped by filter:FORWARD rule 4", count: 1 }],
      },
    ]);
    const screen = text(
      describeRecordingDiff(diff, { a: "before", b: "after" }, { columns: 80, glyphs: UNICODE }),
    );
    expect(screen).toContain("B  1 dropped by filter:FORWARD rule 4 (1)");
  });

  test("it works from that host and not from this one: then the source is left out", async () => {
    const there = forwarded(new TraceLog(), GOOD, "filter:FORWARD:rule:2");
    const here = forwarded(new TraceLog(), STRANGER, "filter:FORWARD:policy:4");
    const diff = diffRecordings(await recording(there), await recording(here));
    expect(diff.differing).toMatchObject([{ kind: "udp to 198.51.100.1:53", comparedBy: "without-source" }]);
  });

  test("the same packets alike are no difference, and others are told", async () => {
    const one = forwarded(new TraceLog(), GOOD, "filter:FORWARD:rule:2");
    const other = {
      ...GOOD,
      protocol: "TCP",
      dport: 22,
      rest: "SEQ=1 ACK=0 WINDOW=1 RES=0x00 SYN URGP=0",
      id: 9,
    };
    const two = forwarded(
      forwarded(new TraceLog(), GOOD, "filter:FORWARD:rule:2"),
      other,
      "filter:FORWARD:rule:2",
    );
    const diff = diffRecordings(await recording(one), await recording(two));
    expect(diff).toMatchObject({ differing: [], alike: 1, onlyA: [] });
    expect(diff.onlyB.map(({ kind }) => kind)).toEqual(["tcp 192.0.2.1 → 198.51.100.1:22"]);
  });
});
