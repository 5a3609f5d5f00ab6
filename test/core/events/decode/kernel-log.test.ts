import { describe, expect, test } from "vitest";
import { decode, name, only, packetOf } from "./decoding.ts";

const MAC = "MAC=02:00:00:00:00:01:02:00:00:00:00:02:08:00";
const UDP =
  "SRC=192.0.2.9 DST=198.51.100.7 LEN=1511 TOS=0x18 PREC=0xA0 TTL=57 ID=17397 PROTO=UDP SPT=38495 DPT=10370 LEN=1491 ";

describe("a TRACE record", () => {
  test("gives table, chain, kind and number, the interfaces and the headers", () => {
    const step = only("step", `[ 1.500000] TRACE: nat:DOCKER:rule:31 IN=eth0 OUT= ${MAC} ${UDP}`);
    expect(step).toMatchObject({
      tracer: "xtables",
      family: "ip",
      table: "nat",
      chain: "DOCKER",
      step: "rule",
      number: 31,
      handle: null,
      verdict: null,
      ruleText: null,
    });
    expect(step.sighting).toEqual({
      packet: {
        family: "ip",
        src: "192.0.2.9",
        dst: "198.51.100.7",
        protocol: "udp",
        sport: 38495,
        dport: 10370,
        length: 1511,
        ipId: 17397,
        ttl: 57,
        tos: 0xb8,
        dontFragment: false,
        moreFragments: false,
        fragmentOffset: 0,
        tcp: null,
        icmp: null,
        udpLength: 1491,
        contentSum: null,
        link: { source: "02:00:00:00:00:02", destination: "02:00:00:00:00:01", etherType: 0x0800 },
        quoted: null,
      },
      in: "eth0",
      out: null,
      physIn: null,
      physOut: null,
      mark: null,
      uid: null,
      gid: null,
    });
  });

  test.each([
    ["raw:PREROUTING:policy:2", "policy"],
    ["filter:KUBE-SVC-ABC.x_[1]:return:12", "return"],
    ["filter:odd:name:rule:rule:3", "rule"],
  ])("splits %s: the table from the left, kind and number from the right", (head, kind) => {
    const step = only("step", `TRACE: ${head} IN=eth0 OUT= ${UDP}`);
    expect(name(step)).toBe(head);
    expect(step.step).toBe(kind);
  });

  test("TCP: numbers and flags of the same name are told apart", () => {
    const step = only(
      "step",
      "TRACE: raw:OUTPUT:policy:2 IN= OUT=lo SRC=192.0.2.1 DST=192.0.2.1 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=0 DF PROTO=TCP SPT=80 DPT=5 SEQ=4294967295 ACK=7 WINDOW=65160 RES=0x00 ECE ACK SYN URGP=0 OPT (020405B40402080A) UID=1000 GID=0 MARK=0xffffffff ",
    );
    expect(packetOf(step).tcp).toEqual({ seq: 4294967295, ack: 7, flags: 0x52, window: 65160 });
    expect(packetOf(step).dontFragment).toBe(true);
    expect(step.sighting).toMatchObject({ in: null, out: "lo", uid: 1000, gid: 0, mark: 0xffffffff });
  });

  test("ICMP: echo, errors with the packet they quote, next-hop MTU", () => {
    const echo = only(
      "step",
      `TRACE: raw:PREROUTING:policy:2 IN=eth0 OUT= ${MAC} SRC=192.0.2.9 DST=198.51.100.7 LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=9 DF PROTO=ICMP TYPE=8 CODE=0 ID=77 SEQ=3 `,
    );
    expect(packetOf(echo).ipId).toBe(9);
    expect(packetOf(echo).icmp).toEqual({ type: 8, code: 0, id: 77, sequence: 3, mtu: null });
    const error = only(
      "step",
      `TRACE: raw:PREROUTING:policy:2 IN=eth0 OUT= ${MAC} SRC=203.0.113.1 DST=192.0.2.9 LEN=56 TOS=0x00 PREC=0xC0 TTL=64 ID=5 PROTO=ICMP TYPE=3 CODE=4 [SRC=192.0.2.9 DST=198.51.100.7 LEN=1500 TOS=0x00 PREC=0x00 TTL=60 ID=7 DF PROTO=UDP SPT=53 DPT=4000 LEN=1480 ] MTU=1400 MARK=0x2 `,
    );
    expect(packetOf(error)).toMatchObject({
      src: "203.0.113.1",
      ttl: 64,
      icmp: { type: 3, code: 4, mtu: 1400 },
    });
    expect(packetOf(error).quoted).toMatchObject({
      src: "192.0.2.9",
      ipId: 7,
      dport: 4000,
      udpLength: 1480,
      ttl: 60,
    });
    expect(error.sighting?.mark).toBe(2);
  });

  test("IPv6: addresses become short, LEN is the whole packet, hop limit and class have the fields of IPv4's", () => {
    const step = only(
      "step",
      "TRACE: filter:FORWARD:policy:4 IN=a OUT=b SRC=2001:0db8:0001:0000:0000:0000:0000:0010 DST=2001:0db8:0002:0000:0000:0000:0000:0020 LEN=88 TC=185 HOPLIMIT=63 FLOWLBL=105157 PROTO=UDP SPT=54341 DPT=10370 LEN=48 ",
    );
    expect(step.family).toBe("ip6");
    expect(packetOf(step)).toMatchObject({
      family: "ip6",
      src: "2001:db8:1::10",
      dst: "2001:db8:2::20",
      length: 88,
      tos: 185,
      ttl: 63,
      ipId: null,
      dontFragment: null,
      udpLength: 48,
    });
  });

  test("fragments: IPv4 counts in units of eight, IPv6 in bytes, and a later one has no ports", () => {
    const ipv4 = only(
      "step",
      "TRACE: raw:PREROUTING:policy:2 IN=a OUT= SRC=192.0.2.9 DST=192.0.2.1 LEN=148 TOS=0x00 PREC=0x00 TTL=64 ID=3 MF FRAG:185 PROTO=UDP ",
    );
    expect(packetOf(ipv4)).toMatchObject({
      fragmentOffset: 1480,
      moreFragments: true,
      protocol: "udp",
      sport: null,
    });
    const ipv6 = only(
      "step",
      "TRACE: raw:PREROUTING:policy:3 IN=a OUT= SRC=2001:0db8:0000:0000:0000:0000:0000:0001 DST=2001:0db8:0000:0000:0000:0000:0000:0002 LEN=208 TC=0 HOPLIMIT=64 FLOWLBL=0 OPT ( FRAG:1448 ID:be98404a ) PROTO=UDP ",
    );
    expect(packetOf(ipv6)).toMatchObject({
      fragmentOffset: 1448,
      moreFragments: false,
      ipId: null,
      protocol: "udp",
    });
    const first = only(
      "step",
      "TRACE: raw:PREROUTING:policy:3 IN=a OUT= SRC=2001:0db8:0000:0000:0000:0000:0000:0001 DST=2001:0db8:0000:0000:0000:0000:0000:0002 LEN=1496 TC=0 HOPLIMIT=64 FLOWLBL=0 OPT ( FRAG:0 INCOMPLETE ID:be98404a ) PROTO=UDP SPT=1 DPT=2 LEN=1608 ",
    );
    expect(packetOf(first)).toMatchObject({
      fragmentOffset: 0,
      moreFragments: true,
      sport: 1,
      udpLength: 1608,
    });
  });

  test.each([
    ["PROTO=132 ", "sctp"],
    ["PROTO=47 ", "gre"],
    ["PROTO=253 ", "253"],
    ["PROTO=ESP SPI=0x1000 ", "esp"],
    ["PROTO=AH SPI=0x2000 ", "ah"],
    ["PROTO=UDPLITE SPT=5005 DPT=5006 LEN=16 ", "udplite"],
    ["PROTO=TCP INCOMPLETE [3 bytes] ", "tcp"],
    ["OPT (94040000) PROTO=2 ", "igmp"],
  ])("other protocols: %s", (words, protocol) => {
    const step = only(
      "step",
      `TRACE: raw:PREROUTING:policy:2 IN=a OUT= SRC=192.0.2.9 DST=192.0.2.1 LEN=44 TOS=0x00 PREC=0x00 TTL=64 ID=3 ${words}`,
    );
    expect(packetOf(step).protocol).toBe(protocol);
  });

  test("names the ports of a bridge, and takes a tunnel's empty link header for none", () => {
    const step = only(
      "step",
      `TRACE: filter:FORWARD:rule:1 IN=br0 OUT=br0 PHYSIN=veth1 PHYSOUT=veth2 MAC= ${UDP}`,
    );
    expect(step.sighting).toMatchObject({ in: "br0", out: "br0", physIn: "veth1", physOut: "veth2" });
    expect(packetOf(step).link).toBeNull();
  });

  test("a packet whose header the kernel could not read has none", () => {
    const step = only("step", "TRACE: raw:PREROUTING:policy:2 IN=eth0 OUT= TRUNCATED");
    expect(packetOf(step)).toMatchObject({ src: null, protocol: null, ttl: null });
    expect(step.sighting?.in).toBe("eth0");
  });

  test("words of patched kernels between the fields are stepped over", () => {
    const step = only(
      "step",
      `TRACE: raw:PREROUTING:policy:2 IN=eth0 OUT= MAC= TAG=5 TUNNEL=192.0.2.1->192.0.2.2 ${UDP}`,
    );
    expect(packetOf(step).dport).toBe(10370);
  });
});

