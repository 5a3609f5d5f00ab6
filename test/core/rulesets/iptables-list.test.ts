import { describe, expect, it } from "vitest";
import { parseListRow } from "../../../src/core/rulesets/iptables-list-row.ts";
import { parseListWords } from "../../../src/core/rulesets/iptables-list-words.ts";
import { chainOf, numbered, read, readOne } from "./read.ts";

const VERBOSE = `Chain PREROUTING (policy ACCEPT 371 packets, 20868 bytes)
 pkts bytes target     prot opt in     out     source               destination
 1193 73848 DOCKER     all  --  *      *       0.0.0.0/0            0.0.0.0/0            ADDRTYPE match dst-type LOCAL

Chain OUTPUT (policy ACCEPT 538 packets, 566K bytes)
 pkts bytes target     prot opt in     out     source               destination
    0     0 DOCKER     all  --  *      *       0.0.0.0/0           !127.0.0.0/8          ADDRTYPE match dst-type LOCAL

Chain POSTROUTING (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination
 136K 8203K MASQUERADE  all  --  *      !docker0  192.0.2.0/24         0.0.0.0/0

Chain DOCKER (2 references)
 pkts bytes target     prot opt in     out     source               destination
    0     0 RETURN     all  --  docker0 *       0.0.0.0/0            0.0.0.0/0
    0     0 DNAT       udp  --  !docker0 *       0.0.0.0/0            0.0.0.0/0            udp dpt:53 to:192.0.2.2:5353
`;

describe("iptables -L -n -v", () => {
  const ruleset = readOne(VERBOSE);

  it("finds the table, and puts rules back into iptables' words", () => {
    expect(ruleset).toMatchObject({ format: "iptables-list", backend: null, problems: [] });
    const docker = chainOf(ruleset, "nat", "DOCKER");
    expect(docker.rules.map((rule) => `${rule.number} ${rule.short}`)).toEqual([
      "1 -i docker0 -j RETURN",
      "2 ! -i docker0 -p udp --dport 53 -j DNAT --to-destination 192.0.2.2:5353",
    ]);
    expect(docker.rules[1]?.statements).toEqual([{ kind: "dnat", to: "192.0.2.2:5353" }]);
    expect(docker).toMatchObject({ base: null, positions: "known", complete: true });
  });

  it("keeps the listing's own line as the rule's text, without counters", () => {
    expect(chainOf(ruleset, "nat", "OUTPUT").rules[0]?.text).toBe(
      "DOCKER     all  --  *      *       0.0.0.0/0           !127.0.0.0/8          ADDRTYPE match dst-type LOCAL",
    );
  });

  it("takes no rounded number for a number", () => {
    expect(chainOf(ruleset, "nat", "OUTPUT").counters).toEqual({ packets: 538n, bytes: null });
    expect(chainOf(ruleset, "nat", "POSTROUTING").rules[0]?.counters).toEqual({ packets: null, bytes: null });
  });

  it("knows hooks, priorities and policies", () => {
    expect(chainOf(ruleset, "nat", "PREROUTING").base).toEqual({
      type: "nat",
      hook: "prerouting",
      priority: -100,
      policy: "accept",
      devices: [],
    });
  });
});

describe("iptables -L", () => {
  const text = `Chain INPUT (policy DROP)
num  target     prot opt source               destination
1    ACCEPT     all  --  anywhere             anywhere
2    ACCEPT     tcp  --  anywhere             192.0.2.1            tcp dpt:ssh /* the way in */ ctstate NEW
4    LOG        all  --  anywhere             anywhere             LOG level warning prefix "no: "

Chain FORWARD (policy ACCEPT)
num  target     prot opt source               destination

Chain OUTPUT (policy ACCEPT)
num  target     prot opt source               destination
`;

  it("claims no rule to be without conditions, for it shows no interfaces", () => {
    const [first, second] = chainOf(readOne(text), "filter", "INPUT").rules;
    expect(first?.matches).toMatchObject([{ kind: "opaque", value: "interfaces not shown" }]);
    expect(first?.short).toBe("-j ACCEPT");
    expect(second).toMatchObject({
      comment: "the way in",
      short:
        '-d 192.0.2.1 -p tcp --dport ssh -m comment --comment "the way in" -m conntrack --ctstate NEW -j ACCEPT',
    });
  });

  it("uses the numbers it prints", () => {
    expect(numbered(chainOf(readOne(text), "filter", "INPUT"))).toEqual(["1 ACCEPT", "2 ACCEPT", "4 LOG"]);
  });
});

