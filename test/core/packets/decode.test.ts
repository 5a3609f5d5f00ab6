import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sliceOf } from "../../../src/core/packets/decode/bytes.ts";
import { decodeLink } from "../../../src/core/packets/decode/link.ts";
import { decodeArp, decodeIpv4, decodeIpv6 } from "../../../src/core/packets/decode/network.ts";
import { decodeHeaders } from "../../../src/core/packets/decode/packet.ts";
import type { Packet } from "../../../src/core/packets/packet.ts";
import { bytes } from "../../support/hex.ts";

const ipv4 = (hex: string): Packet => decodeIpv4(sliceOf(bytes(hex)), null);
const ipv6 = (hex: string): Packet => decodeIpv6(sliceOf(bytes(hex)), null);

/** From 192.0.2.1 to 198.51.100.7. */
const ADDRESSES4 = "c0000201 c6336407";
const ADDRESSES6 = "20010db8000000000000000000000001 20010db8000000000000000000000002";
const header4 = (protocol: string, fragment = "0000") =>
  `4500 0054 43f5 ${fragment} 3f ${protocol} 0000 ${ADDRESSES4}`;
const header6 = (next: string, payload = "0028") => `6ab12345 ${payload} ${next} 3c ${ADDRESSES6}`;
const UDP = "9665 2882 0020 abcd";

describe("IPv4", () => {
  it("is read field by field", () => {
    expect(ipv4(`45b8 05e7 43f5 4000 37 11 0000 ${ADDRESSES4} ${UDP}`)).toEqual({
      family: "ip",
      src: "192.0.2.1",
      dst: "198.51.100.7",
      protocol: "udp",
      sport: 38501,
      dport: 10370,
      length: 1511,
      ipId: 17397,
      ttl: 55,
      tos: 0xb8,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      tcp: null,
      icmp: null,
      udpLength: 32,
      contentSum: 43277,
      link: null,
      quoted: null,
    });
  });

  it("with options has its ports behind them", () => {
    expect(ipv4(`4600 0054 43f5 0000 40 11 0000 ${ADDRESSES4} 94040000 ${UDP}`)).toMatchObject({
      sport: 38501,
      dport: 10370,
    });
  });

  it("of a first fragment has ports, of a later one none", () => {
    expect(ipv4(header4("11", "2000") + UDP)).toMatchObject({
      moreFragments: true,
      fragmentOffset: 0,
      dport: 10370,
    });
    expect(ipv4(header4("11", "00b9") + UDP)).toMatchObject({
      moreFragments: false,
      fragmentOffset: 1480,
      dport: null,
      udpLength: null,
    });
  });

  it("of a length that does not fit its field has none", () => {
    expect(ipv4(`4500 0000 43f5 0000 40 06 0000 ${ADDRESSES4}`).length).toBeNull();
  });

  it.each([
    ["06", "tcp"],
    ["32", "esp"],
    ["33", "ah"],
    ["2f", "gre"],
    ["fd", "253"],
  ])("names protocol 0x%s %s", (number, name) => {
    expect(ipv4(header4(number)).protocol).toBe(name);
  });

  it.each([
    ["SCTP", "84"],
    ["DCCP", "21"],
    ["UDP-Lite", "88"],
  ])("finds the ports of %s, and no UDP length", (_, protocol) => {
    expect(ipv4(header4(protocol) + UDP)).toMatchObject({ sport: 38501, dport: 10370, udpLength: null });
  });

  it("of no ports gives none", () => {
    expect(ipv4(header4("32") + UDP)).toMatchObject({ sport: null, dport: null });
  });

  it("that is none is known as nothing", () => {
    expect(ipv4(header6("11"))).toMatchObject({ family: "ip", src: null, protocol: null, length: null });
  });
});

