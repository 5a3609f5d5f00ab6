import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { looksLikeTrace, TextTraceDecoder } from "../../../../src/core/events/decode/text-trace.ts";
import { decode, decodeChunks, name } from "./decoding.ts";

const KERNEL =
  "[ 7606.531051] TRACE: nat:DOCKER:rule:31 IN=eth0 OUT= MAC= SRC=192.0.2.9 DST=198.51.100.7 LEN=60 TOS=0x00 PREC=0x00 TTL=57 ID=7 PROTO=UDP SPT=9 DPT=53 LEN=40";
const NFT = "trace id a95ea7ef ip filter input rule accept (verdict accept)";
const MONITOR = " TRACE: 2 b077d09e raw:PREROUTING:policy:ACCEPT ";

/** A mail with everything in it, damage included. */
const MIXED = [
  "Hello, this is what I see:",
  "",
  `> ${KERNEL}`,
  `    ${KERNEL.replace(" DST=", "\n        DST=")}`,
  `${KERNEL} ${KERNEL} `,
  "4,17,5,-;eth0: link up",
  KERNEL.slice(0, 90),
  "[ 7607.0] net_ratelimit: 12 callbacks suppressed",
  'trace id a95ea7ef ip filter input packet: iif "lo" ip saddr 192.0.2.9',
  "  ip daddr 192.0.2.1 udp sport 5 ",
  "trace id a95ea7ef ip filter input rule",
  "  tcp dport 22",
  "  (verdict drop)",
  NFT,
  "PACKET: 2 b077d09e IN=lo SRC=192.0.2.9 DST=192.0.2.1 LEN=84 TOS=0x0 TTL=64 ID=43751DF ",
  MONITOR,
  "TRACE: filter:INPUT:ru",
  "TRACE: nat:PREROUTING:policy:2",
  "",
].join("\n");

describe("a text with traces of every kind", () => {
  test("is decoded line by line, prose between them says nothing", () => {
    const events = decode(MIXED);
    expect(events.map((event) => `${event.origin.line} ${name(event)}`)).toEqual([
      "3 nat:DOCKER:rule:31",
      "4 nat:DOCKER:rule:31",
      "6 nat:DOCKER:rule:31",
      "6 nat:DOCKER:rule:31",
      "8 nat:DOCKER:rule:31",
      "9 gap",
      "10 sighting",
      "12 filter:input:rule:?",
      "15 filter:input:rule:?",
      "16 sighting",
      "17 raw:PREROUTING:policy:?",
      "18 unparsed",
      "19 nat:PREROUTING:policy:?",
    ]);
  });

  test("a byte at a time gives the same events", () => {
    expect(decodeChunks([...MIXED])).toEqual(decode(MIXED));
  });

  test("any chunking and any line ends give the same events", () => {
    const whole = decode(MIXED);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 }),
        fc.constantFrom("\n", "\r\n", "\r"),
        (sizes, end) => {
          const text = MIXED.replaceAll("\n", end);
          const chunks: string[] = [];
          for (let at = 0, turn = 0; at < text.length; turn++) {
            const size = sizes[turn % sizes.length] as number;
            chunks.push(text.slice(at, at + size));
            at += size;
          }
          expect(decodeChunks(chunks)).toEqual(whole);
        },
      ),
    );
  });

  test("cut off anywhere it does not throw, and what came whole before stays the same", () => {
    const whole = decode(MIXED).map((event) => JSON.stringify(event.origin));
    for (let length = 0; length < MIXED.length; length += 3) {
      const events = decode(MIXED.slice(0, length)).map((event) => JSON.stringify(event.origin));
      // The last two can still be waiting for the rest of their lines.
      const settled = events.slice(0, Math.max(0, events.length - 2));
      expect(whole.slice(0, settled.length), `cut at ${length}`).toEqual(settled);
    }
  });

  test("is counted", () => {
    const decoder = new TextTraceDecoder({ input: "-", netns: "blue" });
    const events = MIXED.split("\n").flatMap((text, at) => decoder.read(text, at + 1));
    events.push(...decoder.end());
    expect(decoder.counts).toEqual({ lines: 20, records: 11, gaps: 1, unparsed: 1 });
    expect(events.every((event) => event.netns === "blue" && event.origin.input === "-")).toBe(true);
  });
});

describe("when events come", () => {
  const read = (...lines: string[]) => {
    const decoder = new TextTraceDecoder({ input: "-", netns: null });
    return lines.map((text, at) => decoder.read(text, at + 1).length);
  };

  test("a record with the kernel's trailing space comes at once", () => {
    expect(read(`${KERNEL} `, `${KERNEL} `)).toEqual([1, 1]);
  });

  test("one without it waits for the next line, which may go on with it", () => {
    expect(read(KERNEL, KERNEL, "prose")).toEqual([0, 1, 1]);
  });

  test("what one decoder holds comes before what another finds", () => {
    const decoder = new TextTraceDecoder({ input: "-", netns: null });
    expect(decoder.read(KERNEL, 1)).toEqual([]);
    expect(decoder.read(NFT, 2).map(name)).toEqual(["nat:DOCKER:rule:31", "filter:input:rule:?"]);
  });
});

describe("the quick gate", () => {
  test.each([KERNEL, NFT, MONITOR, "dropped: IN=eth0 OUT= SRC=192.0.2.1 ", "PACKET: 2 b077d09e IN=lo"])(
    "lets pass: %s",
    (text) => {
      expect(looksLikeTrace(text)).toBe(true);
    },
  );

  test.each([
    '-A PREROUTING -j LOG --log-prefix "TRACE: "',
    ":INPUT ACCEPT [0:0]",
    'tcp dport 22 log prefix "IN=" accept',
    "Chain INPUT (policy ACCEPT)",
    "",
    "add the trace id to your mail",
  ])("keeps out: %s", (text) => {
    expect(looksLikeTrace(text)).toBe(false);
  });
});