describe("elisions", () => {
  const row =
    "    0     0 ACCEPT     udp  --  *      *       0.0.0.0/0            192.0.2.2            udp dpt:";
  const listing = (mark: string) => `Chain FORWARD (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination
${row}1
${row}2
${mark}
${row}9

Chain next (1 references)
 pkts bytes target     prot opt in     out     source               destination
${row}1
`;

  it.each(["# ... ...", "...", "[...]", "<snip>", "  …", "-- snip --", "(omitted)", "[output omitted]"])(
    "%s takes the numbers away",
    (mark) => {
      const marked = mark.startsWith("--") ? `# ${mark}` : mark;
      const ruleset = readOne(listing(marked));
      const forward = chainOf(ruleset, "filter", "FORWARD");
      expect(numbered(forward)).toEqual(["1 ACCEPT", "2 ACCEPT", "- ACCEPT"]);
      expect(forward).toMatchObject({ positions: "elided", complete: false });
      expect(chainOf(ruleset, "filter", "next").positions).toBe("known");
    },
  );

  it("between chains hides chains, not rules", () => {
    const text = listing("").replace("\n\nChain next", "\n\n...\n\nChain next");
    expect(chainOf(readOne(text), "filter", "FORWARD").positions).toBe("known");
  });
});

describe("which table", () => {
  const chain = (name: string, rows = "") => `Chain ${name} (policy ACCEPT)
target     prot opt source               destination
${rows}
`;

  it("reads headings between tables", () => {
    const ruler = "#".repeat(40);
    const text = ["filter", "mangle", "raw"]
      .map((table) => `${ruler}\n${table}\n${ruler}\n${chain("OUTPUT")}`)
      .join("");
    // The first heading stands in front of any rule.
    expect(read(text).flatMap((one) => one.tables.map((table) => table.name))).toEqual([
      "filter",
      "mangle",
      "raw",
    ]);
  });

  it.each([
    "Table: nat",
    "The nat table is:",
    "### nat ###",
    "# iptables -t nat -L -n",
    "$ sudo iptables -L -tnat",
  ])("%s", (heading) => {
    expect(read(`${heading}\n\n${chain("OUTPUT")}`)[0]?.tables[0]?.name).toBe("nat");
  });

  it.each([
    [["INPUT", "FORWARD", "OUTPUT"], "filter"],
    [["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"], "mangle"],
    [["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"], "nat"],
    [["PREROUTING", "POSTROUTING", "OUTPUT"], "nat"],
    [["PREROUTING", "OUTPUT"], "raw"],
  ])("%j is %s", (names, table) => {
    expect(readOne(names.map((name) => chain(name)).join("")).tables.map((one) => one.name)).toEqual([table]);
  });

  it("begins another table with the next built-in chain", () => {
    const text = ["INPUT", "FORWARD", "OUTPUT", "mine", "PREROUTING", "OUTPUT"]
      .map((name) => chain(name))
      .join("");
    expect(readOne(text).tables.map((table) => `${table.name} ${table.chains.length}`)).toEqual([
      "filter 4",
      "raw 2",
    ]);
  });

  it("says so when it guesses", () => {
    const ruleset = readOne(chain("INPUT"));
    expect(ruleset.problems).toMatchObject([
      { line: 1, reason: "the listing does not name its table; taken for filter" },
    ]);
  });

  it("tells ip6tables by its addresses", () => {
    const rows = "DROP       all      ::/0                 2001:db8::1";
    expect(readOne(chain("INPUT", rows)).tables[0]?.family).toBe("ip6");
  });
});

