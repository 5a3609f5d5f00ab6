/** Single conditions, in iptables' words and nft's. The kernel judges most of them in test/live/why-not.live.test.ts. */
import { describe, expect, test } from "vitest";
import { unknownPacket } from "../../../src/core/packets/packet.ts";
import type { Circumstances } from "../../../src/core/rulesets/match/answer.ts";
import { evaluateRule } from "../../../src/core/rulesets/match/evaluate-match.ts";
import { readRulesets } from "../../../src/core/rulesets/ruleset-reader.ts";

const SETS = `
	set friends {
		type ipv4_addr
		flags interval,timeout
		elements = { 192.0.2.0/28 timeout 1h expires 12m, 203.0.113.7 comment "a, b" }
	}
	set terse {
		type ipv4_addr
	}`;

const SYN: Circumstances = {
  sighting: {
    packet: {
      ...unknownPacket("ip"),
      src: "192.0.2.9",
      dst: "198.51.100.1",
      protocol: "tcp",
      sport: 40000,
      dport: 443,
      length: 60,
      ttl: 64,
      fragmentOffset: 0,
      tcp: { seq: 1, ack: 0, flags: 2, window: 1 },
    },
    in: "eth0",
    out: null,
    physIn: null,
    physOut: null,
    mark: null,
    uid: null,
    gid: null,
  },
  hook: "prerouting",
  mark: 0x105,
  conntrack: null,
  states: [],
  table: null,
  ipsets: null,
  addressType: () => null,
  portNumber: (name) => (name === "https" ? 443 : null),
};

function iptables(words: string, circumstances = SYN): string {
  const text = `*filter\n:INPUT ACCEPT [0:0]\n-A INPUT ${words} -j ACCEPT\nCOMMIT\n`;
  const rule = readRulesets(text, { input: "rules" }).rulesets[0]?.tables[0]?.chains[0]?.rules[0];
  if (rule === undefined) throw new Error(`not read: ${words}`);
  return evaluateRule(rule.matches, circumstances).holds;
}

function nft(words: string, circumstances = SYN): string {
  const text = `table inet fw {${SETS}\n\tchain in {\n\t\t${words} accept\n\t}\n}\n`;
  const table = readRulesets(text, { input: "rules" }).rulesets[0]?.tables[0];
  const rule = table?.chains[0]?.rules[0];
  if (table === undefined || rule === undefined) throw new Error(`not read: ${words}`);
  return evaluateRule(rule.matches, { ...circumstances, table }).holds;
}

test.each([
  ["-m mark --mark 0x5/0xff", "matched"],
  ["-m mark --mark 0x105/0xff", "failed"],
  ["-m mark --mark 0x105", "matched"],
  ["-o eth1", "failed"],
  ["-f", "failed"],
  ["-s host.example.org", "not-known"],
  ["! -s host.example.org", "not-known"],
  ["-p tcp -m tcp --dport https", "matched"],
  ["-p tcp -m tcp --dport gopher", "not-known"],
  ["-m conntrack --ctstate NEW", "not-known"],
  ["-m limit --limit 5/sec", "not-known"],
  ["-m limit --limit 5/sec -p udp", "failed"],
  ["-m addrtype --dst-type LOCAL", "not-known"],
  ["-p tcp -m tcp --tcp-flags ALL SYN", "matched"],
  ["-p udp -m udp --dport 443", "failed"],
])("iptables: %s is %s", (words, holds) => {
  expect(iptables(words)).toBe(holds);
});

test.each([
  ["ip saddr @friends", "matched"],
  ["ip saddr != @friends", "failed"],
  ["ip daddr @friends", "failed"],
  ["ip saddr @terse", "not-known"],
  ["ip saddr @nosuch", "not-known"],
  ["tcp dport { 80, 443 }", "matched"],
  ["udp dport 443", "failed"],
  ["udp dport != 80", "failed"],
  ["th dport 443", "matched"],
  ["ip6 saddr fe80::/10", "failed"],
  ["tcp flags == syn", "matched"],
  ["tcp flags syn,ack / syn,ack", "failed"],
  ["ip saddr . tcp dport { 192.0.2.9 . 443 }", "matched"],
  ["ip saddr . tcp dport { 192.0.2.9 . 80 }", "failed"],
  ["fib saddr . iif oif missing", "not-known"],
  ["meta mark & 0x0000000f == 0x00000005", "matched"],
  ['iifname != "eth0"', "failed"],
])("nft: %s is %s", (words, holds) => {
  expect(nft(words)).toBe(holds);
});

describe("conntrack's state", () => {
  test.each([
    [["new"], "NEW", "matched"],
    [["established"], "NEW", "failed"],
    [["new", "related"], "NEW", "not-known"],
    [["new", "related"], "NEW,RELATED", "matched"],
    [["new", "related"], "ESTABLISHED", "failed"],
    [["new"], "DNAT", "not-known"],
  ])("one of %j against %s is %s", (states, wanted, holds) => {
    expect(iptables(`-m conntrack --ctstate ${wanted}`, { ...SYN, states })).toBe(holds);
  });
});

test("what an address is to the host follows from where the packet is, if from anything", () => {
  const at = (hook: Circumstances["hook"]) => iptables("-m addrtype --dst-type LOCAL", { ...SYN, hook });
  expect([at("prerouting"), at("input"), at("forward")]).toEqual(["not-known", "matched", "failed"]);
});

test("what an address is to the host is asked of its snapshot, where there is one", () => {
  const addressType = (address: string) => (address === "198.51.100.1" ? "local" : "unicast");
  expect(iptables("-m addrtype --dst-type LOCAL", { ...SYN, addressType })).toBe("matched");
  expect(iptables("-m addrtype --src-type LOCAL", { ...SYN, addressType })).toBe("failed");
  expect(nft("fib daddr type { local, broadcast }", { ...SYN, addressType })).toBe("matched");
});

test("elements of a set are read from nft's JSON too", () => {
  const set = {
    set: { family: "inet", table: "fw", name: "nets", elem: [{ prefix: { addr: "192.0.2.0", len: 24 } }] },
  };
  const rule = {
    rule: {
      family: "inet",
      table: "fw",
      chain: "in",
      handle: 4,
      expr: [
        { match: { op: "==", left: { payload: { protocol: "ip", field: "saddr" } }, right: "@nets" } },
        { accept: null },
      ],
    },
  };
  const chain = { chain: { family: "inet", table: "fw", name: "in", handle: 1 } };
  const text = JSON.stringify({
    nftables: [{ table: { family: "inet", name: "fw", handle: 1 } }, set, chain, rule],
  });
  const table = readRulesets(text, { input: "rules" }).rulesets[0]?.tables[0];
  const matches = table?.chains[0]?.rules[0]?.matches ?? [];
  expect(evaluateRule(matches, { ...SYN, table: table ?? null }).holds).toBe("matched");
});
