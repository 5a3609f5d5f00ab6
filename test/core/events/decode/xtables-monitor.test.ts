import { describe, expect, test } from "vitest";
import { decode, only, packetOf } from "./decoding.ts";

describe("a PACKET line", () => {
  test("gives the interfaces and headers, addresses of the link padded", () => {
    const event = only(
      "sighting",
      "PACKET: 2 b077d09e IN=vxlan.x OUT=east0 MACSRC=66:5:1d:cd:ae:d8 MACDST=2:0:0:0:1:b MACPROTO=0800 SRC=192.0.2.9 DST=198.51.100.7 LEN=60 TOS=0xb9 TTL=63 ID=48515 DF SPORT=42518 DPORT=443 SYN ACK MARK=0x2a ",
    );
    expect(event).toMatchObject({ family: "ip", table: null, chain: null, traceId: 0xb077d09e });
    expect(event.sighting).toMatchObject({ in: "vxlan.x", out: "east0", mark: 0x2a });
    expect(packetOf(event)).toMatchObject({
      protocol: "tcp",
      tos: 0xb9,
      ipId: 48515,
      dontFragment: true,
      dport: 443,
      tcp: { flags: 0x12, seq: null },
      link: { source: "66:05:1d:cd:ae:d8", destination: "02:00:00:00:01:0b", etherType: 0x0800 },
    });
  });

  test("before 1.8.9: no space behind ID", () => {
    expect(
      packetOf(
        only(
          "sighting",
          "PACKET: 2 2089bd8f IN=br0 SRC=192.0.2.9 DST=192.0.2.1 LEN=84 TOS=0x0 TTL=64 ID=43751DF SPORT=1 DPORT=2 ",
        ),
      ),
    ).toMatchObject({ ipId: 43751, dontFragment: true, sport: 1, dport: 2 });
    expect(
      packetOf(
        only(
          "sighting",
          "PACKET: 2 2089bd8f IN=br0 SRC=192.0.2.9 DST=192.0.2.1 LEN=84 TOS=0x0 TTL=64 ID=43751SPORT=1 DPORT=2 ",
        ),
      ),
    ).toMatchObject({ ipId: 43751, sport: 1 });
  });

  test("before 1.8.7: family 0 and a raw link header on loopback", () => {
    const event = only(
      "sighting",
      "       2 PACKET: 0 fc475095 IN=lo LL=0x3040000000000000000000000000800 SRC=192.0.2.9 DST=192.0.2.9 LEN=84 TOS=0x0 TTL=64 ID=38349DF",
    );
    expect(event).toMatchObject({ family: "ip", traceId: 0xfc475095, sighting: { in: "lo" } });
    expect(packetOf(event)).toMatchObject({ ipId: 38349, link: null });
    expect(
      only(
        "sighting",
        "PACKET: 0 fc475095 IN=lo LOOPBACK SRC=2001:db8::1 DST=2001:db8::2 LEN=52 TC=0 HOPLIMIT=64 FLOWLBL=0 ",
      ).family,
    ).toBe("ip6");
  });

  test("IPv6: LEN is put right", () => {
    const event = only(
      "sighting",
      "PACKET: 10 34a1d909 IN=west0 SRC=2001:db8:1::10 DST=2001:db8:2::20 LEN=60 TC=185 HOPLIMIT=64 FLOWLBL=539438 SPORT=33182 DPORT=8080 SYN ",
    );
    expect(packetOf(event)).toMatchObject({ family: "ip6", length: 80, tos: 185, ttl: 64 });
  });

  test("a later fragment's payload is not taken for ports", () => {
    const event = only(
      "sighting",
      "PACKET: 2 34a1d909 IN=west0 SRC=192.0.2.9 DST=192.0.2.1 LEN=148 TOS=0x0 TTL=64 ID=5 FRAG:185 SPORT=30840 DPORT=30840 ",
    );
    expect(packetOf(event)).toMatchObject({ fragmentOffset: 1480, sport: null, dport: null });
  });
});

