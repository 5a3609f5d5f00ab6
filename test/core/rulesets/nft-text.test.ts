import { describe, expect, it } from "vitest";
import { parsePriority } from "../../../src/core/rulesets/nft-chain-type.ts";
import { parseNftRule } from "../../../src/core/rulesets/nft-rule.ts";
import { chainOf, read, readOne, rulesOf, tableOf } from "./read.ts";

const LISTING = `table inet fw { # handle 3
	flags owner
	comment "made by hand"

	set banned { # handle 4
		type ipv4_addr
		flags interval
		elements = { 192.0.2.0/24,
			     198.51.100.7 }
	}

	chain input { # handle 1
		type filter hook input priority filter + 10; policy drop;
		ct state established,related accept # handle 5
		iifname "lo" accept comment "no # here; or {there}" # handle 6
		ip saddr @banned counter packets 12 bytes 720 drop # handle 7
		tcp dport { 22,
			    80 } jump web # handle 8
	}

	chain web { # handle 2
		reject with tcp reset # handle 9
	}
}
table netdev edge {
	chain in {
		type filter hook ingress devices = { eth0, eth1 } priority -500; policy accept;
	}
}
`;

describe("nft list ruleset", () => {
  const ruleset = readOne(LISTING);

  it("reads tables, base chains and handles", () => {
    expect(ruleset).toMatchObject({ format: "nft-text", backend: "nft", problems: [] });
    expect(chainOf(ruleset, "fw", "input")).toMatchObject({
      handle: 1n,
      base: { type: "filter", hook: "input", priority: 10, policy: "drop" },
      positions: "known",
      complete: true,
    });
    expect(chainOf(ruleset, "fw", "web").base).toBeNull();
    expect(chainOf(ruleset, "edge", "in").base).toMatchObject({ priority: -500, devices: ["eth0", "eth1"] });
  });

  it("reads rules with comments, counters and sets over many lines", () => {
    const { rules } = chainOf(ruleset, "fw", "input");
    expect(rules.map((rule) => [rule.number, rule.handle, rule.line])).toEqual([
      [1, 5n, 14],
      [2, 6n, 15],
      [3, 7n, 16],
      [4, 8n, 17],
    ]);
    expect(rules[1]).toMatchObject({ comment: "no # here; or {there}", short: 'iifname "lo" accept' });
    expect(rules[2]).toMatchObject({
      text: "ip saddr @banned counter packets 12 bytes 720 drop",
      short: "ip saddr @banned drop",
      counters: { packets: 12n, bytes: 720n },
    });
    expect(rules[3]?.text).toBe("tcp dport { 22, 80 } jump web");
  });

  it("keeps sets and a table's flags by their text", () => {
    expect(tableOf(ruleset, "fw").opaque).toEqual([
      "flags owner",
      "set banned { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 } }",
    ]);
  });

  it("takes a second listing of the same table for a ruleset of its own", () => {
    expect(read(LISTING + LISTING).map((one) => rulesOf([one]).length)).toEqual([5, 5]);
  });
});

describe("what is not whole", () => {
  it("has no positions behind an include or an elision", () => {
    for (const line of ['include "/etc/more.nft"', "...", "# ... ..."]) {
      const text = `table ip x {\n\tchain y {\n\t\taccept\n\t\t${line}\n\t\tdrop\n\t}\n}\n`;
      const chain = chainOf(readOne(text), "x", "y");
      expect(chain.rules.map((rule) => rule.number)).toEqual([1, null]);
      expect(chain).toMatchObject({ positions: "elided", complete: false });
    }
  });

  it("knows a text that was cut", () => {
    const ruleset = readOne("table ip x {\n\tchain y {\n\t\taccept\n");
    expect(chainOf(ruleset, "x", "y").complete).toBe(false);
    expect(ruleset.problems[0]?.reason).toBe("the table does not end in this text");
  });

  it("does not follow variables, and says so", () => {
    const ruleset = readOne(
      "define lan = eth0\ntable ip x {\n\tchain y {\n\t\tiifname $lan accept\n\t}\n}\n",
    );
    expect(ruleset.problems).toMatchObject([{ line: 1, reason: "not followed" }]);
    expect(rulesOf([ruleset])[0]?.matches).toMatchObject([{ kind: "in-interface", value: "$lan" }]);
  });

  it("lets a trace end a table that never closes", () => {
    const rulesets = read(
      'table ip x {\n\tchain y {\n\t\taccept\ntrace id 12345678 ip x y packet: iif "a"\n',
    );
    expect(rulesOf(rulesets)).toHaveLength(1);
  });
});

