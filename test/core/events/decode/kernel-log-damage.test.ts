import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode, name, only, packetOf, times } from "./decoding.ts";

const HEAD = "[ 7606.531051] TRACE: nat:DOCKER:rule:31";
const LINK = "IN=eth0 OUT= MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00";
const IP = "SRC=192.0.2.9 DST=198.51.100.7 LEN=1511 TOS=0x00 PREC=0x00 TTL=57 ID=17397";
const UDP = "PROTO=UDP SPT=38495 DPT=10370 LEN=1491";
const WHOLE = `${HEAD} ${LINK} ${IP} ${UDP}`;
const TCP = `[ 7606.531099] TRACE: filter:INPUT:rule:12 ${LINK} ${IP} DF PROTO=TCP SPT=38495 DPT=10370 SEQ=123456 ACK=654321 WINDOW=64240 RES=0x00 ACK SYN URGP=0 OPT (020405B40402) UID=1000 GID=1000 MARK=0x10082`;
const ERROR = `${HEAD} ${LINK} ${IP} PROTO=ICMP TYPE=3 CODE=4 [SRC=192.0.2.9 DST=198.51.100.7 LEN=1500 TOS=0x00 PREC=0x00 TTL=60 ID=7 DF PROTO=UDP SPT=53 DPT=4000 LEN=1480 ] MTU=1400`;

describe("records glued on one line", () => {
  test("are read one by one, each with its own stamp", () => {
    const events = decode(
      `${WHOLE} ${TCP} [ 7607.000001] TRACE: raw:OUTPUT:policy:2 IN= OUT=lo ${IP} ${UDP} \n`,
    );
    expect(events.map(name)).toEqual(["nat:DOCKER:rule:31", "filter:INPUT:rule:12", "raw:OUTPUT:policy:2"]);
    expect(times(events)).toEqual(["+7606.531051000", "+7606.531099000", "+7607.000001000"]);
    expect(events.map((event) => packetOf(event).dport)).toEqual([10370, 10370, 10370]);
    expect(events[0]?.origin).toEqual({ input: "test", line: 1, raw: WHOLE });
  });

  test("one cut short by the next loses its last value, not a piece of it", () => {
    const [first, second] = decode(`${HEAD} ${LINK} SRC=192.0.2.9 DST=198.5${TCP} \n`);
    expect(packetOf(first as never)).toMatchObject({ src: "192.0.2.9", dst: null });
    expect(packetOf(second as never)).toMatchObject({ dst: "198.51.100.7", dport: 10370 });
  });

  test("LOG lines beside TRACE records keep their own prefix", () => {
    const events = decode(`${WHOLE} [ 7606.6] dropped: ${LINK} ${IP} ${UDP} \n`);
    expect(events.map((event) => event.kind)).toEqual(["step", "log"]);
    expect(events[1]).toMatchObject({ prefix: "dropped: ", time: { seconds: 7606, nanos: 600_000_000 } });
  });

  test("fields of another record within one are not mixed into it, and are named", () => {
    const [step, rest] = decode(`${WHOLE} DST=203.0.113.99 LEN=60 TOS=0x00 \n`);
    expect(packetOf(step as never).dst).toBe("198.51.100.7");
    expect(rest).toMatchObject({
      kind: "unparsed",
      reason: expect.stringContaining("without the beginning"),
    });
  });
});