describe("TCP", () => {
  it("has numbers, flags with the ninth bit, and window", () => {
    const tcp = ipv4(`${header4("06")} 1f90 0050 89abcdef 01234567 5112 faf0 0000 0000`).tcp;
    expect(tcp).toEqual({ seq: 0x89abcdef, ack: 0x01234567, flags: 0x112, window: 64240 });
  });

  it("cut behind its ports has these alone", () => {
    expect(ipv4(`${header4("06")} 1f90 0050`)).toMatchObject({ sport: 8080, dport: 80, tcp: null });
    expect(ipv4(`${header4("06")} 1f90 0050 00000001 00000002`).tcp).toEqual({
      seq: 1,
      ack: 2,
      flags: null,
      window: null,
    });
  });
});

describe("ICMP", () => {
  it("echo has an identifier and a sequence", () => {
    expect(ipv4(`${header4("01")} 0800 0000 1234 0007`).icmp).toEqual({
      type: 8,
      code: 0,
      id: 0x1234,
      sequence: 7,
      mtu: null,
    });
  });

  it("fragmentation needed has the MTU and the packet that was too long", () => {
    const packet = ipv4(`${header4("01")} 0304 0000 0000 0578 ${header4("11", "4000")} ${UDP}`);
    expect(packet.icmp).toEqual({ type: 3, code: 4, id: null, sequence: null, mtu: 1400 });
    expect(packet.quoted).toMatchObject({ src: "192.0.2.1", dport: 10370, dontFragment: true, link: null });
  });

  it("error about an ICMP error is quoted one level deep", () => {
    const error = `${header4("01")} 0301 0000 0000 0000`;
    expect(ipv4(`${error} ${error} ${header4("11")} ${UDP}`).quoted).toMatchObject({
      icmp: { type: 3 },
      quoted: null,
    });
  });

  it("without its quoted packet has none", () => {
    expect(ipv4(`${header4("01")} 0b00 0000 0000 0000`).quoted).toBeNull();
  });
});

describe("IPv6", () => {
  it("is read field by field", () => {
    expect(ipv6(header6("11") + UDP)).toMatchObject({
      family: "ip6",
      src: "2001:db8::1",
      dst: "2001:db8::2",
      protocol: "udp",
      sport: 38501,
      dport: 10370,
      length: 80,
      ipId: null,
      ttl: 60,
      tos: 0xab,
      dontFragment: null,
      moreFragments: false,
      fragmentOffset: 0,
      udpLength: 32,
    });
  });

  it("has its transport header behind hop-by-hop, routing, options and AH", () => {
    const chain = `2b00 0000 0000 0000  3c00 0000 0000 0000  3301 00000000 0000 0000 0000 0000 0000`;
    const ah = `1104 0000 00000000 00000000 000000000000000000000000`;
    expect(ipv6(header6("00") + chain + ah + UDP)).toMatchObject({ protocol: "udp", dport: 10370 });
  });

  it("of a first fragment has ports, of a later one none", () => {
    expect(ipv6(`${header6("2c")} 1100 0001 00000005 ${UDP}`)).toMatchObject({
      moreFragments: true,
      ipId: 5,
      fragmentOffset: 0,
      dport: 10370,
    });
    expect(ipv6(`${header6("2c")} 1100 05a8 00000005 ${UDP}`)).toMatchObject({
      protocol: "udp",
      moreFragments: false,
      fragmentOffset: 1448,
      dport: null,
    });
  });

  it("cut in its extension headers does not guess what follows", () => {
    expect(ipv6(header6("00"))).toMatchObject({
      protocol: null,
      fragmentOffset: null,
      moreFragments: null,
      dport: null,
    });
    // That it is a part is known, not which.
    const part = { protocol: null, fragmentOffset: null, moreFragments: true, ipId: null };
    expect(ipv6(`${header6("2c")} 1100`)).toMatchObject(part);
    expect(ipv6(header6("2c"))).toMatchObject(part);
  });

  it("of a jumbogram has no length, of nothing but a header 40 bytes", () => {
    expect(ipv6(header6("06", "0000")).length).toBeNull();
    expect(ipv6(header6("3b", "0000")).length).toBe(40);
  });

  it("ICMPv6 too big has the MTU and the packet", () => {
    const packet = ipv6(`${header6("3a")} 0200 0000 00000500 ${header6("11")} ${UDP}`);
    expect(packet.icmp).toEqual({ type: 2, code: 0, id: null, sequence: null, mtu: 1280 });
    expect(packet.quoted).toMatchObject({ family: "ip6", dport: 10370 });
  });

  it("ICMPv6 echo is not an error", () => {
    expect(ipv6(`${header6("3a")} 8000 0000 0001 0002`)).toMatchObject({
      icmp: { id: 1, sequence: 2 },
      quoted: null,
    });
  });
});

