import { describe, expect, it } from "vitest";
import type { Sighting } from "../../../src/core/events/event.ts";
import { parseFilter } from "../../../src/core/filters/parse.ts";
import { filterPredicate, matchesFilter } from "../../../src/core/filters/predicate.ts";
import { type Packet, unknownPacket } from "../../../src/core/packets/packet.ts";

function sighting(packet: Partial<Packet>, rest: Partial<Sighting> = {}): Sighting {
  const whole = { ...unknownPacket("ip"), ...packet };
  return {
    packet: whole,
    in: null,
    out: null,
    physIn: null,
    physOut: null,
    mark: null,
    uid: null,
    gid: null,
    ...rest,
  };
}

function ask(text: string, packet: Partial<Packet>, rest: Partial<Sighting> = {}): boolean | null {
  const filter = parseFilter(text);
  if (!filter.ok) throw new Error(filter.error.message);
  return matchesFilter(filter.value, sighting(packet, rest));
}

const DNS: Partial<Packet> = {
  src: "192.0.2.1",
  dst: "198.51.100.53",
  protocol: "udp",
  sport: 40000,
  dport: 53,
  length: 60,
  fragmentOffset: 0,
};

describe("matchesFilter", () => {
  it.each<[string, boolean]>([
    ["", true],
    ["udp and dst port 53", true],
    ["src port 53", false],
    ["port 53 and net 198.51.100.0/24", true],
    ["src and dst net 192.0.2.0/24", false],
    ["tcp port 53", false],
    ["len = 60", true],
    ["greater 61", false],
    ["arp or ip6", false],
    ["not icmp", true],
  ])("answers %j for a DNS query", (text, answer) => {
    expect(ask(text, DNS)).toBe(answer);
  });

  it.each<[string, string, Partial<Packet>, boolean | null]>([
    ["a redacted address", "host 192.0.2.1", { ...DNS, src: "xxx.xxx.xxx.1" }, null],
    ["a redacted address, the other being it", "host 192.0.2.1", { ...DNS, dst: "xxx.xxx.xxx.53" }, true],
    ["a redacted address, the other not being it", "src host 192.0.2.9", { ...DNS, dst: "xxx" }, false],
    [
      "a redacted address that no longer matters",
      "tcp and host 192.0.2.9",
      { ...DNS, src: "xxx", dst: "xxx" },
      false,
    ],
    [
      "a redacted address that no longer matters",
      "udp or host 192.0.2.9",
      { ...DNS, src: "xxx", dst: "xxx" },
      true,
    ],
    ["no ports told", "port 53", { ...DNS, sport: null, dport: null }, null],
    ["no ports told, another protocol", "port 53", { protocol: "icmp" }, false],
    ["one port told", "port 53", { ...DNS, sport: null }, true],
    ["no protocol told", "udp", { ...DNS, protocol: null }, null],
    ["no protocol told, ports of other services", "udp port 99", { ...DNS, protocol: null }, false],
    ["a protocol without a name", "proto 253", { protocol: "253" }, true],
    ["no length told", "less 100", { ...DNS, length: null }, null],
    ["a later fragment", "port 53", { ...DNS, sport: null, dport: null, fragmentOffset: 1480 }, false],
    ["a later fragment", "not port 53", { ...DNS, sport: null, dport: null, fragmentOffset: 1480 }, true],
    ["a later fragment", "udp", { ...DNS, sport: null, dport: null, fragmentOffset: 1480 }, true],
    [
      "a first fragment of IPv6",
      "port 53",
      { ...DNS, family: "ip6", src: null, dst: null, moreFragments: true },
      false,
    ],
    ["IPv6", "host 192.0.2.1", { family: "ip6", src: "2001:db8::1", dst: "2001:db8::2" }, false],
    ["IPv6", "net 2001:db8::/33", { family: "ip6", src: "2001:db8:8000::1", dst: "fe80::1" }, false],
    ["IPv6", "net 2001:db8::/33", { family: "ip6", src: "2001:db8:7fff::1", dst: "fe80::1" }, true],
    ["an authentication header in IPv6", "ah", { family: "ip6", protocol: "ah" }, true],
    ["IPv6 with who knows what before UDP", "ah", { family: "ip6", protocol: "udp" }, null],
    ["IPv4, which has no such headers", "ah", { family: "ip", protocol: "udp" }, false],
    ["IPv6 of which only the fragment header is told", "tcp", { family: "ip6", protocol: "44" }, null],
    ["a bridge", "ip", { ...DNS, family: "bridge" }, null],
    ["a bridge that tells the ether type", "ip", { ...DNS, family: "bridge", link: link(0x0800) }, true],
    ["a bridge that tells the ether type", "udp", { ...DNS, family: "bridge", link: link(0x0806) }, false],
    ["a bridge with a VLAN tag", "ip6", { family: "bridge", link: link(0x8100) }, null],
    ["a bridge, addresses told", "host 192.0.2.1", { ...DNS, family: "bridge" }, true],
    ["a bridge, addresses told", "host 2001:db8::1", { ...DNS, family: "bridge" }, false],
    ["ARP", "host 192.0.2.1", { family: "arp", src: "192.0.2.1", dst: "192.0.2.2" }, false],
    ["ARP", "arp", { family: "arp" }, true],
  ])("knows what %s tells about %j", (_what, text, packet, answer) => {
    expect(ask(text, packet)).toBe(answer);
  });

  it("reads the one byte of TCP flags that tcp[13] is, and none in IPv6", () => {
    const tcp = {
      protocol: "tcp",
      fragmentOffset: 0,
      tcp: { seq: null, ack: null, flags: 0x102, window: null },
    };
    expect(ask("tcp[tcpflags] = tcp-syn", tcp)).toBe(true);
    expect(ask("tcp[tcpflags] & tcp-ack != 0", tcp)).toBe(false);
    expect(ask("tcp[tcpflags] = tcp-syn", { ...tcp, family: "ip6" })).toBe(false);
    expect(ask("tcp[tcpflags] = tcp-syn", { protocol: "tcp" })).toBeNull();
  });

  it("takes either interface for `on`, and its coming in for `inbound`", () => {
    const forwarded = { in: "eth0", out: "docker0" };
    expect(ask("on eth0", DNS, forwarded)).toBe(true);
    expect(ask("on docker0 and inbound", DNS, forwarded)).toBe(true);
    expect(ask("on eth1", DNS, forwarded)).toBe(false);
    expect(ask("outbound", DNS, { out: "eth0" })).toBe(true);
    expect(ask("on eth0", DNS)).toBeNull();
    expect(ask("inbound", DNS)).toBeNull();
  });

  it("makes one function for many sightings", () => {
    const filter = parseFilter("src net 192.0.2.0/28");
    if (!filter.ok) throw new Error(filter.error.message);
    const predicate = filterPredicate(filter.value);
    const sources = ["192.0.2.1", "192.0.2.15", "192.0.2.16", "no address", null];
    expect(sources.map((src) => predicate(sighting({ src })))).toEqual([true, true, false, null, null]);
  });
});

function link(etherType: number) {
  return { source: null, destination: null, etherType };
}