describe("records folded over several lines", () => {
  test("by hand, with indentation", () => {
    const step = only(
      "step",
      `    [11692.096077] TRACE: mangle:tcout:return:3 IN= OUT=eth0 SRC=192.0.2.1\n        DST=198.51.100.2 LEN=84 TOS=0x00 PREC=0x00 TTL=64\n        ID=0 DF PROTO=ICMP TYPE=8 CODE=0 ID=7212 SEQ=3 UID=0 \n        GID=1000 MARK=0x10082\n`,
    );
    expect(step.origin.line).toBe(1);
    expect(step.origin.raw.split("\n")).toHaveLength(4);
    expect(packetOf(step)).toMatchObject({ dst: "198.51.100.2", icmp: { id: 7212, sequence: 3 } });
    expect(step.sighting).toMatchObject({ uid: 0, gid: 1000, mark: 0x10082 });
  });

  test("in quotes of a mail", () => {
    const step = only("step", `> ${HEAD} ${LINK}\n> ${IP}\n> ${UDP}\n`);
    expect(packetOf(step).dport).toBe(10370);
  });

  test("by a terminal of any width, in the middle of words and numbers", () => {
    for (const record of [TCP, ERROR]) {
      const unfolded = only("step", record);
      for (let width = 38; width <= 200; width++) {
        const folded = decode((record.match(new RegExp(`.{1,${width}}`, "g")) as string[]).join("\n"));
        expect(folded.map(name), `width ${width}`).toEqual([name(unfolded)]);
        expect(folded[0], `width ${width}`).toMatchObject({ sighting: unfolded.sighting });
      }
    }
  });

  test("do not swallow prose, other records or reports behind them", () => {
    const events = decode(`${HEAD} ${LINK} SRC=192.0.2.9\nand here the packet was dropped\n${TCP}\n`);
    expect(events.map(name)).toEqual(["nat:DOCKER:rule:31", "filter:INPUT:rule:12"]);
    expect(packetOf(events[0] as never)).toMatchObject({ src: null, dst: null });
    expect(events[0]?.origin.raw).toBe(`${HEAD} ${LINK} SRC=192.0.2.9`);
  });

  test("the rest of a record whose beginning is not there is named", () => {
    expect(only("unparsed", `    ${IP} ${UDP}\n`).reason).toContain("without the beginning");
  });
});

describe("values that somebody blanked out", () => {
  test.each([
    ["SRC=xxx.xxx.xxx.113", "xxx.xxx.xxx.113"],
    ["SRC=xxx", "xxx"],
    ["SRC=<filtered>", "<filtered>"],
    ["SRC=...", null],
    ["SRC=", null],
  ])("%s", (word, src) => {
    const step = only("step", WHOLE.replace("SRC=192.0.2.9", word));
    expect(packetOf(step)).toMatchObject({ src, dst: "198.51.100.7", dport: 10370 });
  });

  test.each(["MAC=xxx", "MAC=...", "MAC=<filtered>", "MAC=…", "MAC=02:00:00:00"])(
    "%s gives no link header",
    (word) => {
      const step = only("step", WHOLE.replace(/MAC=\S+/, word));
      expect(packetOf(step).link).toBeNull();
      expect(packetOf(step).dport).toBe(10370);
    },
  );

  test("numbers with letters in them are no numbers", () => {
    const step = only("step", WHOLE.replace("ID=17397", "ID=173xx").replace("SPT=38495", "SPT=xxxxx"));
    expect(packetOf(step)).toMatchObject({ ipId: null, sport: null, dport: 10370, ttl: 57 });
  });

  test("numbers that do not fit their field are none", () => {
    const step = only(
      "step",
      WHOLE.replace("DPT=10370", "DPT=99999999999999999999").replace("TTL=57", "TTL=999"),
    );
    expect(packetOf(step)).toMatchObject({ dport: null, ttl: null, sport: 38495 });
  });

  test("an elision leaves what stands in front of it", () => {
    const step = only("step", `${HEAD} IN=enp2s0 OUT=docker0 MAC=... SRC=192.0.2.9 DST=198.51.100.7 ...`);
    expect(packetOf(step)).toMatchObject({ src: "192.0.2.9", dst: "198.51.100.7", protocol: null });
    expect(step.sighting).toMatchObject({ in: "enp2s0", out: "docker0" });
  });

  test("columns and comments do no harm", () => {
    const step = only(
      "step",
      `${HEAD}                  IN=eth0 OUT=     SRC=192.0.2.9      DST=198.51.100.7    LEN=82 TOS=0x00 PREC=0x00 TTL=64 ID=5 ${UDP}   # noqa`,
    );
    expect(packetOf(step)).toMatchObject({ dst: "198.51.100.7", dport: 10370 });
  });
});

