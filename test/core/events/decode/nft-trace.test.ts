import { describe, expect, test } from "vitest";
import { decode, name, only, packetOf } from "./decoding.ts";

const ID = "trace id a95ea7ef";
const SYN = `${ID} inet fw4 forward packet: iif "eth0" oif "br-lan" ether saddr 02:00:00:00:00:02 ether daddr 02:00:00:00:00:01 ip saddr 192.0.2.9 ip daddr 198.51.100.7 ip dscp ef ip ecn ect1 ip ttl 63 ip id 33835 ip protocol tcp ip length 60 tcp sport 55606 tcp dport 9376 tcp flags == syn tcp window 29200 `;

describe("a packet line", () => {
  test("gives the interfaces and every header field", () => {
    const event = only("sighting", SYN);
    expect(event).toMatchObject({ family: "inet", table: "fw4", chain: "forward", traceId: 0xa95ea7ef });
    expect(event.sighting).toEqual({
      packet: {
        family: "ip",
        src: "192.0.2.9",
        dst: "198.51.100.7",
        protocol: "tcp",
        sport: 55606,
        dport: 9376,
        length: 60,
        ipId: 33835,
        ttl: 63,
        tos: 0xb9,
        dontFragment: null,
        moreFragments: null,
        fragmentOffset: null,
        tcp: { seq: null, ack: null, flags: 2, window: 29200 },
        icmp: null,
        udpLength: null,
        contentSum: null,
        link: { source: "02:00:00:00:00:02", destination: "02:00:00:00:00:01", etherType: null },
        quoted: null,
      },
      in: "eth0",
      out: "br-lan",
      physIn: null,
      physOut: null,
      mark: null,
      uid: null,
      gid: null,
    });
  });

  test.each([
    ["== syn", 2],
    ["syn", 2],
    ["== 0x12", 0x12],
    ["== syn | ack", 0x12],
    ["== (syn | ack)", 0x12],
    ["fin,psh,ack", 0x19],
    ["== ecn", null],
  ])("flags %s", (words, flags) => {
    expect(packetOf(only("sighting", SYN.replace("== syn", words))).tcp?.flags).toBe(flags);
  });

  test("numbers without names, with -n", () => {
    const event = only(
      "sighting",
      `${ID} ip filter input packet: iif "eth0" ip saddr 192.0.2.9 ip daddr 192.0.2.1 ip dscp 0x2e ip ecn 0x1 ip ttl 9 ip id 1 ip protocol 1 ip length 84 icmp type 8 icmp code 0 icmp id 77 icmp sequence 2 @th,64,96 0x7070 `,
    );
    expect(packetOf(event)).toMatchObject({
      tos: 0xb9,
      protocol: "icmp",
      icmp: { type: 8, code: 0, id: 77, sequence: 2, mtu: null },
    });
  });

  test("the bytes behind an ICMP checksum are what the type makes of them", () => {
    const icmp = (words: string) =>
      packetOf(
        only(
          "sighting",
          `${ID} ip filter input packet: iif "eth0" ip saddr 192.0.2.9 ip daddr 192.0.2.1 ip length 84 ${words} @th,64,96 0x45 `,
        ),
      ).icmp;
    expect(
      icmp("icmp type destination-unreachable icmp code frag-needed icmp id 0 icmp sequence 1400"),
    ).toEqual({ type: 3, code: 4, id: null, sequence: null, mtu: 1400 });
    expect(icmp("icmp type time-exceeded icmp code net-unreachable icmp id 0 icmp sequence 0")).toEqual({
      type: 11,
      code: 0,
      id: null,
      sequence: null,
      mtu: null,
    });
    expect(icmp("icmpv6 type packet-too-big icmpv6 code no-route icmpv6 parameter-problem 1280")).toEqual({
      type: 2,
      code: 0,
      id: null,
      sequence: null,
      mtu: 1280,
    });
    expect(icmp("icmpv6 type echo-request icmpv6 code no-route icmpv6 parameter-problem 5046274")).toEqual({
      type: 128,
      code: 0,
      id: 77,
      sequence: 2,
      mtu: null,
    });
  });

  test("IPv6: the length field counts the payload only", () => {
    const event = only(
      "sighting",
      `${ID} ip6 filter input packet: iif "eth0" ip6 saddr 2001:db8:0:0::1 ip6 daddr 2001:db8::2 ip6 dscp cs0 ip6 ecn not-ect ip6 hoplimit 255 ip6 flowlabel 0 ip6 nexthdr ipv6-icmp ip6 length 32 icmpv6 type nd-neighbor-solicit icmpv6 code no-route icmpv6 parameter-problem 0 `,
    );
    expect(packetOf(event)).toMatchObject({
      family: "ip6",
      src: "2001:db8::1",
      length: 72,
      ttl: 255,
      protocol: "icmpv6",
      icmp: { type: 135 },
    });
  });

  test("bridge and netdev tables see packets of any family", () => {
    expect(packetOf(only("sighting", SYN.replace("inet fw4", "bridge br")))).toMatchObject({
      family: "ip",
      dport: 9376,
    });
    const arp = only(
      "sighting",
      `${ID} netdev nd ing packet: iif "west0" ether saddr 02:00:00:00:00:02 ether daddr ff:ff:ff:ff:ff:ff arp operation request `,
    );
    expect(packetOf(arp)).toMatchObject({
      family: "arp",
      src: null,
      link: { destination: "ff:ff:ff:ff:ff:ff" },
    });
    const raw = only(
      "sighting",
      `${ID} netdev nd ing packet: iif "west0" ether saddr 02:00:00:00:00:02 ether type ip6 @th,0,160 0x6002ff21 `,
    );
    expect(packetOf(raw)).toMatchObject({ family: "ip6", link: { etherType: 0x86dd } });
    expect(
      packetOf(only("sighting", `${ID} bridge br pre packet: iif "port0" @ll,0,112 0x5254 `)).family,
    ).toBe("bridge");
  });

  test("ports by name, as old versions print them", () => {
    const event = only("sighting", SYN.replace("9376", "https").replace("55606", "unheard-of"));
    expect(packetOf(event)).toMatchObject({ dport: 443, sport: null });
  });

  test("SCTP, DCCP, UDP-Lite, ESP", () => {
    const protocol = (words: string) =>
      packetOf(
        only(
          "sighting",
          `${ID} ip filter input packet: iif "eth0" ip saddr 192.0.2.9 ip daddr 192.0.2.1 ip length 84 ${words} `,
        ),
      );
    expect(protocol("sctp sport 5001 sctp dport 5002 sctp vtag 0")).toMatchObject({
      protocol: "sctp",
      dport: 5002,
    });
    expect(protocol("dccp sport 5003 dccp dport 5004 @th,32,128 0x50")).toMatchObject({
      protocol: "dccp",
      sport: 5003,
    });
    expect(
      protocol("udplite sport 5005 udplite dport 5006 udplite csumcov 16 udplite checksum 0"),
    ).toMatchObject({ protocol: "udplite", dport: 5006 });
    expect(protocol("esp spi 4096 esp sequence 1")).toMatchObject({ protocol: "esp", sport: null });
  });

  test("a fragment's payload is not taken for ports", () => {
    const udp = (length: number, words: string) =>
      packetOf(
        only(
          "sighting",
          `${ID} netdev nd ing packet: iif "west0" ip saddr 192.0.2.9 ip daddr 192.0.2.1 ip protocol udp ip length ${length} ${words} `,
        ),
      );
    expect(udp(148, "udp sport 30840 udp dport 30840 udp length 30840")).toMatchObject({
      protocol: "udp",
      sport: null,
      dport: null,
      udpLength: null,
    });
    expect(udp(68, "udp sport 40000 udp dport 53 udp length 48")).toMatchObject({
      sport: 40000,
      dport: 53,
      udpLength: 48,
    });
  });

  test.each([
    [`${ID} ip filter FORWARD packet: iif "ens4" oif "veth1" ...`, { in: "ens4", out: "veth1" }],
    [`${ID} inet fw4 mangle_forward packet: iif "br-lan2" oif "br-lan2"`, { in: "br-lan2", out: "br-lan2" }],
    [`${ID} inet filter PRE_MANGLE packet: [..]`, { in: null, out: null }],
    [`${ID} inet filter input packet:iif "lo" ip saddr 192.0.2.9 ...`, { in: "lo" }],
    [`    ${ID} inet filter input packet: iif "lo" ether saddr $ns2mac ip saddr 192.0.2.9 `, { in: "lo" }],
  ])("with parts left out: %s", (text, expected) => {
    expect(only("sighting", text).sighting).toMatchObject(expected);
  });

  test("folded by an author", () => {
    const event = only(
      "sighting",
      SYN.replace(" ip saddr", "\n    ip saddr").replace(" tcp sport", "\n    tcp sport"),
    );
    expect(packetOf(event)).toMatchObject({ dst: "198.51.100.7", dport: 9376 });
  });
});

