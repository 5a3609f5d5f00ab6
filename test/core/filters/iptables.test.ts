import { describe, expect, it } from "vitest";
import { toIptablesMatches } from "../../../src/core/filters/iptables.ts";
import { parseFilter } from "../../../src/core/filters/parse.ts";

function matches(text: string, family: "ip" | "ip6", hook: "prerouting" | "output" = "prerouting") {
  const filter = parseFilter(text);
  if (!filter.ok) throw new Error(filter.error.message);
  const result = toIptablesMatches(filter.value, family, hook);
  return result.ok ? result.value.map((row) => row.join(" ")) : result.error.message;
}

const ONE = "-m ipv6header --header prot";
const FRAGMENT = "-m ipv6header --header frag,prot";

describe("toIptablesMatches", () => {
  it.each<[string, string[], string[]]>([
    ["", [""], [""]],
    ["ip", [""], []],
    ["arp", [], []],
    ["icmp", ["-p 1"], []],
    ["tcp", ["-p 6"], [`${ONE} -p 6`, `${FRAGMENT} -p 6`]],
    ["src host 192.0.2.1", ["-s 192.0.2.1/32"], []],
    ["host 2001:db8::1", [], ["-s 2001:db8::1/128", "-d 2001:db8::1/128"]],
    ["src host 192.0.2.1 or 192.0.2.3", ["-s 192.0.2.1/32", "-s 192.0.2.3/32"], []],
    ["src net 10.0.0.0/8 and not src net 10.0.0.0/9", ["-s 10.128.0.0/9"], []],
    ["ip and not src net 10.0.0.0/8", ["! -s 10.0.0.0/8"], []],
    ["udp dst port 53", ["-p 17 ! -f --dport 53"], [`${ONE} -p 17 --dport 53`]],
    [
      "tcp dst portrange 1-9 and src port 80",
      ["-p 6 ! -f --sport 80 --dport 1:9"],
      [`${ONE} -p 6 --sport 80 --dport 1:9`],
    ],
    [
      "ip and tcp dst port 80 or 443",
      ["-p 6 ! -f --dport 80", "-p 6 ! -f --dport 443"],
      [`${ONE} -p 6 --dport 443`],
    ],
    ["tcp and not tcp dst port 22 and ip", ["-p 6 -f", "-p 6 ! -f ! --dport 22"], []],
    ["ip and not ip proto 6", ["! -p 6"], []],
    ["ip proto 6 or 17", ["-p 6", "-p 17"], []],
    ["on eth0", ["-i eth0"], ["-i eth0"]],
    ["not on eth0", ["! -i eth0"], ["! -i eth0"]],
    ["outbound", [], []],
  ])("writes %j", (text, ip, ip6) => {
    expect(new Set([matches(text, "ip")].flat())).toEqual(new Set(ip));
    expect(new Set([matches(text, "ip6")].flat())).toEqual(new Set(ip6));
  });

  it("names the interface a packet leaves by at output", () => {
    expect(matches("on eth0", "ip", "output")).toEqual(["-o eth0"]);
    expect(matches("outbound", "ip", "output")).toEqual([""]);
  });

  it.each([
    ["less 100", "ip", "length"],
    ["tcp[tcpflags] & tcp-syn != 0", "ip", "TCP flags"],
    ["icmp[icmptype] = icmp-echo", "ip", "ICMP types"],
    ["icmp[icmpcode] = 1", "ip", "ICMP codes"],
    ["ip proto 0", "ip", "protocol 0"],
    ["not tcp", "ip6", "extension headers"],
    ["esp", "ip6", "extension headers"],
    ["not on eth0 and not on eth1", "ip", "several interfaces"],
    [
      "src net 2001:db8::/32 and not src host 2001:db8::1 and dst net 2001:db8::/32 and not dst host 2001:db8::2",
      "ip6",
      "more than 256",
    ],
  ] as const)("refuses %j rather than change its meaning", (text, family, words) => {
    expect(matches(text, family)).toContain(words);
  });
});