describe("a record cut off anywhere", () => {
  const records = [`${WHOLE} `, `${TCP} `];

  test("never gives a wrong step or a piece of a value", () => {
    for (const record of records) {
      const whole = decode(record)[0] as never;
      const packet: Record<string, unknown> = { ...packetOf(whole), ...packetOf(whole).tcp };
      for (let length = 0; length < record.length; length++) {
        const events = decode(record.slice(0, length));
        for (const event of events) {
          if (event.kind === "unparsed") continue;
          expect([name(whole), name(whole).replace(/\d+$/, "?")], `cut at ${length}`).toContain(name(event));
          if (event.kind !== "step" || event.sighting === null) continue;
          const seen: Record<string, unknown> = { ...event.sighting.packet, ...event.sighting.packet.tcp };
          // The very last value of a complete record could be anything: see the next test.
          if (
            record.slice(0, length).match(/ (LEN=1\d*|GID=\d*|MARK=0x[0-9a-f]*)$/) &&
            !record.includes("DPT=1037 ")
          ) {
            delete seen.udpLength;
          }
          for (const [field, value] of Object.entries(seen)) {
            if (value !== null && typeof value !== "object")
              expect(value, `${field}, cut at ${length}`).toBe(packet[field]);
          }
        }
      }
    }
  });

  test("in an input that keeps the kernel's trailing space, not even its last value", () => {
    for (const record of records) {
      for (let length = record.length - 30; length < record.length; length++) {
        const [, event] = decode(`${WHOLE.replace("31", "30")} \n${record.slice(0, length)}`);
        if (event?.kind !== "step" || event.sighting === null)
          throw new Error("a step with a packet was expected");
        const { gid, mark, packet } = event.sighting;
        expect([null, 1000], `cut at ${length}`).toContain(gid);
        expect([null, 0x10082], `cut at ${length}`).toContain(mark);
        expect([null, 1491], `cut at ${length}`).toContain(packet.udpLength);
      }
    }
  });

  test("a head alone keeps its number only in a list of heads", () => {
    expect(name(only("step", "TRACE: nat:DOCKER:rule:3"))).toBe("nat:DOCKER:rule:?");
    expect(name(only("step", "TRACE: nat:DOCKER:rule:3 "))).toBe("nat:DOCKER:rule:3");
    expect(decode(`${WHOLE} \nTRACE: nat:DOCKER:rule:3\n${WHOLE} \n`).map(name)[1]).toBe("nat:DOCKER:rule:?");
  });
});

describe("hostile text", () => {
  test("nothing throws, every event names its line, and steps have a head that stands in the text", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...[
          "TRACE: ",
          "TRACE:",
          "IN=",
          "OUT=",
          "SRC=",
          "DST=",
          "LEN=",
          "PROTO=TCP ",
          "PROTO=UDP ",
          "[SRC=",
          "] ",
          "[",
          "OPT (",
          ")",
        ],
        ...[
          "raw:PREROUTING:policy:2 ",
          "IN=eth0 OUT= ",
          "SPT=1 ",
          "URGP=0 ",
          "FRAG:",
          "INCOMPLETE [",
          "\x1b[2J",
          "\u202e",
          "{",
          "}",
          '"',
        ],
        ...[
          "[  +0.000005] ",
          "[Apr23 21:55] ",
          "4,1,2,-;",
          "<4>",
          "Aug 24 11:14:47 h kernel: ",
          "-- Logs begin at ",
          "\n",
          "\n   ",
        ],
        ...[
          "trace id ",
          "trace id a1b2c3d4 ",
          "ip filter input ",
          "packet: ",
          "rule ",
          "(verdict ",
          "policy ",
          "PACKET: 2 a1b2c3d4 ",
        ],
      ),
      fc.string({ maxLength: 6 }),
      fc.string({ unit: "binary", maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (parts) => {
        const text = parts.join("");
        for (const event of decode(text)) {
          expect(event.origin.line).toBeGreaterThan(0);
          if (event.kind === "step" && event.tracer === "xtables")
            expect(text.replaceAll("\n", "")).toContain(event.table);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("a forged stamp in a log prefix does not move the clock", () => {
    const event = only("log", `[ 5.000000] [ 99.000000] IN=eth0 OUT= ${IP} ${UDP} `);
    expect(times([event])).toEqual(["+5.000000000"]);
    expect(event.prefix).toBe("[ 99.000000] ");
  });
});
