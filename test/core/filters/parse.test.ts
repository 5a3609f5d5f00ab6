import { describe, expect, it } from "vitest";
import type { Filter } from "../../../src/core/filters/filter.ts";
import { parseFilter } from "../../../src/core/filters/parse.ts";
import { printFilter } from "../../../src/core/filters/print.ts";

function read(text: string): Filter | null {
  const result = parseFilter(text);
  if (!result.ok) throw new Error(`${text}: ${result.error.message}`);
  return result.value;
}

describe("parseFilter", () => {
  it.each<[string, Filter | null]>([
    ["", null],
    [" \t\n", null],
    ["udp", { kind: "protocol", number: 17, family: null }],
    ["icmp", { kind: "protocol", number: 1, family: "ip" }],
    ["icmp6", { kind: "protocol", number: 58, family: "ip6" }],
    ["arp", { kind: "family", family: "arp" }],
    [
      "host 192.0.2.1",
      { kind: "address", direction: "either", family: "ip", address: "192.0.2.1", prefix: 32 },
    ],
    ["192.0.2.1", { kind: "address", direction: "either", family: "ip", address: "192.0.2.1", prefix: 32 }],
    [
      "src and dst host 2001:DB8:0::1",
      { kind: "address", direction: "both", family: "ip6", address: "2001:db8::1", prefix: 128 },
    ],
    ["dst net 10", { kind: "address", direction: "dst", family: "ip", address: "10.0.0.0", prefix: 8 }],
    [
      "dst or src portrange 6008-6000",
      { kind: "port", direction: "either", protocol: null, from: 6000, to: 6008 },
    ],
    ["port ssh", { kind: "port", direction: "either", protocol: 6, from: 22, to: 22 }],
    ["udp src port domain", { kind: "port", direction: "src", protocol: 17, from: 53, to: 53 }],
    ["less 100", { kind: "length", operator: "<=", bytes: 100 }],
    ["len == 0x40", { kind: "length", operator: "=", bytes: 64 }],
    ["tcp[13] & 2 != 0", { kind: "tcp-flags", mask: 2, operator: "!=", value: 0 }],
    ["tcp[tcpflags] == tcp-syn", { kind: "tcp-flags", mask: 255, operator: "=", value: 2 }],
    ["icmp[icmptype]=icmp-echo", { kind: "icmp-type", family: "ip", operator: "=", type: 8 }],
    ["icmp6[icmp6code:1] != 4", { kind: "icmp-code", family: "ip6", operator: "!=", code: 4 }],
    ["ifname br-lan", { kind: "interface", name: "br-lan" }],
    ["on and0", { kind: "interface", name: "and0" }],
  ])("reads %j", (text, tree) => {
    expect(read(text)).toEqual(tree);
  });

  it.each([
    // Equal precedence, from the left; `not` binds tightest.
    ["tcp or udp and port 53", "(tcp or udp) and port 53"],
    ["tcp and udp or icmp", "(tcp and udp) or icmp"],
    ["not tcp and udp", "not tcp and udp"],
    ["!tcp||!(udp&&port 1)", "not tcp or not (udp and port 1)"],
    ["tcp or (udp and port 53)", "tcp or (udp and port 53)"],
    // A bare value repeats the words before the last one.
    ["port 53 or 54", "port 53 or port 54"],
    ["tcp dst port ftp or ftp-data or domain", "tcp dst port 21 or tcp dst port 20 or tcp dst port 53"],
    ["host 192.0.2.1 or 192.0.2.2", "ip host 192.0.2.1 or ip host 192.0.2.2"],
    ["not host 192.0.2.1 and 192.0.2.2", "not ip host 192.0.2.1 and ip host 192.0.2.2"],
    ["port 53 and not 54 and 55", "port 53 and not port 54 and port 55"],
    ["port (53 or not (54 or 55))", "port 53 or not (port 54 or port 55)"],
    ["port not 53", "not port 53"],
    ["src port 80 or (443 or 444)", "src port 80 or (src port 443 or src port 444)"],
    ["host 192.0.2.9 and (port 5) and 192.0.2.1", "ip host 192.0.2.9 and port 5 and ip host 192.0.2.1"],
    [
      "src net 10 and dst net 11.0.0.0/8 or 12",
      "(ip src net 10.0.0.0/8 and ip dst net 11.0.0.0/8) or ip dst net 12.0.0.0/8",
    ],
    ["proto 6 or gre", "tcp or proto 47"],
    ["ip proto \\icmp or \\tcp", "icmp or ip proto 6"],
    ["192.0.2.1 or 192.0.2.2", "ip host 192.0.2.1 or ip host 192.0.2.2"],
    // Networks.
    ["net 10.1", "ip net 10.1.0.0/16"],
    ["net 192.0.2", "ip net 192.0.2.0/24"],
    ["net 192.0.2.1", "ip host 192.0.2.1"],
    ["net 10.1 mask 255.255.0.0", "ip net 10.1.0.0/16"],
    ["net 0.0.0.0 mask 0.0.0.0", "ip net 0.0.0.0/0"],
    ["net 10 / 8", "ip net 10.0.0.0/8"],
    ["ip6 net fe80::/10", "ip6 net fe80::/10"],
    ["ip multicast or ip6 multicast", "ip dst net 224.0.0.0/3 or ip6 dst net ff00::/8"],
    // Protocols.
    ["ip proto udp", "ip proto 17"],
    ["ip6 proto ipv6-icmp", "icmp6"],
    ["igmp or esp or ah or sctp or pim or vrrp", "igmp or esp or ah or sctp or proto 103 or ip proto 112"],
    ["portrange http-https", "portrange 80-443"],
    ["portrange 80", "port 80"],
    // Header fields.
    [
      "tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)",
      "tcp[tcpflags] & (tcp-syn|tcp-ack) = (tcp-syn|tcp-ack)",
    ],
    ["tcp[tcpflags] & tcp-rst > 0", "tcp[tcpflags] & tcp-rst != 0"],
    ["tcp[tcpflags]=tcp-syn|tcp-ack", "tcp[tcpflags] = (tcp-syn|tcp-ack)"],
    ["tcp[13:1] = 0xc2", "tcp[tcpflags] = 0xc2"],
    ["icmp6[0]=135 and inbound", "icmp6[icmp6type] = 135 and inbound"],
  ])("reads %j as %j", (text, canonical) => {
    const tree = read(text);
    expect(tree === null ? "" : printFilter(tree)).toBe(canonical);
  });

  it.each<[string, at: number, message: string | RegExp, hint: string | RegExp]>([
    // Typos.
    ["upd port 53", 0, "`upd` is no word", "did you mean `udp`?"],
    ["hsot 192.0.2.1", 0, "`hsot` is no word", "did you mean `host`?"],
    ["prot 47", 0, "`prot` is no word", /did you mean `(port|proto)`/],
    ["TCP", 0, "`TCP` is no word", "did you mean `tcp`?"],
    ["tcp port htpp", 9, "htpp is no service", "did you mean `tcp port http`?"],
    ["port 53 or upd", 11, "`upd` is no word", "did you mean `udp`?"],
    ["tcp[tcpflag] = 2", 0, "no word for tcp[tcpflag]", "did you mean `tcp[tcpflags]`?"],
    ["tcp[tcpflags] = tcp-sym", 16, "`tcp-sym` is no value", "did you mean `tcp-syn`?"],
    // Words of other programs.
    ["dport 22", 0, "`dport` is no word", "write `dst port`"],
    ["-p udp", 0, "`-p` is no word", "write `tcp, udp or proto N`"],
    ["ipv6 and tcp", 0, "`ipv6` is no word", "write `ip6`"],
    ["https", 0, "`https` is no word", "write `port https`"],
    ["gre", 0, "`gre` is no word", "write `proto gre`"],
    ["port 80,443", 7, "`,` does not belong here", "`port 80 or 443`"],
    ["dst port != 22", 9, "`dst port` needs a port", "write `not dst port 22`"],
    ["port = 22", 5, "`port` needs a port", "write `port 22`, without ="],
    ["tcp & udp", 4, "`&` does not belong here", "write `and`"],
    // Values out of range, or of the wrong kind.
    ["port 99999", 5, "99999 is no port", "0 to 65535"],
    ["port 065", 5, "octal", "write 65"],
    ["tcp dst port 80-90", 13, "more than one port", "write `tcp dst portrange 80-90`"],
    ["port 192.0.2.1", 5, "192.0.2.1 is no port", "write `host 192.0.2.1`"],
    ["udp port http", 9, "http is a tcp service", "write `tcp port http`, or `udp port 80`"],
    ["portrange 6000 - 6008", 15, "a range is one word", "portrange 6000-6008"],
    ["host 1.2.3", 5, "only the start of an address", "write `net 1.2.3`"],
    ["host 53", 5, "53 is no address", "write `port 53`"],
    ["src 53", 4, "53 is no address", "write `src port 53`"],
    ["host 192.0.2.256", 5, "no IPv4 address", "four numbers from 0 to 255"],
    ["host 192.0.2.01", 5, "leading zero", "octal"],
    ["host example.org", 5, "example.org is no address", "host names are not looked up"],
    ["example.org", 0, "`example.org` is no word", "host names are not looked up"],
    ["host 02:00:00:00:00:01", 5, "link-layer address", "use an IP address"],
    ["host fe80::1%eth0", 5, "no zone", "write `host fe80::1 and on eth0`"],
    ["host [fe80::1]", 5, "`host` needs an address", "without brackets"],
    ["host fe80::g", 5, "no IPv6 address", "2001:db8::1"],
    ["ip host fe80::1", 8, "fe80::1 is no ip address", "write `ip6 host fe80::1`"],
    ["ip6 src net 10.0.0.0/8", 12, "10.0.0.0 is no ip6 address", "write `ip src net 10.0.0.0/8`"],
    ["host 192.0.2.0/24", 14, "a network is `net`", "write `net 192.0.2.0/…`"],
    ["192.0.2.0/24", 0, "a network needs `net`", "write `net 192.0.2.0/…`"],
    ["src 192.0.2.0/24", 13, "a network is `net`", "write `src net 192.0.2.0/…`"],
    ["net 10.0.0.1/8", 4, "bits set behind the first 8", "`net 10.0.0.0/8`; one address is `host 10.0.0.1`"],
    ["net 10.0.0.0/33", 13, "too large", "0 to 32"],
    ["net 10.1 mask 255.0.255.0", 14, "gap", "leading ones"],
    ["net fe80:: mask ffff::", 11, "no mask", "prefix length"],
    ["net 0", 4, "0.0.0.0", "write `net 0.0.0.0/8`"],
    ["proto 300", 6, "`300` is none", "0 to 255"],
    ["proto tpc", 6, "`tpc` is none", "tcp, udp"],
    ["less many", 5, "`less` needs a number", "0 to"],
    ["tcp[tcpflags] = 300", 16, "one byte", "255"],
    ["on eth*", 3, "no name of an interface", "on eth0 or on eth1"],
    ["on averylonginterface", 3, "no name of an interface", "ip link"],
    // Something is missing.
    ["tcp port", 8, "`tcp port` needs a port before the end", "as in `tcp port 53`"],
    ["tcp port and udp", 9, "`tcp port` needs a port before `and`", "as in `tcp port 53`"],
    ["src host", 8, "`src host` needs an address", "as in `src host 192.0.2.1`"],
    ["udp and", 7, "missing at the end", "udp and port 53"],
    ["and udp", 0, "missing before `and`", "udp and port 53"],
    ["udp or or tcp", 7, "missing before `or`", "udp and port 53"],
    ["tcp udp", 4, "missing before `udp`", "write `and udp …` or `or udp …`"],
    ["tcp 80", 4, "`tcp` takes no value", "write `tcp port 80`"],
    ["ip 192.0.2.1", 3, "`ip` takes no value", "write `ip host 192.0.2.1`"],
    ["53", 0, "nothing says what 53 is", "write `port 53`"],
    ["(tcp", 0, "never closed", "write `)`"],
    ["tcp)", 3, "closes nothing", "remove it"],
    ["tcp and ()", 9, "nothing between the parentheses", "remove them"],
    ["port (53 or tcp)", 12, "needs a port before `tcp`", "as in"],
    ["on", 2, "`on` needs the name", "on eth0"],
    ["len 5", 4, "not compared", "len <= 1280"],
    ["tcp[tcpflags] & tcp-syn", 23, "not compared", "& tcp-syn != 0"],
    ["tcp[13 = 2", 0, "not closed", "write `]`"],
    // Words in the wrong order or company.
    ["dst tcp port 80", 0, "the order is", "write `tcp dst port …`"],
    ["port dst 80", 0, "the order is", "write `dst port`"],
    ["port tcp 80", 0, "the order is", "write `tcp port`"],
    ["ip port 53", 3, "not a combination", "write `ip and port N`"],
    ["icmp port 5", 5, "icmp has no ports", "use tcp, udp or sctp"],
    ["tcp host 192.0.2.1", 4, "not a combination", "write `tcp and host ADDRESS`"],
    ["tcp src 80", 0, "needs a type", "write `tcp src port N`"],
    ["arp host 192.0.2.1", 4, "inside ARP", "use arp alone"],
    ["src proto 6", 4, "no direction", "write `proto N`"],
    ["tcp[tcpflags] & tcp-syn|tcp-ack != 0", 23, "binds weaker", "parentheses"],
    // What pcap-filter knows and rules have no word for.
    ["vlan 100", 0, "`vlan` looks inside", "on eth0.100"],
    ["ether host 02:00:00:00:00:01", 0, "`ether` looks at the link layer", "host"],
    ["ip6 protochain 6", 4, "`protochain` searches", "use `proto`"],
    ["gateway 192.0.2.1", 0, "`gateway` compares", "on eth0"],
    ["ip[8] < 5", 0, "no word for ip[8]", "tcp[tcpflags]"],
    ["udp[2:2] = 53", 0, "no word for udp[2:2]", "write `udp dst port N`"],
    ["icmp[icmptype] >= 3", 15, "sizes of header fields", "use = or !="],
    ["icmp[icmptype] & 1 = 0", 15, "only TCP flags", "whole field"],
    ["ip broadcast", 0, "the network's own addresses", "dst host 192.0.2.255"],
  ])("refuses %j", (text, at, message, hint) => {
    const result = parseFilter(text);
    if (result.ok) throw new Error(`was read: ${JSON.stringify(result.value)}`);
    expect(result.error.message).toMatch(typeof message === "string" ? quoted(message) : message);
    expect(result.error.hint).toMatch(typeof hint === "string" ? quoted(hint) : hint);
    expect(result.error.at).toBe(at);
  });

  it("refuses nesting that would exhaust the stack, and lists without end", () => {
    expect(parseFilter("(".repeat(100_000)).ok).toBe(false);
    expect(parseFilter("!".repeat(100_000)).ok).toBe(false);
    expect(parseFilter(`port ${"(".repeat(100_000)}`).ok).toBe(false);
    expect(parseFilter(`port ${"53 or ".repeat(1500)} 53`).ok).toBe(false);
    expect(parseFilter(`port ${"53 or ".repeat(1400)} 53`).ok).toBe(true);
  });
});

function quoted(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
}