describe("headers copied apart", () => {
  const network = sliceOf(bytes(header4("11")));
  const transport = sliceOf(bytes(UDP));

  it("are put together", () => {
    expect(decodeHeaders({ link: null, network, transport, etherType: null }, "ip")).toMatchObject({
      ttl: 63,
      dport: 10370,
    });
  });

  it("make an IP packet of what a bridge carries, by the link header or by the bare version", () => {
    const link = { source: null, destination: null, etherType: 0x0800 };
    expect(decodeHeaders({ link, network, transport, etherType: null }, "bridge").family).toBe("ip");
    expect(decodeHeaders({ link: null, network, transport, etherType: null }, "netdev").family).toBe("ip");
    expect(decodeHeaders({ link: null, network, transport, etherType: 0x88cc }, "bridge")).toMatchObject({
      family: "bridge",
      src: null,
    });
  });
});

describe("link headers", () => {
  const ethernet = "020000000002 020000000001";

  it("give the type behind VLAN tags", () => {
    expect(decodeLink(sliceOf(bytes(`${ethernet} 8100 0064 86dd`)), 1)).toEqual({
      source: "02:00:00:00:00:01",
      destination: "02:00:00:00:00:02",
      etherType: 0x86dd,
    });
  });

  it("of devices that have no Ethernet are none", () => {
    expect(decodeLink(sliceOf(bytes(`${ethernet} 0800`)), 65534)).toBeNull();
    expect(decodeLink(sliceOf(bytes(ethernet)), 1)).toBeNull();
  });
});

describe("ARP", () => {
  it("has the sender and the address asked for", () => {
    const arp = "0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202";
    expect(decodeArp(sliceOf(bytes(arp)))).toMatchObject({
      family: "arp",
      src: "192.0.2.1",
      dst: "192.0.2.2",
    });
  });
});

describe("any bytes", () => {
  const whole = [
    bytes(`${header4("06")} 1f90 0050 89abcdef 01234567 5112 faf0 0000 0000`),
    bytes(`${header4("01")} 0304 0000 0000 0578 ${header4("11", "4000")} ${UDP}`),
    bytes(`${header6("00")} 2c00 0000 0000 0000 1100 0001 00000005 ${UDP}`),
  ];
  const decode = (data: Uint8Array) => [decodeIpv4(sliceOf(data), null), decodeIpv6(sliceOf(data), null)];

  it("decode without an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
        expect(decode(data).map((packet) => packet.family)).toEqual(["ip", "ip6"]);
      }),
    );
  });

  it("cut short say less, never something else", () => {
    for (const data of whole) {
      const full = decode(data);
      for (let length = 0; length < data.length; length++) {
        for (const [i, cut] of decode(data.slice(0, length)).entries())
          expect(agrees(cut, full[i])).toBe(true);
      }
    }
  });

  it("behind the slice are never read", () => {
    for (const data of whole) {
      for (let length = 0; length < data.length; length++) {
        const inside = { bytes: data, start: 0, end: length };
        expect(decodeIpv4(inside, null)).toEqual(decodeIpv4(sliceOf(data.slice(0, length)), null));
        expect(decodeIpv6(inside, null)).toEqual(decodeIpv6(sliceOf(data.slice(0, length)), null));
      }
    }
  });
});

/** Whether every field of `part` is null or what the whole says. */
function agrees(part: unknown, whole: unknown): boolean {
  if (part === null || part === undefined) return true;
  if (typeof part !== "object" || typeof whole !== "object" || whole === null) return part === whole;
  const fields = whole as Record<string, unknown>;
  return Object.entries(part).every(([name, value]) => agrees(value, fields[name]));
}
