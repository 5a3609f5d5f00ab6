import { describe, expect, it } from "vitest";
import { resolveStep } from "../../../src/core/rulesets/resolve.ts";
import { RuleBook } from "../../../src/core/rulesets/rule-book.ts";
import { read } from "./read.ts";
import { legacy, nft } from "./step.ts";

const book = (...texts: string[]) => new RuleBook(texts.flatMap((text) => read(text)));

const RULES = book(`*filter
:INPUT DROP [0:0]
:mine - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -j mine
-A INPUT -p udp -j LOG
-A INPUT -p icmp -j REJECT
-A INPUT -j DROP
-A mine -m comment --comment "all of it" -j ACCEPT
-A mine -s 0.0.0.0/0 -p all -j RETURN
-A mine -p 6
-A mine -p 17 -j FROBNICATE
COMMIT
*nat
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p tcp -j DNAT --to-destination 192.0.2.1
-A OUTPUT -p udp -g elsewhere
COMMIT
`);

describe("ip_tables: rule:N", () => {
  it.each([
    ["filter:INPUT:rule:1", "accept", "ACCEPT", null],
    ["filter:INPUT:rule:2", "jump", "mine", "mine"],
    ["filter:INPUT:rule:3", "continue", "LOG", null],
    ["filter:INPUT:rule:4", "reject", "REJECT", null],
    ["filter:mine:rule:1", "accept", "ACCEPT", null],
    ["filter:mine:rule:3", "continue", null, null],
    ["nat:OUTPUT:rule:1", "accept", "DNAT", null],
    ["nat:OUTPUT:rule:2", "goto", "elsewhere", "elsewhere"],
  ])("%s: %s", (step, verdict, target, toChain) => {
    expect(resolveStep(legacy(step), RULES)).toMatchObject({
      kind: "rule",
      verdict,
      target,
      toChain,
      certainty: "from-rule",
      note: null,
    });
  });

  it("derives nothing from a target nobody knows", () => {
    expect(resolveStep(legacy("filter:mine:rule:4"), RULES)).toMatchObject({
      verdict: null,
      target: "FROBNICATE",
      certainty: "unknown",
      note: "what FROBNICATE does to the packet is not known",
    });
  });

  it("claims no rule where the listing cannot be the one in force", () => {
    const tooFar = resolveStep(legacy("filter:INPUT:rule:9"), RULES);
    expect(tooFar).toMatchObject({ rule: null, verdict: null, certainty: "unknown" });
    expect(tooFar.note).toBe("not the rules that were in force: this listing has 5 rules in the chain");
    const bare = resolveStep(legacy("filter:INPUT:rule:5"), RULES);
    expect(bare).toMatchObject({ rule: null, verdict: null });
    expect(bare.note).toBe(
      "not the rules that were in force, or written with `-i +`: rule 5 has no condition in this listing",
    );
  });

  it("knows where a built-in chain hangs without any listing", () => {
    expect(resolveStep(legacy("mangle:FORWARD:rule:1"), book())).toMatchObject({
      verdict: null,
      rule: null,
      chain: null,
      base: { hook: "forward", priority: -150, policy: null },
    });
    expect(resolveStep(legacy("mangle:mine:rule:1"), book()).base).toBeNull();
  });
});

describe("ip_tables: policy:N and return:N", () => {
  it("are the rule, where rule N has no condition", () => {
    const drop = resolveStep(legacy("filter:INPUT:policy:5"), RULES);
    expect(drop).toMatchObject({
      kind: "rule",
      verdict: "drop",
      certainty: "from-rule",
      rule: { number: 5 },
    });
    const back = resolveStep(legacy("filter:mine:return:2"), RULES);
    expect(back).toMatchObject({ kind: "rule", verdict: "return", target: "RETURN" });
  });

  it("are the chain's end behind its last rule", () => {
    expect(resolveStep(legacy("filter:INPUT:policy:6"), RULES)).toMatchObject({
      kind: "policy",
      verdict: "drop",
      rule: null,
      certainty: "from-rule",
      base: { hook: "input", policy: "drop" },
    });
    expect(resolveStep(legacy("filter:mine:return:5"), RULES)).toMatchObject({
      kind: "return",
      verdict: "return",
    });
  });

  it("are nothing where the listing does not fit", () => {
    for (const step of ["filter:INPUT:policy:2", "filter:mine:return:1", "filter:INPUT:policy:40"]) {
      const resolved = resolveStep(legacy(step), RULES);
      expect(resolved).toMatchObject({ rule: null, verdict: null, certainty: "unknown" });
      expect(resolved.note).toMatch(/^not the rules that were in force/);
    }
  });

  it("say nothing of the policy without a listing", () => {
    expect(resolveStep(legacy("filter:INPUT:policy:1"), book())).toMatchObject({
      kind: "policy",
      verdict: null,
    });
  });

  it("may be a listed rule whose interfaces -L does not show", () => {
    const list = book(
      "Chain INPUT (policy DROP)\ntarget prot opt source destination\nACCEPT all -- anywhere anywhere\n",
    );
    expect(resolveStep(legacy("filter:INPUT:policy:1"), list)).toMatchObject({
      kind: "rule",
      verdict: "accept",
    });
    expect(resolveStep(legacy("filter:INPUT:rule:1"), list)).toMatchObject({
      kind: "rule",
      verdict: "accept",
    });
  });
});

