/** What conntrack says beside a trace, and changes of the rules while it runs. */
import { describe, expect, test } from "vitest";
import { Explainer } from "../../../src/core/diagnosis/explainer.ts";
import type { RulesChangedEvent, StepEvent } from "../../../src/core/events/event.ts";
import { RuleBook } from "../../../src/core/rulesets/rule-book.ts";
import { readRulesets } from "../../../src/core/rulesets/ruleset-reader.ts";
import { type JourneyContract, journeyContract } from "../../../src/core/views/contract.ts";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { TraceLog } from "../../support/trace-log.ts";

const REPLY = "src=10.0.0.2 dst=203.0.113.7 sport=5353 dport=61000";
const FLOW = `udp 17 29 src=192.0.2.1 dst=198.51.100.1 sport=40000 dport=53 ${REPLY} [ASSURED] mark=0 use=1\n`;

async function explain(log: TraceLog, flows: string, rules = ""): Promise<readonly JourneyContract[]> {
  const inputs = [textInput("log", log.text), textInput("flows", `$ conntrack -L\n${flows}`)];
  if (rules !== "") inputs.push(textInput("rules", rules));
  return (await explainInputs(inputs)).journeys;
}

function what(journey: JourneyContract | undefined, cause: string): string | undefined {
  return journey?.findings.find((finding) => finding.cause === cause)?.what;
}

describe("a translation that conntrack tells", () => {
  const later = { in: "eth0", id: 5 };

  test("is named exactly for a later packet, though no packet showed it", async () => {
    const log = new TraceLog().at("mangle:PREROUTING:policy:1", later).at("mangle:INPUT:policy:1", later);
    const [journey] = await explain(log, FLOW);
    expect(what(journey, "nat-from-conntrack")).toBe(
      "a later packet of a translated connection: no nat chain is asked; its source 192.0.2.1:40000 becomes " +
        "203.0.113.7:61000, its destination 198.51.100.1:53 becomes 10.0.0.2:5353, as conntrack has it",
    );
  });

  test("is named for a reply", async () => {
    const came = { in: "eth1", src: "10.0.0.2", sport: 5353, dst: "203.0.113.7", dport: 61000, id: 6 };
    const log = new TraceLog().at("mangle:PREROUTING:policy:1", came).at("mangle:FORWARD:policy:1", came);
    const [journey] = await explain(log, FLOW);
    expect(what(journey, "nat-from-conntrack")).toContain(
      "a reply: its source 10.0.0.2:5353 goes back to 198.51.100.1:53 without a nat chain, as conntrack has it",
    );
  });

  test("says what masquerading made of the source", async () => {
    const packet = { in: "eth0", out: "eth1", id: 7 };
    const rules =
      "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n";
    const log = new TraceLog().at("nat:POSTROUTING:rule:1", packet);
    const [exact] = await explain(log, FLOW, rules);
    expect(what(exact, "snat")).toContain("leave as 203.0.113.7:61000 instead of 192.0.2.1:40000");
    const [vague] = await explain(log, "", rules);
    expect(what(vague, "snat")).toContain("leave as the address of the interface it leaves by");
  });

  test("of another connection, or one that is not translated, is no finding", async () => {
    const log = new TraceLog().at("mangle:PREROUTING:policy:1", { ...later, sport: 40001 });
    expect(what((await explain(log, FLOW))[0], "nat-from-conntrack")).toBeUndefined();
    const plain = FLOW.replace(REPLY, "src=198.51.100.1 dst=192.0.2.1 sport=53 dport=40000");
    const same = new TraceLog().at("mangle:PREROUTING:policy:1", later);
    expect(what((await explain(same, plain))[0], "nat-from-conntrack")).toBeUndefined();
    // The same ports again, this time without NAT: what was known of the old connection is over.
    expect(what((await explain(same, FLOW + plain))[0], "nat-from-conntrack")).toBeUndefined();
    expect(what((await explain(same, plain + FLOW))[0], "nat-from-conntrack")).toBeDefined();
  });
});

