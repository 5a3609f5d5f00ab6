import { describe, expect, test } from "vitest";
import type { Place } from "../../../src/core/journeys/place.ts";
import { fingerprint, isMasked, isWhole, likeness } from "../../../src/core/journeys/same-packet.ts";
import { type Packet, unknownPacket } from "../../../src/core/packets/packet.ts";

const SENT: Packet = {
  ...unknownPacket("ip"),
  src: "203.0.113.9",
  dst: "198.51.100.1",
  protocol: "udp",
  sport: 38495,
  dport: 10370,
  length: 1511,
  ipId: 17397,
  ttl: 57,
  udpLength: 1491,
};

function at(hook: Place["hook"], priority: number | null): Place {
  return { hook, priority, isNat: false, isBase: true };
}

const RAW = at("prerouting", -300);
const FORWARD = at("forward", 0);
const POSTROUTING = at("postrouting", -150);

describe("likeness", () => {
  test("equal headers are the same packet", () => {
    expect(likeness(SENT, RAW, SENT, FORWARD)).toBe("same");
  });

  test("forwarding takes one off the TTL, and no more", () => {
    expect(likeness(SENT, RAW, { ...SENT, ttl: 56 }, FORWARD)).toBe("same");
    expect(likeness(SENT, RAW, { ...SENT, ttl: 55 }, FORWARD)).toBeNull();
    expect(likeness(SENT, RAW, { ...SENT, ttl: 58 }, FORWARD)).toBeNull();
  });

  test("a new destination is NAT's only where the packet passed PREROUTING at -100", () => {
    const translated = { ...SENT, dst: "172.18.0.2", dport: 80 };
    expect(likeness(SENT, RAW, translated, FORWARD)).toBe("translated");
    expect(likeness(SENT, RAW, translated, at("prerouting", -150))).toBeNull();
    expect(likeness(SENT, FORWARD, translated, POSTROUTING)).toBeNull();
  });

  test("a new source is NAT's only where the packet passed POSTROUTING or INPUT at 100", () => {
    const translated = { ...SENT, src: "192.0.2.1" };
    expect(likeness(SENT, RAW, translated, FORWARD)).toBeNull();
    expect(likeness(SENT, POSTROUTING, translated, at("postrouting", 350))).toBe("translated");
    expect(likeness(SENT, POSTROUTING, translated, RAW)).toBe("translated");
    expect(likeness(SENT, at("input", 0), translated, at("input", 350))).toBe("translated");
  });

  test.each([
    ["identification", { ipId: 17398 }],
    ["length", { length: 1512 }],
    ["protocol", { protocol: "tcp" }],
    ["UDP length", { udpLength: 1 }],
    ["fragment", { fragmentOffset: 1480 }],
  ])("another %s is another packet", (_name, other) => {
    expect(
      likeness({ ...SENT, fragmentOffset: 0 }, RAW, { ...SENT, fragmentOffset: 0, ...other }, FORWARD),
    ).toBeNull();
  });

  test("TCP sequence numbers, acknowledgements and flags tell packets apart", () => {
    const tcp = { seq: 1, ack: 2, flags: 16, window: 100 };
    const packet = { ...SENT, protocol: "tcp", udpLength: null, tcp };
    expect(likeness(packet, RAW, { ...packet, tcp: { ...tcp, window: 90 } }, FORWARD)).toBe("same");
    expect(likeness(packet, RAW, { ...packet, tcp: { ...tcp, seq: 3 } }, FORWARD)).toBeNull();
    expect(likeness(packet, RAW, { ...packet, tcp: { ...tcp, flags: 18 } }, FORWARD)).toBeNull();
  });

  test("an echo's identifier is a port to NAT", () => {
    const echo = { type: 8, code: 0, id: 77, sequence: 1, mtu: null };
    const packet = { ...SENT, protocol: "icmp", sport: null, dport: null, udpLength: null, icmp: echo };
    const other = { ...packet, icmp: { ...echo, id: 78 } };
    expect(likeness(packet, FORWARD, other, POSTROUTING)).toBeNull();
    expect(likeness(packet, POSTROUTING, other, at("postrouting", 350))).toBe("translated");
  });

  test("what one side does not know decides nothing, and is said to be partial", () => {
    expect(likeness(SENT, RAW, { ...SENT, ipId: null }, FORWARD)).toBe("partial");
    expect(likeness({ ...SENT, length: null }, RAW, { ...SENT, dst: "10.0.0.1" }, FORWARD)).toBeNull();
  });

  test("a masked address may be any address, two masked ones too", () => {
    expect(likeness({ ...SENT, dst: "xxx" }, RAW, SENT, FORWARD)).toBe("same");
    expect(likeness({ ...SENT, src: "..." }, RAW, { ...SENT, src: "<filtered>" }, FORWARD)).toBe("same");
  });
});

test("a text without digits or colons is masked", () => {
  expect(["xxx", "...", "<filtered>", "a.b.c.d"].map(isMasked)).toEqual([true, true, true, true]);
  expect(["10.0.0.1", "xxx.xxx.xxx.113", "fe80::1", "::"].map(isMasked)).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test("whole means enough to tell a packet from its neighbours", () => {
  expect(isWhole(SENT)).toBe(true);
  expect(isWhole({ ...SENT, ipId: null })).toBe(false);
  expect(isWhole({ ...SENT, family: "ip6", ipId: null })).toBe(true);
  expect(isWhole({ ...SENT, length: null })).toBe(false);
});

test("NAT and TTL leave the fingerprint alone, another identification does not", () => {
  const translated = { ...SENT, src: "192.0.2.1", dst: "172.18.0.2", sport: 1, dport: 2, ttl: 3 };
  expect(fingerprint(translated)).toBe(fingerprint(SENT));
  expect(fingerprint({ ...SENT, ipId: 1 })).not.toBe(fingerprint(SENT));
});