describe("commands", () => {
  it("are carried out, from scripts and shells", () => {
    const text = `#!/usr/sbin/nft -f
flush ruleset
add table inet fw
add chain inet fw input { type filter hook input priority 0; policy drop; }
add rule inet fw input tcp dport 22 accept
nft insert rule inet fw input ct state invalid drop
sudo nft add rule inet fw input tcp dport { 80, 443 } accept
nft 'add rule inet fw input counter log prefix "x; y"'
`;
    const rulesets = read(text);
    const shorts = rulesOf(rulesets).map((rule) => rule.short);
    expect(shorts).toContain("tcp dport { 80, 443 } accept");
    expect(shorts).toContain('log prefix "x; y"');
    expect(rulesets.every((one) => chainOf(one, "fw", "input").positions === "assumed")).toBe(true);
    expect(chainOf(rulesets[0] as never, "fw", "input").base).toMatchObject({
      hook: "input",
      policy: "drop",
    });
  });

  it("are no sentences", () => {
    expect(read("add rule to drop the packets\ninsert rule here\nflush chain and all\n")).toEqual([]);
  });
});

describe("rules", () => {
  const parts = (text: string) => {
    const { matches, statements } = parseNftRule(text);
    return [
      ...matches.map((match) => `${match.kind} ${match.negated ? "not " : ""}${match.value}`),
      ...statements.map(
        (one) => `=${one.kind}${"name" in one ? ` ${one.name}` : ""}${"to" in one ? ` ${one.to}` : ""}`,
      ),
    ];
  };

  it.each([
    ['iifname "eth0" oifname != "eth1" accept', ["in-interface eth0", "out-interface not eth1", "=accept"]],
    [
      "ip saddr 192.0.2.0/24 ip daddr 192.0.2.1 drop",
      ["source 192.0.2.0/24", "destination 192.0.2.1", "=drop"],
    ],
    ["tcp flags & (fin | syn) == syn drop", ["tcp-flags & (fin | syn) == syn", "=drop"]],
    ["tcp flags syn / fin,syn accept", ["tcp-flags syn / fin,syn", "=accept"]],
    [
      "meta l4proto { tcp, udp } th dport 53 accept",
      ["protocol { tcp, udp }", "destination-port 53", "=accept"],
    ],
    ["ct state established, related accept", ["ct-state established, related", "=accept"]],
    ["ct status dnat accept", ["ct-status dnat", "=accept"]],
    ["meta mark & 0x00ff0000 == 0x00040000 accept", ["mark & 0x00ff0000 == 0x00040000", "=accept"]],
    ["fib daddr type local jump x", ["address-type local", "=jump"]],
    ["fib saddr . iif oif missing drop", ["opaque missing", "=drop"]],
    ["icmp type echo-request accept", ["icmp-type echo-request", "=accept"]],
    ["ip saddr . tcp dport { 192.0.2.1 . 22 } accept", ["opaque { 192.0.2.1 . 22 }", "=accept"]],
    ["tcp dport 80 dnat to 192.0.2.1:8080", ["destination-port 80", "=dnat 192.0.2.1:8080"]],
    ["dnat ip to tcp dport map { 80 : 192.0.2.1 }", ["=dnat tcp dport map { 80 : 192.0.2.1 }"]],
    ["masquerade to :1024-65535 random,persistent", ["=masquerade :1024-65535"]],
    ["redirect to :3128", ["=redirect :3128"]],
    ['oifname vmap { "a" : jump x }', ["=opaque vmap"]],
    ["meta mark set 0x1 accept", ["=mark", "=accept"]],
    ["meta nftrace set 1", ["=trace"]],
    ["ct mark set meta mark", ["=pass ct mark set"]],
    ["tcp option maxseg size set rt mtu", ["=pass tcp option maxseg size set"]],
    ["notrack", ["=notrack"]],
    ["queue flags bypass to 1-3", ["=queue"]],
    ["reject with icmp type port-unreachable", ["=reject"]],
    ["reject with icmpx admin-prohibited", ["=reject"]],
    ['log prefix "x y" level info flags tcp sequence drop', ["=log", "=drop"]],
    [
      "limit rate over 10/second burst 5 packets drop",
      ["opaque limit rate over 10/second burst 5 packets", "=pass limit", "=drop"],
    ],
    ["update @seen { ip saddr timeout 1m } accept", ["=pass update element", "=accept"]],
    ['xt match "addrtype" xt target "MASQUERADE"', ['opaque xt match "addrtype"', "=masquerade null"]],
    ["frobnicate 12 accept", ["opaque frobnicate 12", "=accept"]],
    ["ip protocol tcp # xt_multiport", ["protocol tcp", "opaque # xt_multiport"]],
  ])("%s", (text, expected) => {
    expect(parts(text)).toEqual(expected);
  });

  it("names what decides", () => {
    expect(parseNftRule("tcp dport 1 counter jump a-b").target).toBe("a-b");
    expect(parseNftRule("dnat to 192.0.2.1").target).toBe("dnat");
    expect(parseNftRule("meta mark set 1").target).toBeNull();
  });
});

describe("priorities", () => {
  it.each([
    ["0", "ip", 0],
    ["-150", "ip", -150],
    ["filter", "inet", 0],
    ["dstnat - 5", "ip", -105],
    ["filter + 10", "bridge", -190],
    ["$prio", "ip", null],
    ["nonsense", "ip", null],
  ] as const)("%s in %s is %s", (text, family, expected) => {
    expect(parsePriority(text, family)).toBe(expected);
  });
});
