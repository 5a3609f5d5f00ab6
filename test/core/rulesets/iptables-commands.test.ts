import { describe, expect, it } from "vitest";
import { iptablesCommands, isEdit } from "../../../src/core/rulesets/iptables-commands.ts";
import { chainOf, read, readOne, rulesOf } from "./read.ts";

describe("where commands stand", () => {
  it.each([
    ["iptables -A INPUT -p tcp --dport 1060 -j DROP ; and then the connection hangs."],
    ["I typed `iptables -A INPUT -p tcp --dport 1060 -j DROP` and it hangs"],
    ["# iptables -A INPUT -p tcp --dport 1060 -j DROP"],
    ["$ sudo iptables -A INPUT -p tcp --dport 1060 -j DROP   # comment"],
    ["root@fw:~# /sbin/iptables -A INPUT -p tcp --dport 1060 -j DROP"],
    ["[root@fw ~]# iptables -w 5 -t filter -A INPUT -p tcp --dport 1060 -j DROP"],
    ["> iptables -A INPUT -p tcp --dport 1060 -j DROP will block it"],
    ["$IPTABLES -A INPUT -p tcp --dport 1060 -j DROP"],
    ["iptables -p tcp --dport 1060 -A INPUT -j DROP"],
    ["iptables --append INPUT -p tcp --dport 1060 -j DROP && echo done"],
    ["sudo: eve : COMMAND=/usr/sbin/iptables -A INPUT -p tcp --dport 1060 -j DROP"],
    ["Rules: -A INPUT -p tcp --dport 1060 -j DROP; nothing else"],
  ])("%s", (line) => {
    expect(rulesOf(read(line)).map((rule) => rule.text)).toEqual(["-A INPUT -p tcp --dport 1060 -j DROP"]);
  });

  it.each([
    "Use iptables -A to append a rule.",
    "iptables is a tool; see iptables(8).",
    "ip_tables: (C) 2000-2006 Netfilter Core Team",
    "the iptables rules below were shortened",
    "iptables -L -n -v",
    "iptables -C INPUT -j DROP",
    "iptables-restore < rules.v4",
    "modprobe iptable_nat",
  ])("%s", (line) => {
    expect(read(line)).toEqual([]);
  });

  it("reads family, backend and table", () => {
    const [command] = iptablesCommands("ip6tables-legacy -tnat -I PREROUTING 2 -j ACCEPT");
    expect(command).toMatchObject({ family: "ip6", backend: "xtables", table: "nat", letter: "-I" });
    expect(command !== undefined && isEdit(command)).toBe(true);
  });

  it("reads several on a line", () => {
    const text =
      "iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT && iptables -A INPUT -p icmp -j ACCEPT";
    const chain = chainOf(readOne(text), "filter", "INPUT");
    expect(chain.base?.policy).toBe("drop");
    expect(chain.rules).toHaveLength(2);
  });
});

describe("what commands do", () => {
  it("are assumed to be all the rules, unless the chain was made or flushed here", () => {
    const text = `iptables -t nat -N mine
iptables -t nat -A mine -j RETURN
iptables -t nat -A PREROUTING -j mine
iptables -F FORWARD
iptables -A FORWARD -j DROP
`;
    const ruleset = readOne(text);
    expect(ruleset.format).toBe("iptables-commands");
    expect(chainOf(ruleset, "nat", "mine").positions).toBe("known");
    expect(chainOf(ruleset, "nat", "PREROUTING")).toMatchObject({ positions: "assumed", complete: false });
    expect(chainOf(ruleset, "filter", "FORWARD").positions).toBe("known");
    expect(chainOf(ruleset, "nat", "PREROUTING").rules[0]?.statements).toEqual([
      { kind: "jump", chain: "mine" },
    ]);
  });

  it("insert, replace and delete", () => {
    const text = `iptables -A INPUT -i a -j DROP
iptables -I INPUT -i b -j DROP
iptables -I INPUT 2 -i c -j DROP
iptables -R INPUT 1 -i d -j DROP
iptables -D INPUT -i a -j DROP
`;
    expect(rulesOf(read(text)).map((rule) => rule.short)).toEqual(["-i d -j DROP", "-i c -j DROP"]);
  });

  it("say when they delete what was never seen", () => {
    expect(readOne("iptables -D INPUT -i a -j DROP\niptables -A INPUT -j DROP").problems).toMatchObject([
      { line: 1, reason: "deletes a rule that is not there" },
    ]);
  });
});