describe("steps", () => {
  test.each([
    [
      "rule tcp dport 22 accept (verdict accept)",
      { step: "rule", verdict: "accept", ruleText: "tcp dport 22 accept" },
    ],
    ["rule jump ACCEPT-fw (verdict jump ACCEPT-fw)", { verdict: "jump", toChain: "ACCEPT-fw" }],
    ["rule ip protocol gre goto tunnels (verdict goto tunnels)", { verdict: "goto", toChain: "tunnels" }],
    ["rule queue num 0 (verdict queue)", { verdict: "queue" }],
    ["rule drop # handle 15 (verdict drop)", { verdict: "drop", ruleText: "drop", handle: 15n }],
    [
      'rule accept comment "(verdict drop) # handle 3" (verdict accept)',
      { verdict: "accept", handle: null, ruleText: 'accept comment "(verdict drop) # handle 3"' },
    ],
    [
      'rule log prefix "trace id 00000001 ip x y rule" (verdict continue)',
      { verdict: "continue", traceId: 0xa95ea7ef },
    ],
    [
      'rule oifname "east0"  counter packets 0 bytes 0 jump X (verdict jump X)',
      { ruleText: 'oifname "east0"  counter packets 0 bytes 0 jump X' },
    ],
    ["rule ct state new (verdict break)", { verdict: "continue" }],
    [
      "unknown rule handle 17 (verdict continue)",
      { step: "rule", handle: 17n, ruleText: null, verdict: "continue" },
    ],
    ["verdict continue ", { step: "end", verdict: "continue" }],
    ["verdict return", { step: "return", verdict: "return" }],
    ["policy accept ", { step: "policy", verdict: "accept", mark: null }],
    ["policy drop meta mark 0x00000042 ", { step: "policy", verdict: "drop", mark: 0x42 }],
    ["verdict continue meta mark 0xffffffff ", { step: "end", mark: 0xffffffff }],
  ])("%s", (body, expected) => {
    const step = only("step", `${ID} inet filter input ${body}`);
    expect(step).toMatchObject({
      tracer: "nft",
      family: "inet",
      table: "filter",
      chain: "input",
      number: null,
      ...expected,
    });
  });

  test("a rule over several lines", () => {
    const step = only(
      "step",
      `${ID} inet shorewall ACCEPT-fw rule\n  meta nfproto ipv4 counter accept\n  comment "rules:38"\n  (verdict accept)\n`,
    );
    expect(step).toMatchObject({
      ruleText: 'meta nfproto ipv4 counter accept comment "rules:38"',
      verdict: "accept",
    });
    expect(step.origin).toMatchObject({ line: 1 });
    expect(step.origin.raw.split("\n")).toHaveLength(4);
  });

  test("names that are also words of the format", () => {
    const step = only("step", `${ID} ip rule policy rule accept (verdict accept)`);
    expect(step).toMatchObject({ table: "rule", chain: "policy", step: "rule", ruleText: "accept" });
  });

  test("without a family, that of the table's other lines", () => {
    const events = decode(
      `${ID} ip6 t PRE policy accept \ntrace id 32 t PRE_RAW policy accept\ntrace id 33 u INPUT policy accept\n`,
    );
    expect(events).toMatchObject([
      { family: "ip6" },
      { family: "ip6", table: "t", chain: "PRE_RAW", traceId: 0x32 },
      { family: "inet" },
    ]);
  });

  test("glued on one line", () => {
    const events = decode(
      `${ID} ip filter input rule accept (verdict accept)${ID} ip filter input policy accept ${ID} ip nat input policy drop `,
    );
    expect(events.map(name)).toEqual(["filter:input:rule:?", "filter:input:policy:?", "nat:input:policy:?"]);
    expect(events[0]?.origin.raw).toBe(`${ID} ip filter input rule accept (verdict accept)`);
  });

  test("before nft 0.9.1 a policy has no body", () => {
    const events = decode(`${ID} ip filter input \n${ID} ip filter forward policy accept \n`);
    expect(events[0]).toMatchObject({ kind: "step", chain: "input", step: "policy", verdict: null });
  });
});