describe("a TRACE line", () => {
  const ID = "2 b077d09e";
  test.each([
    [
      `${ID} raw:PREROUTING:rule:0x1b:CONTINUE  -4 -t raw -A PREROUTING -j TRACE`,
      { step: "rule", handle: 27n, verdict: "continue", ruleText: "-t raw -A PREROUTING -j TRACE" },
    ],
    [
      `${ID} raw:PREROUTING:rule:0x3:CONTINUE -4 -t raw -A PREROUTING -p icmp -j TRACE`,
      { handle: 3n, ruleText: "-t raw -A PREROUTING -p icmp -j TRACE" },
    ],
    [
      `${ID} raw:PREROUTING:rule:0x18:JUMP:cali-PREROUTING  iptables -t raw -A PREROUTING -j cali-PREROUTING`,
      { verdict: "jump", toChain: "cali-PREROUTING", ruleText: "-t raw -A PREROUTING -j cali-PREROUTING" },
    ],
    [
      `${ID} filter:FORWARD:rule:0x5:GOTO:SERVICES  -4 -t filter -A FORWARD -g SERVICES`,
      { verdict: "goto", toChain: "SERVICES" },
    ],
    [`${ID} filter:INPUT:rule:0x5:DROP  -4 -t filter -A INPUT -p icmp -j DROP`, { verdict: "drop" }],
    [`${ID} filter:INPUT:rule:0x5:0x3 -4 -t filter -A INPUT -j NFQUEUE`, { verdict: "queue" }],
    [`${ID} raw:PREROUTING:return:`, { step: "end", verdict: null }],
    [`${ID} filter:SERVICES:return:`, { step: "return", verdict: null }],
    [`${ID} raw:PREROUTING:policy:ACCEPT `, { step: "policy", verdict: "accept" }],
  ])("%s", (body, expected) => {
    expect(only("step", ` TRACE: ${body}`)).toMatchObject({
      tracer: "nft",
      family: "ip",
      number: null,
      traceId: 0xb077d09e,
      ...expected,
    });
  });

  test("IPv6 by its number, or by the command where the number is 0", () => {
    expect(only("step", " TRACE: 10 b077d09e raw:OUTPUT:policy:ACCEPT ").family).toBe("ip6");
    expect(
      only("step", " TRACE: 0 b077d09e raw:OUTPUT:rule:0x3:DROP -6 -t raw -A OUTPUT -j DROP").family,
    ).toBe("ip6");
  });

  test("in the form that people make of two formats", () => {
    const step = only(
      "step",
      "TRACE: 2 fc475a39 filter:INPUT:rule:1 IN=eth0 OUT= SRC=192.0.2.9 DST=192.0.2.1 LEN=60 PROTO=TCP SPT=12345 DPT=22 ",
    );
    expect(step).toMatchObject({
      tracer: "xtables",
      number: 1,
      traceId: 0xfc475a39,
      sighting: { in: "eth0" },
    });
    expect(packetOf(step)).toMatchObject({ src: "192.0.2.9", sport: 12345, dport: 22 });
  });

  test("that cannot be read is named", () => {
    expect(only("unparsed", " TRACE: 2 b077d09e raw:PREROUTING:re").reason).toContain("TRACE");
  });

  test("cut off anywhere gives no wrong step", () => {
    const line = ` TRACE: ${ID} raw:PREROUTING:rule:0x18:JUMP:cali-PREROUTING  -4 -t raw -A PREROUTING -m comment --comment "cali: x" -j cali-PREROUTING`;
    for (let length = 0; length < line.length; length++) {
      for (const event of decode(line.slice(0, length))) {
        if (event.kind === "unparsed") continue;
        expect(event, `cut at ${length}`).toMatchObject({
          kind: "step",
          chain: "PREROUTING",
          step: "rule",
          handle: 24n,
        });
        if (event.kind !== "step") continue;
        expect([null, "jump"]).toContain(event.verdict);
        expect([null, "cali-PREROUTING"]).toContain(event.toChain);
        if (event.ruleText !== null) expect(event.ruleText).toMatch(/^-t raw -A PREROUTING/);
      }
    }
  });
});

test("what the tool prints between records of the trace is no trace", () => {
  expect(
    decode(
      " EVENT: -4 -t filter -A FORWARD -p esp -j DROP\nNEWGEN: GENID=18 PID=10773 NAME=iptables-nft\n EVENT: nft: NEW table: x\n",
    ),
  ).toEqual([]);
});