describe("a shortened listing", () => {
  const row = (port: number) => `0 0 ACCEPT udp -- * * 0.0.0.0/0 0.0.0.0/0 udp dpt:${port}`;
  const list = book(`Chain FORWARD (policy ACCEPT 0 packets, 0 bytes)
 pkts bytes target prot opt in out source destination
${row(1)}
${row(2)}
# ... ...
${row(99)}
`);

  it("gives the rules in front of the first gap", () => {
    expect(resolveStep(legacy("filter:FORWARD:rule:2"), list).rule?.short).toBe("-p udp --dport 2 -j ACCEPT");
  });

  it("gives no text behind it", () => {
    expect(resolveStep(legacy("filter:FORWARD:rule:3"), list)).toMatchObject({
      rule: null,
      verdict: null,
      note: "rule 3 is not shown: the listing leaves rules out",
    });
  });

  it("counts the rules by the policy's number", () => {
    expect(resolveStep(legacy("filter:FORWARD:policy:102"), list)).toMatchObject({
      kind: "policy",
      verdict: "accept",
      rule: null,
      note: "the listing leaves out 98 of 101 rules",
    });
  });

  it("is another one's, where it shows more than there was", () => {
    expect(resolveStep(legacy("filter:FORWARD:policy:3"), list).note).toMatch(
      /^not the rules that were in force/,
    );
  });
});

describe("commands", () => {
  const typed = book("iptables -A INPUT -p tcp --dport 1060 -j DROP");

  it("are believed as far as they fit, and the doubt is told", () => {
    expect(resolveStep(legacy("filter:INPUT:rule:1"), typed)).toMatchObject({
      verdict: "drop",
      rule: { text: "-A INPUT -p tcp --dport 1060 -j DROP" },
      note: "counted from commands, as if the chain had been empty before",
    });
    expect(resolveStep(legacy("filter:INPUT:policy:2"), typed)).toMatchObject({
      kind: "policy",
      verdict: null,
    });
    expect(resolveStep(legacy("filter:INPUT:policy:4"), typed).note).toBe(
      "the chain had 3 rules, the commands seen make 1",
    );
    expect(resolveStep(legacy("filter:INPUT:rule:7"), typed)).toMatchObject({ rule: null, verdict: null });
  });
});

describe("nf_tables", () => {
  const rules = book(`table inet fw {
	chain in {
		type filter hook input priority -5; policy drop;
		tcp dport 22 counter packets 0 bytes 0 accept # handle 4
		udp dport 53 reject with icmpx port-unreachable # handle 5
		jump more # handle 6
	}
	chain more {
	}
}
`);
  const step = (more: object) => nft({ family: "inet", table: "fw", chain: "in", ...more });

  it("finds the rule by handle and keeps the verdict that was said", () => {
    expect(resolveStep(step({ handle: 4n, verdict: "accept" }), rules)).toMatchObject({
      rule: { number: 1, handle: 4n },
      verdict: "accept",
      target: "accept",
      certainty: "said",
      base: { hook: "input", priority: -5, policy: "drop" },
    });
    expect(resolveStep(step({ handle: 6n, verdict: "jump", toChain: "more" }), rules)).toMatchObject({
      verdict: "jump",
      toChain: "more",
    });
  });

  it("calls a drop by a reject rule a reject", () => {
    expect(resolveStep(step({ handle: 5n, verdict: "drop" }), rules).verdict).toBe("reject");
    const text = "udp dport 53 reject with icmpx port-unreachable";
    expect(resolveStep(step({ ruleText: text, verdict: "drop" }), rules)).toMatchObject({
      verdict: "reject",
      rule: { handle: 5n },
    });
    expect(resolveStep(step({ ruleText: "counter reject", verdict: "drop" }), book()).verdict).toBe("reject");
  });

  it("says when the listing has no such handle, or none at all", () => {
    expect(resolveStep(step({ handle: 77n, verdict: "drop" }), rules)).toMatchObject({
      rule: null,
      verdict: "drop",
      note: "no rule with handle 77 in this chain's listing",
    });
    const bare = book("table inet fw {\n\tchain in {\n\t\taccept\n\t}\n}\n");
    expect(resolveStep(step({ handle: 4n, verdict: "drop" }), bare).note).toMatch(/no handles/);
  });

  it("takes the policy from the listing only where the trace is silent", () => {
    expect(resolveStep(step({ step: "policy", verdict: "accept" }), rules)).toMatchObject({
      verdict: "accept",
      certainty: "said",
    });
    expect(resolveStep(step({ step: "policy", verdict: null }), rules)).toMatchObject({
      verdict: "drop",
      certainty: "from-rule",
    });
  });
});
