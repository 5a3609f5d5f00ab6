import { describe, expect, it } from "vitest";
import type { SelectorHook } from "../../../src/core/filters/alternatives.ts";
import { type NftFamily, toNftRules } from "../../../src/core/filters/nft.ts";
import { parseFilter } from "../../../src/core/filters/parse.ts";

function rules(text: string, family: NftFamily = "inet", hook: SelectorHook = "prerouting") {
  const filter = parseFilter(text);
  if (!filter.ok) throw new Error(filter.error.message);
  const result = toNftRules(filter.value, family, hook);
  return result.ok ? result.value : result.error.message;
}

const V4 = "meta nfproto ipv4";
const V6 = "meta nfproto ipv6";
const FIRST = "ip frag-off & 0x1fff == 0";

describe("toNftRules", () => {
  it.each<[string, string[]]>([
    ["", [""]],
    ["ip6", [V6]],
    ["ip or ip6", [""]],
    ["arp", []],
    ["not arp", [""]],
    ["icmp", [`${V4} ip protocol 1`]],
    ["ip proto 6 or 17", [`${V4} ip protocol { 6, 17 }`]],
    ["tcp", [`${V4} ip protocol 6`, `${V6} ip6 nexthdr 6`, `${V6} ip6 nexthdr 44 frag nexthdr 6`]],
    ["not ip proto 6", [V6, `${V4} ip protocol != 6`]],
    ["src host 192.0.2.1", [`${V4} ip saddr 192.0.2.1`]],
    ["src host 192.0.2.1 or 192.0.2.3", [`${V4} ip saddr { 192.0.2.1, 192.0.2.3 }`]],
    ["net 2001:db8::/32", [`${V6} ip6 saddr 2001:db8::/32`, `${V6} ip6 daddr 2001:db8::/32`]],
    ["ip and not src net 192.0.2.0/25", [`${V4} ip saddr != 192.0.2.0/25`]],
    ["udp dst port 53", [`${V4} ip protocol 17 ${FIRST} th dport 53`, `${V6} ip6 nexthdr 17 th dport 53`]],
    [
      "ip and dst portrange 1-9 and not dst port 5",
      [`${V4} ip protocol { 6, 17, 132 } ${FIRST} th dport { 1-4, 6-9 }`],
    ],
    ["tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn", [`${V4} ip protocol 6 ${FIRST} tcp flags & 0x12 == 0x2`]],
    ["tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", [`${V4} ip protocol 6 ${FIRST} tcp flags & 0x3 != 0x0`]],
    [
      "tcp[tcpflags] = tcp-syn or tcp[tcpflags] = tcp-rst",
      [`${V4} ip protocol 6 ${FIRST} @th,104,8 { 2, 4 }`],
    ],
    ["tcp[tcpflags] & 0 = 0", [`${V4} ip protocol 6 ${FIRST}`]],
    ["tcp[tcpflags] & 2 = 4", []],
    [
      "icmp[icmptype] = icmp-unreach and icmp[icmpcode] != 4",
      [`${V4} ip protocol 1 ${FIRST} icmp type 3 icmp code != 4`],
    ],
    ["icmp6[icmp6type] = 135", [`${V6} ip6 nexthdr 58 icmpv6 type 135`]],
    ["less 100", ["meta length 0-100"]],
    ["not less 100", ["meta length 101-4294967295"]],
    ["len != 100", ["meta length != 100"]],
    ["len >= 0", [""]],
    ["on eth0 or on eth1", ['iifname { "eth0", "eth1" }']],
    ["not on eth0", ['iifname != "eth0"']],
    ["not on eth0 and not on eth1", ['iifname != { "eth0", "eth1" }']],
    ["on eth0 and on eth1", []],
    ["inbound", [""]],
    ["outbound", []],
    ["outbound or icmp", [`${V4} ip protocol 1`]],
    ["ip and ip6", []],
  ])("writes %j for prerouting of an inet table", (text, expected) => {
    expect(rules(text)).toEqual(expected);
  });

  it("takes only the rules of the table's family, which need not say it", () => {
    expect(rules("port 53", "ip6")).toEqual([
      "ip6 nexthdr { 6, 17, 132 } th sport 53",
      "ip6 nexthdr { 6, 17, 132 } th dport 53",
    ]);
    expect(rules("host 192.0.2.1", "ip")).toEqual(["ip saddr 192.0.2.1", "ip daddr 192.0.2.1"]);
    expect(rules("host 192.0.2.1", "ip6")).toEqual([]);
    expect(rules("ip", "ip")).toEqual([""]);
  });

  it("turns round at output", () => {
    expect(rules("on eth0", "inet", "output")).toEqual(['oifname "eth0"']);
    expect(rules("inbound", "inet", "output")).toEqual([]);
    expect(rules("outbound", "inet", "output")).toEqual([""]);
  });

  it("says that a later fragment has no ports where a filter is about not having them", () => {
    expect(rules("ip proto 17 and not port 53")).toEqual([
      `${V4} ip protocol 17 ip frag-off & 0x1fff != 0`,
      `${V4} ip protocol 17 ${FIRST} th sport != 53 th dport { 0-52, 54-65535 }`,
    ]);
  });

  it("never writes two comparisons with != that old nft would take for one", () => {
    const texts = [
      "not port 53",
      "not host 192.0.2.1 and not port 53",
      "icmp and not icmp[icmptype] = 8 and not icmp[icmpcode] = 0",
      "not (host 2001:db8::1 and tcp port 80)",
    ];
    for (const rule of texts.flatMap((text) => rules(text))) {
      const values = rule.replace("& 0x1fff != 0", "").match(/!= [^{]/g) ?? [];
      expect(values.length, rule).toBeLessThanOrEqual(1);
    }
  });

  it("refuses what would need too many rules", () => {
    const pairs = Array.from(
      { length: 300 },
      (_, i) => `(src host ${i < 200 ? "192.0.2" : "198.51.100"}.${i % 200} and dst port ${2 * i})`,
    );
    expect(rules(pairs.slice(0, 100).join(" or "))).toHaveLength(100);
    expect(rules(pairs.join(" or "))).toMatch("more than 256 firewall rules");
    const nots = pairs.slice(0, 40).map((pair) => `not ${pair.replaceAll(/src |dst /g, "")}`);
    expect(rules(nots.join(" and "))).toMatch("more than 256 firewall rules");
  });

  it("keeps a list of any length in one set", () => {
    const ports = Array.from({ length: 500 }, (_, i) => 2 * i).join(" or ");
    expect(rules(`ip and tcp and dst port (${ports})`)).toHaveLength(1);
  });

  it("refuses an interface that would break out of nft's quotes", () => {
    const result = toNftRules({ kind: "interface", name: 'a" accept #' }, "inet", "prerouting");
    expect(result).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining("cannot be written") },
    });
  });
});