describe("conntrack's view", () => {
  test("is read as far as it is told", () => {
    const event = only(
      "conntrack",
      `${ID} inet t pre conntrack: ct direction reply ct state established ct status seen-reply,confirmed ct id 2641368242 `,
    );
    expect(event.conntrack).toEqual({
      id: 2641368242,
      direction: "reply",
      state: "established",
      status: ["seen-reply", "confirmed"],
    });
    const template = "ct direction original ct state new ct status template ct id 7";
    expect(only("conntrack", `${ID} inet t pre conntrack: ${template} `).conntrack).toEqual({
      id: null,
      direction: null,
      state: null,
      status: ["template"],
    });
    expect(only("conntrack", `${ID} inet t pre conntrack: ct state invalid `).conntrack).toEqual({
      id: null,
      direction: null,
      state: "invalid",
      status: [],
    });
  });
});

describe("a line cut off anywhere", () => {
  test.each([
    [`${ID} inet watch forwarding rule tcp dport 8080 jump services # handle 17 (verdict jump services)`],
    [`${ID} inet watch forwarding policy drop meta mark 0x0000002a `],
    [`${ID} inet watch forwarding verdict return `],
    [`${ID} inet watch forwarding unknown rule handle 17 (verdict goto services)`],
  ])("gives no wrong step: %s", (line) => {
    const whole = only("step", line);
    for (let length = 0; length < line.length; length++) {
      for (const event of decode(line.slice(0, length))) {
        if (event.kind === "unparsed") continue;
        if (event.kind !== "step") throw new Error(`a ${event.kind} came of ${length} characters`);
        expect(event, `cut at ${length}`).toMatchObject({
          chain: "forwarding",
          step: whole.step,
          traceId: whole.traceId,
        });
        for (const field of ["verdict", "toChain", "ruleText", "handle", "mark"] as const)
          expect([null, whole[field]], `${field}, cut at ${length}`).toContain(event[field]);
      }
    }
  });

  test("gives no piece of a packet's value", () => {
    const whole: Record<string, unknown> = {
      ...packetOf(only("sighting", SYN)),
      ...packetOf(only("sighting", SYN)).tcp,
    };
    for (let length = SYN.indexOf("packet:") + 7; length < SYN.length - 5; length++) {
      const event = only("sighting", SYN.slice(0, length));
      expect([null, "eth0"]).toContain(event.sighting.in);
      const seen: Record<string, unknown> = { ...packetOf(event), ...packetOf(event).tcp };
      for (const [field, value] of Object.entries(seen)) {
        if (value === null || typeof value === "object" || (field === "protocol" && value === "tcp"))
          continue;
        expect(value, `${field}, cut at ${length}`).toBe(whole[field]);
      }
    }
  });

  test.each([
    [ID],
    ["trace id 0"],
    [`${ID} inet`],
    [`${ID} inet fw4`],
    [`${ID} inet fw4 forw`],
    [`${ID} inet policy accept`],
  ])("is named when it says nothing: %s", (line) => {
    expect(only("unparsed", line).reason).not.toBe("");
  });
});

test("a chain that was jumped to and runs out of rules says `continue` too, as a base chain does", () => {
  const lines = ["rule jump x (verdict jump sorted)", "verdict continue", "policy accept"];
  const text = [`${ID} ip shop in ${lines[0]}`, `${ID} ip shop sorted ${lines[1]}`]
    .concat(
      lines.slice(1).map((line) => `${ID} ip shop in ${line}`),
      `${ID} ip6 shop sorted ${lines[1]}`,
    )
    .join("\n");
  const steps = decode(text).map((event) =>
    event.kind === "step" ? `${event.chain} ${event.step}` : event.kind,
  );
  expect(steps).toEqual(["in rule", "sorted return", "in end", "in policy", "sorted end"]);
});