describe("a TRACE record without fields", () => {
  test("is a step whose packet is not known", () => {
    const events = decode(
      "TRACE: raw:PREROUTING:policy:2\nTRACE: filter:FORWARD:rule:1\nTRACE: nat:POSTROUTING:policy:2 ",
    );
    expect(events.map(name)).toEqual([
      "raw:PREROUTING:policy:2",
      "filter:FORWARD:rule:1",
      "nat:POSTROUTING:policy:2",
    ]);
    expect(events.every((event) => event.kind === "step" && event.sighting === null)).toBe(true);
  });

  test("takes the rule that a reader of NFLOG looked up, and a policy's verdict", () => {
    const [rule, policy] = decode(
      '333e26bf278d TRACE: raw:PREROUTING:rule:3  "-A PREROUTING -m comment --comment \\"a \\\\\'b\\" -j DROP"\n333e26bf278d TRACE: raw:PREROUTING:policy:4  "-P PREROUTING DROP"\n',
    );
    expect(rule).toMatchObject({
      number: 3,
      ruleText: '-A PREROUTING -m comment --comment "a \\\'b" -j DROP',
    });
    expect(policy).toMatchObject({ step: "policy", number: 4, ruleText: null, verdict: "drop" });
  });

  test("takes the addresses of a dissector's summary", () => {
    const step = only(
      "step",
      "TRACE: filter:INPUT:rule:1   Internet Protocol Version 4, Src: 192.0.2.8, Dst: 192.0.2.102  Domain Name System (response)",
    );
    expect(packetOf(step)).toMatchObject({ src: "192.0.2.8", dst: "192.0.2.102", protocol: null });
  });
});

