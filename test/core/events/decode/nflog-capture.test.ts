import { describe, expect, it } from "vitest";
import { NflogCaptureDecoder } from "../../../../src/core/events/decode/nflog-capture.ts";
import type { Event } from "../../../../src/core/events/event.ts";

/** A pcap file with one legacy TRACE record: a UDP datagram that came in by interface 7. */
function capture(littleEndian: boolean): Uint8Array {
  const packet = Buffer.from("4500001f0001000040110000c0000201c6336401a1b20035000b0000686921", "hex");
  const words = (...numbers: number[]) => {
    const buffer = Buffer.alloc(numbers.length * 4);
    for (const [i, number] of numbers.entries())
      littleEndian ? buffer.writeUInt32LE(number, i * 4) : buffer.writeUInt32BE(number, i * 4);
    return buffer;
  };
  const attribute = (type: number, value: Buffer) => {
    const header = Buffer.alloc(4);
    for (const [i, number] of [value.length + 4, type].entries())
      littleEndian ? header.writeUInt16LE(number, i * 2) : header.writeUInt16BE(number, i * 2);
    return Buffer.concat([header, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
  };
  const record = Buffer.concat([
    Buffer.from([2, 0, 0, 0]),
    attribute(10, Buffer.from("TRACE: filter:INPUT:rule:3 \0")),
    attribute(4, Buffer.from([0, 0, 0, 7])),
    attribute(9, packet),
  ]);
  return Buffer.concat([
    words(0xa1b2c3d4),
    littleEndian ? Buffer.from([2, 0, 4, 0]) : Buffer.from([0, 2, 0, 4]),
    words(0, 0, 262_144, 239),
    words(1_700_000_000, 250_000, record.length, record.length),
    record,
  ]);
}

function decode(bytes: Uint8Array, chunk = bytes.length): Event[] {
  const decoder = new NflogCaptureDecoder("trace.pcap", (index) => (index === 7 ? "eth0" : null));
  const events: Event[] = [];
  for (let at = 0; at < bytes.length; at += chunk) events.push(...decoder.push(bytes.slice(at, at + chunk)));
  return [...events, ...decoder.end()];
}

describe("NflogCaptureDecoder", () => {
  it.each([true, false])(
    "reads TRACE records (little-endian: %s), however the file is cut",
    (littleEndian) => {
      const whole = decode(capture(littleEndian));
      expect(whole).toMatchObject([
        {
          kind: "step",
          table: "filter",
          chain: "INPUT",
          step: "rule",
          number: 3,
          time: { clock: "capture", epoch: "utc", seconds: 1_700_000_000, nanos: 250_000_000 },
          origin: { input: "trace.pcap", line: 1 },
          sighting: { in: "eth0" },
        },
      ]);
      expect(decode(capture(littleEndian), 1)).toEqual(whole);
    },
  );

  it("says where a file ends too early, is of another kind, or goes wrong", () => {
    const bytes = capture(true);
    for (let end = 1; end < bytes.length; end++) {
      const events = decode(bytes.slice(0, end));
      expect(events).toMatchObject(end === 24 ? [] : [{ kind: "unparsed", reason: /middle of a record/ }]);
    }
    const ethernet = bytes.slice();
    ethernet[20] = 1;
    expect(decode(ethernet)).toMatchObject([{ kind: "unparsed", reason: /NFLOG/ }]);
    const huge = bytes.slice();
    huge[35] = 0x7f;
    expect(decode(huge)).toMatchObject([{ kind: "unparsed", reason: /record 1 says/ }]);
  });
});