describe("a trace without conntrack's view, as kernels before 6.16 make it", () => {
  const flow = FLOW.replace(" use=1", " use=1 id=77");
  const answer = { in: "eth1", src: "10.0.0.2", sport: 5353, dst: "203.0.113.7", dport: 61000, id: 6 };

  test("has the entry of its connection where conntrack told it, and no state, which only the kernel knew", async () => {
    const log = new TraceLog()
      .at("mangle:PREROUTING:policy:1", { in: "eth0", id: 5 })
      .at("mangle:PREROUTING:policy:1", answer);
    const [asked, answered] = await explain(log, flow);
    expect(asked?.conntrack).toMatchObject({ id: 77, direction: "original", state: null });
    expect(asked?.conntrack?.status).toContain("assured");
    expect(answered?.conntrack).toMatchObject({ id: 77, direction: "reply", state: null });
  });

  test("has none of a connection that conntrack did not tell of", async () => {
    const log = new TraceLog().at("mangle:PREROUTING:policy:1", { in: "eth0", id: 5, sport: 40001 });
    expect((await explain(log, flow))[0]?.conntrack).toBeNull();
  });
});

const RULES = `table inet fw { # handle 1
  chain in { # handle 1
    type filter hook input priority 0; policy accept;
    udp dport 9 accept # handle 2
  }
}
table inet late { # handle 2
  chain in { # handle 1
    type filter hook input priority 10; policy accept;
    counter # handle 2
  }
}`;

describe("a change of the rules", () => {
  const origin = { input: "nftables", line: null, raw: "" };
  const change = (...tables: string[]): RulesChangedEvent => {
    return {
      kind: "rules-changed",
      origin,
      time: null,
      netns: null,
      generation: 2,
      pid: 7,
      process: "nft",
      tables,
    };
  };
  const step = (table: string): StepEvent => ({
    kind: "step",
    origin,
    time: null,
    netns: null,
    tracer: "nft",
    family: "inet",
    table,
    chain: "in",
    step: "rule",
    number: null,
    handle: 2n,
    verdict: "accept",
    toChain: null,
    ruleText: null,
    traceId: 1,
    sighting: null,
    mark: null,
    conntrack: null,
  });

  function explained(...events: readonly (StepEvent | RulesChangedEvent)[]): JourneyContract | undefined {
    const explainer = new Explainer(
      new RuleBook(readRulesets(RULES, { input: "rules", netns: null }).rulesets),
    );
    for (const event of events) explainer.add(event);
    return explainer.end().map(journeyContract)[0];
  }

  test("before a step in a changed table is a finding with that step as evidence", () => {
    const journey = explained(change("inet late"), step("fw"), step("late"));
    expect(journey?.findings.find(({ cause }) => cause === "rules-changed")).toMatchObject({
      severity: "warning",
      what: expect.stringContaining(
        "table inet late was changed by nft (process 7) after the rules were listed",
      ),
      evidence: [1],
    });
    expect(journey?.outcome.verdict).toBe("delivered");
  });

  test("of tables that nobody knows concerns all of nft's", () => {
    expect(what(explained(change(), step("fw"), step("late")), "rules-changed")).toContain(
      "1 more of its tables",
    );
  });

  test("behind the last step, in another table or in nfpath's own is none", () => {
    for (const events of [
      [step("fw"), step("late"), change("inet late")],
      [change("inet other"), step("fw"), step("late")],
      [change("inet nfpath_0a1b"), step("fw"), step("late")],
    ])
      expect(what(explained(...events), "rules-changed")).toBeUndefined();
  });

  test("may have taken away the chain that is silent: the packet has not vanished", () => {
    expect(explained(step("fw"))?.outcome.verdict).toBe("vanished");
    const journey = explained(change("inet late"), step("fw"));
    expect(journey?.outcome).toMatchObject({ verdict: "unknown", cause: "rules-changed" });
    expect(what(journey, "rules-changed")).toContain("table inet late was changed");
  });
});
