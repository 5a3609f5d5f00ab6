/** Why a rule did not match: asked and failed, not reached, not entered, not on the way; and not known where it is not. */
import { describe, expect, test } from "vitest";
import { type WhyNot, whyNot } from "../../../src/core/diagnosis/why-not.ts";
import { RuleBook } from "../../../src/core/rulesets/rule-book.ts";
import { findTarget } from "../../../src/core/rulesets/rule-target.ts";
import { explainInputs } from "../../support/explained.ts";
import { textInput } from "../../support/text-inputs.ts";
import { type LoggedPacket, TraceLog } from "../../support/trace-log.ts";

const RULES = `*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p udp -m udp --dport 99 -j DNAT --to-destination 10.0.0.2
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:guests - [0:0]
:inner - [0:0]
:nobody - [0:0]
-A INPUT -j ACCEPT
-A FORWARD -p udp -m udp --dport 67 -j DROP
-A FORWARD ! -i eth0 -o eth1 -s 192.0.2.0/24 -m conntrack --ctstate NEW -j ACCEPT
-A FORWARD -i eth9 -j guests
-A FORWARD -p udp -m set --match-set friends src -j ACCEPT
-A FORWARD -p udp -m comment --comment "the last one" -j ACCEPT
-A FORWARD -s 192.0.2.1/32 -j DROP
-A guests -p tcp -j inner
-A inner -p udp -j ACCEPT
-A nobody -j DROP
COMMIT
`;

const PACKET: LoggedPacket = { in: "eth0", out: "eth1" };

/** A UDP packet to port 53 that rule 5 of FORWARD accepts. */
async function ask(
  name: string,
  rules = RULES,
  log = new TraceLog().at("filter:FORWARD:rule:5", PACKET),
  host: string | null = null,
): Promise<WhyNot | null> {
  const { explained, report } = await explainInputs([
    textInput("log", log.text),
    textInput("rules", rules),
    ...(host === null ? [] : [textInput("host", host)]),
  ]);
  const found = findTarget(name, new RuleBook(report.rulesets));
  if (!found.ok) throw new Error(found.error.message);
  const [journey] = explained;
  return journey === undefined ? null : whyNot(journey, found.value);
}

function failing(why: WhyNot | null): readonly string[] {
  return (
    why?.answers
      .filter(({ holds }) => holds === "failed")
      .map(({ match, words }) => `${match.text}: ${words}`) ?? []
  );
}

describe("the fate of a rule", () => {
  test("asked, and the condition that failed", async () => {
    const why = await ask("filter:FORWARD:1");
    expect(why).toMatchObject({ fate: "tested", holds: "failed" });
    expect(failing(why)).toEqual(["-m udp --dport 67: it goes to port 53"]);
  });

  test("negation, and what the trace does not tell", async () => {
    const why = await ask("filter:FORWARD:2");
    expect(failing(why)).toEqual(["! -i eth0: it came in by eth0"]);
    expect(why?.answers.map(({ holds }) => holds)).toEqual(["failed", "matched", "matched", "not-known"]);
  });

  test("an ipset is asked as it was listed", async () => {
    const sets = "# ipset save\ncreate friends hash:net family inet\nadd friends 198.51.100.0/24\n";
    const why = await ask("filter:FORWARD:4", RULES, undefined, sets);
    expect(why).toMatchObject({ fate: "tested", holds: "failed" });
    expect(failing(why)).toEqual([
      expect.stringContaining("was not among the 1 of ipset friends when it was listed"),
    ]);
  });

  test("a condition that nobody here can answer leaves the rule not known", async () => {
    const why = await ask("filter:FORWARD:4");
    expect(why).toMatchObject({ fate: "tested", holds: "not-known" });
    expect(why?.answers[1]?.words).toContain("ipset save friends");
  });

  test("it did match", async () => {
    expect(await ask("the last one")).toMatchObject({ fate: "matched", holds: "matched" });
  });

  test("another rule decided before it", async () => {
    const why = await ask("filter:FORWARD:6");
    expect(why).toMatchObject({
      fate: "not-reached",
      words: "it was never asked: filter:FORWARD rule 5 decided before it (accept)",
    });
  });

  test("its chain was never entered, and why not, all the way up", async () => {
    const why = await ask("filter:inner:1");
    expect(why).toMatchObject({
      fate: "not-entered",
      leading: [{ fate: "not-entered", leading: [{ fate: "tested" }] }],
    });
    expect(failing(why?.leading[0]?.leading[0] ?? null)).toEqual(["-i eth9: it came in by eth0"]);
    expect((await ask("filter:nobody:1"))?.words).toBe("no rule of the listing leads to its chain nobody");
  });

  test("its hook is not on the packet's way", async () => {
    expect(await ask("filter:INPUT:1")).toMatchObject({
      fate: "elsewhere",
      words: "it never came to INPUT: its way does not lead there (forwarded, and ends at FORWARD)",
    });
  });

  test("nat was not asked for a later packet of a connection", async () => {
    const log = new TraceLog()
      .at("raw:PREROUTING:policy:1", { in: "eth0" })
      .at("filter:FORWARD:rule:5", PACKET);
    expect((await ask("nat:PREROUTING:1", RULES, log))?.words).toContain("first packet of a connection only");
  });

  test("the trace ends before it can be told", async () => {
    const cut = RULES.replace(
      '-A FORWARD -p udp -m comment --comment "the last one" -j ACCEPT',
      "-A FORWARD -p udp -j NFLOG",
    );
    expect(await ask("filter:FORWARD:6", cut)).toMatchObject({ fate: "not-known" });
  });

  test("a rule of the other family is no question", async () => {
    const v6 =
      "table ip6 fw {\n\tchain forward {\n\t\ttype filter hook forward priority 0; policy drop;\n\t\taccept # handle 4\n\t}\n}\n";
    expect(await ask("ip6 fw forward handle 4", RULES + v6)).toBeNull();
  });
});

describe("the name of a rule", () => {
  const book = async (text: string) => {
    const log = textInput("log", new TraceLog().at("filter:FORWARD:rule:5", PACKET).text);
    return new RuleBook((await explainInputs([log, textInput("rules", text)])).report.rulesets);
  };

  test.each([
    ["filter:FORWARD:1", "--dport 67"],
    ["filter:FORWARD rule 1", "--dport 67"],
    ["ip:filter:FORWARD:1", "--dport 67"],
    ["-A FORWARD -p udp -m udp --dport 67 -j DROP", "--dport 67"],
    ["-p udp -m udp --dport 67 -j DROP", "--dport 67"],
    ["--dport 67", "--dport 67"],
  ])("%s", async (name, words) => {
    const found = findTarget(name, await book(RULES));
    expect(found.ok && found.value[0]?.rule.text).toContain(words);
  });

  test.each([
    ["filter:FORWARD:9", "has 6 rules in the listing"],
    ["filter:NOSUCH:1", "no listing has the chain filter:NOSUCH"],
    ["-p udp", "rules read so"],
    ["no such words", "no rule reads no such words"],
  ])("%s is refused with a reason", async (name, reason) => {
    const found = findTarget(name, await book(RULES));
    expect(found.ok ? "" : found.error.message).toContain(reason);
  });
});
