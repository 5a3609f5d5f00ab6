import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { WireCaptureDecoder } from "../../../../src/core/events/decode/wire-capture.ts";
import type { UnparsedEvent, WireEvent } from "../../../../src/core/events/event.ts";

const CAPTURE = readFileSync(join(import.meta.dirname, "../fixtures/linux-6.18-tcpdump-4.99-any.pcap"));

function decode(bytes: Uint8Array, chunk = bytes.length): readonly (WireEvent | UnparsedEvent)[] {
  const decoder = new WireCaptureDecoder({
    input: "wire",
    netns: "b",
    clock: "capture",
    names: (index) => (index === 2 ? "vb" : null),
  });
  const events: (WireEvent | UnparsedEvent)[] = [];
  for (let at = 0; at < bytes.length; at += chunk)
    events.push(...decoder.push(bytes.subarray(at, at + chunk)));
  return events;
}

function frames(events: readonly (WireEvent | UnparsedEvent)[]): readonly WireEvent[] {
  return events.filter((event): event is WireEvent => event.kind === "wire");
}

describe("a capture of all interfaces", () => {
  test("gives each frame its interface, its way, its headers and the state of its checksum", () => {
    const told = frames(decode(CAPTURE)).map(
      ({ interface: name, direction, checksum, sighting: { packet, in: cameIn } }) => [
        name,
        direction,
        cameIn,
        `${packet.src}:${packet.sport} ${packet.dst}:${packet.dport}`,
        packet.length,
        packet.fragmentOffset,
        checksum,
      ],
    );
    expect(told).toEqual([
      ["vb", "in", "vb", "10.1.0.2:40000 10.1.0.1:9", 1500, 0, "not-known"],
      ["vb", "in", "vb", "10.1.0.2:null 10.1.0.1:null", 148, 1480, "not-known"],
      ["vb", "in", "vb", "10.1.0.2:40000 10.1.0.1:9", 33, 0, "unfinished"],
      ["vb", "in", "vb", "fd00::2:40001 fd00::1:9", 53, 0, "unfinished"],
    ]);
    const link = frames(decode(CAPTURE))[0]?.sighting.packet.link;
    expect(link).toMatchObject({
      source: expect.stringMatching(/^[0-9a-f:]{17}$/),
      destination: null,
      etherType: 0x0800,
    });
  });

  test("is read alike however it is cut", () => {
    const whole = JSON.stringify(decode(CAPTURE));
    for (const chunk of [1, 7, 100]) expect(JSON.stringify(decode(CAPTURE, chunk))).toBe(whole);
  });

  test("an octet that was changed on the way makes a checksum wrong", () => {
    const damaged = Buffer.from(CAPTURE);
    const payload = damaged.indexOf("hello");
    damaged[payload] = (damaged[payload] ?? 0) ^ 1;
    // What the card would have put there, had it finished the checksum of the undamaged packet.
    damaged.writeUInt16BE(0x0bb4, payload - 2);
    expect(frames(decode(damaged))[2]?.checksum).toBe("wrong");
    damaged[payload] = (damaged[payload] ?? 0) ^ 1;
    expect(frames(decode(damaged))[2]?.checksum).toBe("right");
  });

  test("of another kind is named, once", () => {
    const other = Buffer.from(CAPTURE);
    other.writeUInt32LE(1, 20);
    expect(decode(other, 50)).toMatchObject([
      { kind: "unparsed", reason: "its link type is 1 and not Linux cooked v2" },
    ]);
    expect(decode(Buffer.alloc(40))).toMatchObject([{ kind: "unparsed", reason: "it is no pcap file" }]);
  });
});
