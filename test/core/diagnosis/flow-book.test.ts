/** Journeys of one connection are one flow, whatever NAT and namespaces do to them; and memory stays bounded. */
import { describe, expect, test } from "vitest";
import type { Explained } from "../../../src/core/diagnosis/diagnose.ts";
import { DEFAULT_FLOW_BOOK_OPTIONS, type Flow, FlowBook } from "../../../src/core/diagnosis/flow-book.ts";
import { flowContract } from "../../../src/core/views/flow-contract.ts";
import { describeFlow } from "../../../src/core/views/flow-tree.ts";
import { UNICODE } from "../../../src/core/views/tree.ts";
import { explainInputs } from "../../support/explained.ts";
import { back, there } from "../../support/tcp-log.ts";
import { textInput } from "../../support/text-inputs.ts";
import { TraceLog } from "../../support/trace-log.ts";

async function explained(text: string): Promise<readonly Explained[]> {
  return (await explainInputs([textInput("log", text)])).explained;
}

function flowsOf(journeys: readonly Explained[], options = DEFAULT_FLOW_BOOK_OPTIONS): readonly Flow[] {
  const book = new FlowBook(options);
  const early = journeys.flatMap((journey) => book.add(journey));
  return [...early, ...book.end()];
}

function shape(flow: Flow | undefined): readonly string[] {
  return flow?.packets.map(({ journey, direction }) => `${journey} ${direction}`) ?? [];
}

