import { describe, expect, it } from "vitest";
import { ConntrackTextDecoder } from "../../../../src/core/events/decode/conntrack-text.ts";
import { TextTraceDecoder } from "../../../../src/core/events/decode/text-trace.ts";
import type { Event } from "../../../../src/core/events/event.ts";

function read(text: string): Event {
  const events = new ConntrackTextDecoder({ input: "flows.txt", netns: null }).read(text, 7);
  expect(events).toHaveLength(1);
  return events[0] as Event;
}

const UDP = "src=192.0.2.7 dst=198.51.100.1 sport=40000 dport=53";

describe("a connection in text", () => {
  it("of conntrack -L has a protocol, a timeout, a state and both directions", () => {
    const line =
      "tcp      6 431999 ESTABLISHED src=192.0.2.7 dst=198.51.100.1 sport=40000 dport=443 packets=9 bytes=812 " +
      "src=203.0.113.5 dst=192.0.2.1 sport=8443 dport=40000 packets=7 bytes=511 [ASSURED] mark=66 use=1";
    expect(read(line)).toMatchObject({
      kind: "flow",
      origin: { input: "flows.txt", line: 7, raw: line },
      time: null,
      what: "listed",
      family: "ip",
      protocol: "tcp",
      timeout: 431_999,
      state: "ESTABLISHED",
      original: { src: "192.0.2.7", dst: "198.51.100.1", sport: 40_000, dport: 443, icmp: null },
      reply: { src: "203.0.113.5", dst: "192.0.2.1", sport: 8443, dport: 40_000 },
      status: ["seen-reply", "assured"],
      mark: 66,
      id: null,
      zone: null,
    });
  });

  it("of /proc begins with the family, and spells IPv6 addresses in full", () => {
    const end = "2001:0db8:0000:0000:0000:0000:0000:000";
    const line = `ipv6     10 udp      17 29 src=${end}1 dst=${end}2 sport=1 dport=2 [UNREPLIED] src=${end}2 dst=${end}1 sport=2 dport=1 mark=0 zone=3 use=2`;
    expect(read(line)).toMatchObject({
      family: "ip6",
      protocol: "udp",
      timeout: 29,
      state: null,
      original: { src: "2001:db8::1", dst: "2001:db8::2", sport: 1, dport: 2 },
      status: [],
      mark: 0,
      zone: 3,
    });
  });

  it.each([
    [`    [NEW] udp      17 30 ${UDP} [UNREPLIED] ${UDP}`, "new"],
    [` [UPDATE] udp      17 30 ${UDP} ${UDP}`, "update"],
    [`[DESTROY] udp      17 ${UDP} ${UDP} id=5 [USERSPACE] portid=1 progname=x`, "destroy"],
    [`> // [DESTROY] udp      17 ${UDP} ${UDP}`, "destroy"],
    [`# udp      17 src=1.2.3.4 dst=4.3.2.1 sport=1 dport=2 ${UDP}`, "listed"],
  ])("tells what happened: %s", (line, what) => {
    expect(read(line)).toMatchObject({ kind: "flow", what, protocol: "udp" });
  });

  it("of conntrack -E -o timestamp,id has its time and its id, which is not ICMP's", () => {
    const line =
      "[1292425574.123456]\t    [NEW] icmp     1 30 src=192.0.2.7 dst=198.51.100.1 type=8 code=0 id=4711 [UNREPLIED] " +
      "src=198.51.100.1 dst=192.0.2.7 type=0 code=0 id=4712 id=99";
    expect(read(line)).toMatchObject({
      time: { clock: "arrival", epoch: "utc", seconds: 1_292_425_574, nanos: 123_456_000 },
      id: 99,
      original: { sport: null, icmp: { type: 8, code: 0, id: 4711 } },
      reply: { icmp: { type: 0, code: 0, id: 4712 } },
    });
  });

  it.each([
    [`udp      17 30 src=192.0.2.300 dst=198.51.100.1 ${UDP}`, "an address is missing or is none"],
    [`udp      17 30 src=192.0.2.1 ${UDP}`, "an address is missing or is none"],
    [`${UDP} ${UDP}`, "no protocol stands before its addresses"],
  ])("that cannot be read is kept with the reason: %s", (line, reason) => {
    expect(read(line)).toMatchObject({
      kind: "unparsed",
      origin: { raw: line },
      reason: `conntrack line: ${reason}`,
    });
  });

  it("cut anywhere is read or refused, never thrown over", () => {
    const line = `[1.5]\t[NEW] tcp 6 120 SYN_SENT ${UDP} [UNREPLIED] ${UDP} mark=1 zone=2 id=3`;
    for (let length = 0; length < line.length; length++) {
      const events = new ConntrackTextDecoder({ input: "-", netns: null }).read(line.slice(0, length), 1);
      expect(events.length).toBeLessThan(2);
    }
  });

  it("stands between the lines of a trace without disturbing them", () => {
    const decoder = new TextTraceDecoder({ input: "mail.txt", netns: null });
    const trace =
      "[ 1.0] TRACE: raw:PREROUTING:policy:1 IN=eth0 OUT= SRC=192.0.2.7 DST=198.51.100.1 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=2 ";
    const lines = [
      trace,
      `udp 17 30 ${UDP} ${UDP} mark=0 use=1`,
      trace,
      "conntrack v1.4.7: 1 flow entries have been shown.",
    ];
    const kinds = lines.flatMap((line, at) => decoder.read(line, at + 1)).map((event) => event.kind);
    expect([...kinds, ...decoder.end().map((event) => event.kind)]).toEqual(["step", "flow", "step"]);
  });
});