describe("what is no step", () => {
  test.each([
    ["ip_tables: TRACE: acpar.hotdrop=0 verdict=1"],
    ["TRACE: eb:broute:BROUTING"],
    ["[ 1.0] TRACE: raw:PREROUTING IN=eth0 OUT="],
    ["TRACE: entering function foo"],
    ["TRACE: raw:PREROUTING:rule:twelve IN=eth0 OUT= "],
  ])("becomes unparsed with its line and the reason: %s", (text) => {
    const event = only("unparsed", `\n${text}\n`);
    expect(event.origin).toEqual({ input: "test", line: 2, raw: text });
    expect(event.reason).toContain("table:chain:kind:number");
  });

  test.each([
    ['-A FORWARD -j LOG --log-prefix "TRACE: "'],
    ["the kernel prints a BACKTRACE: here"],
    ["trace the packet with -j TRACE and read on"],
    ["COUNTIN=5"],
    ["eth0: link up"],
    [""],
  ])("is none of its business: %s", (text) => {
    expect(decode(text)).toEqual([]);
  });
});

describe("a LOG line", () => {
  test.each([
    ["[ 1.0] DROP INVALID IN=eth0", "DROP INVALID "],
    ["[ 1.0] output startIN=eth0", "output start"],
    ["Mar  3 14:04:55 host kernel: [5457820.771146] IN=eth0", ""],
    ["Mar 31 05:48:29 host kernel: raw out: IN=eth0", "raw out: "],
    ["[Mon Feb 10 21:03:24 2025] net[FILTER-INPUT icmp] IN=eth0", "net[FILTER-INPUT icmp] "],
    ["Feb 14 08:46:45 host NFLOG icmp IN=eth0", "NFLOG icmp "],
    ["фев 02 21:21:16 host kernel: [NAT] IN=eth0", "[NAT] "],
  ])("keeps its prefix: %s", (text, prefix) => {
    expect(only("log", `${text} OUT= ${MAC} ${UDP}`).prefix).toBe(prefix);
  });

  test("may have its link header decoded, and lacks what TRACE always has", () => {
    const event = only(
      "log",
      "IN=a OUT=b MACSRC=02:00:00:00:00:02 MACDST=02:00:00:00:00:01 MACPROTO=0800 SRC=192.0.2.9 DST=192.0.2.1 LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=1 DF PROTO=TCP SPT=9 DPT=80 WINDOW=64240 RES=0x00 SYN URGP=0 ",
    );
    expect(packetOf(event).link).toEqual({
      source: "02:00:00:00:00:02",
      destination: "02:00:00:00:00:01",
      etherType: 0x0800,
    });
    expect(packetOf(event).tcp).toEqual({ seq: null, ack: null, flags: 2, window: 64240 });
  });

  test("of ulogd writes TOS without 0x, and SCTP's ports", () => {
    const event = only(
      "log",
      `Feb 14 08:46:45 host x IN=lo OUT= ${MAC} SRC=192.0.2.9 DST=192.0.2.1 LEN=84 TOS=08 PREC=0x20 TTL=64 ID=1 DF PROTO=SCTP SPT=5 DPT=6 MARK=0 `,
    );
    expect(packetOf(event)).toMatchObject({ tos: 0x28, protocol: "sctp", sport: 5, dport: 6 });
    expect(event.sighting.mark).toBe(0);
  });

  test("of ebtables has words of its own", () => {
    const ipv4 = only(
      "log",
      "[ 1.0] bridged IN=port0 OUT= MAC source = 02:00:00:00:00:02 MAC dest = 02:00:00:00:00:01 proto = 0x0800 IP SRC=192.0.2.9 IP DST=192.0.2.1, IP tos=0xC0, IP proto=17 SPT=53 DPT=9",
    );
    expect(ipv4.prefix).toBe("bridged ");
    expect(packetOf(ipv4)).toMatchObject({
      family: "ip",
      src: "192.0.2.9",
      tos: 0xc0,
      protocol: "udp",
      sport: 53,
      dport: 9,
    });
    const arp = only(
      "log",
      "IN=port0 OUT= MAC source = 02:00:00:00:00:02 MAC dest = ff:ff:ff:ff:ff:ff proto = 0x0806 ARP HTYPE=1, PTYPE=0x0800, OPCODE=1 ARP MAC SRC=02:00:00:00:00:02 ARP IP SRC=192.0.2.9 ARP MAC DST=00:00:00:00:00:00 ARP IP DST=192.0.2.1",
    );
    expect(packetOf(arp)).toMatchObject({ family: "arp", src: "192.0.2.9", dst: "192.0.2.1" });
    const other = only(
      "log",
      "IN=port0 OUT= MAC source = 02:00:00:00:00:02 MAC dest = 02:00:00:00:00:01 proto = 0x88cc",
    );
    expect(packetOf(other)).toMatchObject({ family: "bridge", src: null, link: { etherType: 0x88cc } });
  });

  test("of the ARP family", () => {
    const event = only(
      "log",
      "IN=eth0 OUT= ARP HTYPE=1 PTYPE=0x0800 OPCODE=1 MACSRC=02:00:00:00:00:02 IPSRC=192.0.2.9 MACDST=00:00:00:00:00:00 IPDST=192.0.2.1 ",
    );
    expect(packetOf(event)).toMatchObject({ family: "arp", src: "192.0.2.9", dst: "192.0.2.1" });
  });

  test("that names nothing is unparsed", () => {
    expect(only("unparsed", "the format is IN= OUT= MAC= and so on").reason).toContain("IN= and OUT=");
  });
});