describe("columns", () => {
  const verbose = { hasNumbers: false, isVerbose: true };
  const short = { hasNumbers: false, isVerbose: false };

  it("reads a rule without a target", () => {
    const row = parseListRow(
      "    0     0            all  --  *      *       0.0.0.0/0  0.0.0.0/0  mark match 0x1",
      verbose,
    );
    expect(row).toMatchObject({ target: "", words: "mark match 0x1" });
    expect(parseListRow("           tcp  --  anywhere             anywhere", short)?.target).toBe("");
  });

  it("reads a blank option column, as ip6tables printed it", () => {
    const row = parseListRow(
      "    5   400 ACCEPT     tcp      eth2   *       2001:db8::1  ::/0  tcp dpt:22",
      verbose,
    );
    expect(row).toMatchObject({ target: "ACCEPT", words: "tcp dpt:22" });
    expect(row?.matches.map((match) => match.text)).toEqual(["-s 2001:db8::1", "-i eth2", "-p tcp"]);
  });

  it("reads chains that are named like protocols", () => {
    expect(parseListRow("tcp        tcp  --  0.0.0.0/0            0.0.0.0/0", short)?.target).toBe("tcp");
  });

  it("guesses the columns where the heading is missing", () => {
    expect(parseListRow("3  10 600 DROP  6  --  eth0 *  0.0.0.0/0  0.0.0.0/0", null)).toMatchObject({
      number: 3,
      counters: { packets: 10n, bytes: 600n },
    });
    expect(parseListRow("2    DROP       udp  --  192.0.2.1   0.0.0.0/0", null)?.number).toBe(2);
  });

  it.each(["This is prose about DROP and tcp in a listing.", "DROP all -- somewhere", "", "Chain X"])(
    "%j is no rule",
    (line) => {
      expect(parseListRow(line, null)).toBeNull();
    },
  );
});

describe("words of extensions", () => {
  it.each([
    ["tcp spts:1024:65535 dpt:!22", "", "--sport 1024:65535|! --dport 22"],
    ["multiport dports 80,443", "", "-m multiport --dports 80,443"],
    ["tcp flags:0x17/0x02", "", "--tcp-flags FIN,SYN,RST,ACK SYN"],
    ["tcp flags:!FIN,SYN,RST,ACK/SYN", "", "! --tcp-flags FIN,SYN,RST,ACK SYN"],
    ["! ctstate INVALID", "", "-m conntrack ! --ctstate INVALID"],
    ["ADDRTYPE match dst-type !LOCAL", "", "-m addrtype ! --dst-type LOCAL"],
    ["mark match ! 0x1/0xff", "", "-m mark ! --mark 0x1/0xff"],
    ["icmptype 3 code 4", "", "--icmp-type 3/4"],
    ["icmp echo-request", "", "--icmp-type echo-request"],
    ["ipv6-icmptype 135", "", "--icmpv6-type 135"],
    ["limit: avg 5/min burst 5 state NEW", "", "limit: avg 5/min burst 5|-m state --state NEW"],
    ["/* a | b */ match-set banned src", "", '-m comment --comment "a | b"|match-set banned src'],
  ])("%s", (text, target, expected) => {
    expect(
      parseListWords(text, target)
        .matches.map((match) => match.text)
        .join("|"),
    ).toBe(expected);
  });

  it.each([
    ["REJECT", "reject-with icmp-port-unreachable", "--reject-with icmp-port-unreachable"],
    ["SNAT", "to:192.0.2.1-192.0.2.9 random-fully", "--to-source 192.0.2.1-192.0.2.9 --random-fully"],
    ["REDIRECT", "redir ports 15001", "--to-ports 15001"],
    ["LOG", 'LOG flags 0 level 4 prefix "in: "', '--log-level 4 --log-prefix "in: "'],
    ["MARK", "MARK xset 0x4000/0x4000", "--set-xmark 0x4000/0x4000"],
    ["NFQUEUE", "NFQUEUE num 3 bypass", "--queue-num 3 --queue-bypass"],
    ["CT", "CT notrack", "--notrack"],
    ["TCPMSS", "TCPMSS clamp to PMTU", "clamp to PMTU"],
  ])("%s %s", (target, text, expected) => {
    const words = parseListWords(text, target);
    expect(words.options.map((word) => word.raw).join(" ")).toBe(expected);
    expect(words.matches).toEqual([]);
  });

  it("knows a goto", () => {
    expect(parseListWords("[goto] tcp dpt:80", "next")).toMatchObject({ isGoto: true });
  });
});

it("joins a rule that a document wrapped", () => {
  const text = `Chain FORWARD (policy ACCEPT)
num  target     prot opt source               destination
1    ACCEPT     all  --  0.0.0.0/0            0.0.0.0/0
          PHYSDEV match --physdev-out tap1
2    DROP       all  --  0.0.0.0/0            0.0.0.0/0
`;
  const { rules } = chainOf(readOne(text), "filter", "FORWARD");
  expect(rules.map((rule) => rule.short)).toEqual(["PHYSDEV match --physdev-out tap1 -j ACCEPT", "-j DROP"]);
});