const DNAT = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p udp -m udp --dport 53 -j DNAT --to-destination 10.0.0.2:5353
COMMIT
`;

describe("grouping", () => {
  test("both ways of a connection, beside another one", async () => {
    const log = there(new TraceLog(), { id: 1, flags: "SYN", seq: 100 });
    there(log, { id: 2, flags: "SYN", seq: 500, sport: 40001 });
    back(log, { id: 3, flags: "ACK SYN", seq: 200 });
    const flows = flowsOf(await explained(log.text));
    expect(flows.map(shape)).toEqual([["1 there", "3 back"], ["2 there"]]);
  });

  test("through NAT: the answer comes from an address that the request did not name", async () => {
    const came = { in: "eth0", id: 1 };
    const went = { ...came, out: "eth1", ttl: 63, dst: "10.0.0.2", dport: 5353 };
    const answer = { src: "10.0.0.2", sport: 5353, dst: "192.0.2.1", dport: 40000, in: "eth1", id: 2 };
    const log = new TraceLog().at("nat:PREROUTING:rule:1", came).at("mangle:FORWARD:policy:1", went);
    log
      .at("mangle:PREROUTING:policy:1", answer)
      .at("mangle:FORWARD:policy:1", { ...answer, out: "eth0", ttl: 63 });
    const [flow, ...others] = flowsOf(await explained(log.text + DNAT));
    expect(others).toEqual([]);
    expect(shape(flow)).toEqual(["1 there", "2 back"]);
    expect(flow?.translations).toMatchObject([
      {
        direction: "there",
        side: "destination",
        to: { address: "10.0.0.2", port: 5353 },
        by: "nat:PREROUTING rule 1",
      },
    ]);
  });

  test("an answer whose request was not traced goes back", async () => {
    const [flow] = flowsOf(await explained(back(new TraceLog(), { id: 3, flags: "ACK SYN", seq: 1 }).text));
    expect(shape(flow)).toEqual(["1 back"]);
    expect(flow?.original).toMatchObject({ src: "192.0.2.1", dst: "198.51.100.1" });
  });

  test("the same ports used again are another connection", async () => {
    const log = there(new TraceLog(), { id: 1, flags: "SYN", seq: 100 });
    there(log.wait(1), { id: 2, flags: "SYN", seq: 700 });
    expect(flowsOf(await explained(log.text)).map(shape)).toEqual([["1 there"], ["2 there"]]);
  });

  test("an ICMP error stands with the packet that it is about, and goes back", async () => {
    const log = there(new TraceLog(), { id: 1, flags: "SYN", seq: 100 });
    log.line(
      "[  100.200000] TRACE: mangle:PREROUTING:policy:1 IN=eth1 OUT= SRC=198.51.100.254 DST=192.0.2.1 LEN=88 TOS=0x00 " +
        "PREC=0xC0 TTL=64 ID=77 PROTO=ICMP TYPE=3 CODE=1 [SRC=192.0.2.1 DST=198.51.100.1 LEN=60 TOS=0x00 PREC=0x00 " +
        "TTL=62 ID=1 PROTO=TCP SPT=40000 DPT=80 SEQ=100 ACK=0 WINDOW=64240 RES=0x00 SYN URGP=0 ] ",
    );
    const [flow, ...others] = flowsOf(await explained(log.text));
    expect(others).toEqual([]);
    expect(flow?.packets.map(({ direction, isError }) => [direction, isError])).toEqual([
      ["there", false],
      ["back", true],
    ]);
  });
});

describe("sent again", () => {
  test("a SYN and a payload are told, a bare ACK is not", async () => {
    const log = new TraceLog();
    for (const id of [1, 2]) there(log, { id, flags: "SYN", seq: 100 });
    for (const id of [3, 4]) there(log, { id, flags: "ACK", seq: 101, length: 52 });
    for (const id of [5, 6]) there(log, { id, flags: "ACK PSH", seq: 101, length: 500 });
    const [flow] = flowsOf(await explained(log.text));
    expect(flow?.packets.map(({ again }) => again)).toEqual([null, "1", null, null, null, "5"]);
    expect(flow?.sentAgain).toBe(2);
  });
});

describe("bounds", () => {
  test("of a long flow the beginning and the end are kept, and all are counted", async () => {
    const log = new TraceLog();
    for (let id = 1; id <= 30; id++) there(log, { id, flags: "ACK", seq: id, length: 52 });
    const [flow] = flowsOf(await explained(log.text), { mostPackets: 1000, mostOfOne: 4 });
    expect(shape(flow).map((one) => Number.parseInt(one, 10))).toEqual([1, 2, 3, 4, 29, 30]);
    expect(flow).toMatchObject({ there: 30, hidden: 24, hiddenAt: 4 });
    expect(text(flow)).toContain("24 more packets");
  });

  test("of too many flows those idle longest leave first, and no packet is lost", async () => {
    const log = new TraceLog();
    for (let id = 1; id <= 20; id++) there(log, { id, flags: "SYN", seq: id, sport: 40000 + (id % 10) });
    const flows = flowsOf(await explained(log.text), { mostPackets: 5, mostOfOne: 4 });
    expect(flows.reduce((sum, flow) => sum + flow.there, 0)).toBe(20);
    expect(flows.filter(({ isCut }) => isCut).length).toBeGreaterThan(10);
  });
});

function text(flow: Flow | undefined, columns = 80): string {
  if (flow === undefined) return "";
  const lines = describeFlow(flow, { columns, glyphs: UNICODE });
  return lines
    .map((line) =>
      line
        .map((span) => span.text)
        .join("")
        .trimEnd(),
    )
    .join("\n");
}

test("a flow on a terminal of 80 columns: there on the left, back on the right, the time between", async () => {
  const log = there(new TraceLog(), { id: 1, flags: "SYN", seq: 100 });
  back(log, { id: 3, flags: "ACK SYN", seq: 200 });
  const [flow] = flowsOf(await explained(log.text));
  expect(text(flow)).toBe(
    [
      "F1  TCP 192.0.2.1:40000 → 198.51.100.1:80  1 there, 1 back  30 µs  +100.000000",
      "",
      "   0         ✔ 1 SYN 60 B → eth1",
      "   +30 µs                                     ✔ 2 SYN ACK 60 B ← eth0",
      "",
    ].join("\n"),
  );
  expect(flow === undefined ? null : flowContract(flow)).toMatchObject({
    schema: "nfpath/flow@1",
    there: 1,
    back: 1,
    tookNanos: 30_000,
  });
});