describe("toNftRules for frames", () => {
  it.each<[string, string[]]>([
    ["", [""]],
    ["ip", ["meta protocol ip"]],
    ["arp", ["meta protocol arp"]],
    ["not ip", ["meta protocol != ip"]],
    ["ip or ip6", ["meta protocol { ip, ip6 }"]],
    ["not ip and not ip6", ["meta protocol != { ip, ip6 }"]],
    ["ip or not ip", [""]],
    ["src host 192.0.2.1", ["meta protocol ip ip saddr 192.0.2.1"]],
    ["not src host 192.0.2.1", ["meta protocol != ip", "meta protocol ip ip saddr != 192.0.2.1"]],
    [
      "udp dst port 53",
      [
        `meta protocol ip ip protocol 17 ${FIRST} th dport 53`,
        "meta protocol ip6 ip6 nexthdr 17 th dport 53",
      ],
    ],
    ["on eth0", ['iifname "eth0"']],
  ])("%s on a bridge", (text, expected) => {
    expect(rules(text, "bridge")).toEqual(expected);
  });

  it.each<[string, string[]]>([
    ["", [""]],
    ["arp", [""]],
    ["ip", []],
    ["not ip", [""]],
    ["tcp port 80", []],
    ["src host 192.0.2.1", ["arp saddr ip 192.0.2.1"]],
    ["not dst host 192.0.2.1", ["arp daddr ip != 192.0.2.1"]],
    ["host 2001:db8::1", []],
    ["inbound", [""]],
    ["outbound", []],
  ])("%s of ARP", (text, expected) => {
    expect(rules(text, "arp", "input")).toEqual(expected);
  });

  it("names the interface by which a frame comes in or leaves", () => {
    expect(rules("on eth0", "netdev", "ingress")).toEqual(['iifname "eth0"']);
    expect(rules("on eth0", "netdev", "egress")).toEqual(['oifname "eth0"']);
  });

  it("says what it cannot ask", () => {
    expect(rules("less 100", "netdev", "ingress")).toMatch(/a length cannot be asked of frames/);
    expect(rules("not outbound", "netdev", "egress")).toMatch(/cannot be asked at egress/);
  });
});
