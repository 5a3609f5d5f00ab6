import { describe, expect, it } from "vitest";
import { RulesetReader, readRulesets } from "../../../src/core/rulesets/ruleset-reader.ts";
import { read, rulesOf } from "./read.ts";

const TRACE =
  "[ 7579.448153] TRACE: raw:OUTPUT:policy:2 IN= OUT=lo SRC=192.0.2.1 DST=192.0.2.2 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=1 DPT=2 ";

const MAIL = `Hello,

since the upgrade *nothing* works. What I see:

> ${TRACE}
> *filter
> :INPUT DROP [0:0]
> -A INPUT -i lo -j ACCEPT
> COMMIT

and in nat:

\`\`\`
# iptables -t nat -L -n
Chain PREROUTING (policy ACCEPT)
target     prot opt source               destination
DNAT       tcp  --  0.0.0.0/0            0.0.0.0/0            tcp dpt:80 to:192.0.2.9:80
\`\`\`

    table inet fw {
      chain in {
        accept
      }
    }

${TRACE}
I tried \`iptables -A INPUT -p tcp --dport 80 -j ACCEPT\` but no luck: the table is full.
* nat is not the problem, I think.
- Bob
`;

describe("a file of everything", () => {
  const rulesets = read(MAIL);

  it("gives up its rules", () => {
    expect(
      rulesets.map((one) => [
        one.format,
        one.tables.map((table) => table.name).join(),
        rulesOf([one]).length,
      ]),
    ).toEqual([
      ["iptables-save", "filter", 1],
      ["iptables-list", "nat", 1],
      ["nft-text", "fw", 1],
      ["iptables-commands", "filter", 1],
    ]);
  });

  it("keeps the lines of the input", () => {
    expect(rulesOf(rulesets).map((rule) => rule.line)).toEqual([8, 17, 22, 27]);
  });

  it("tells for each line whether it was rules", () => {
    const reader = new RulesetReader({ input: "mail" });
    const taken = MAIL.split("\n").filter((line, index) => reader.read(line, index + 1));
    expect(taken.some((line) => line.includes("TRACE"))).toBe(false);
    expect(taken).not.toContain("and in nat:");
    expect(taken).toContain("> -A INPUT -i lo -j ACCEPT");
    expect(reader.end()).toHaveLength(4);
  });
});

describe("what is no ruleset", () => {
  it.each([
    ["", ""],
    ["a trace", `${TRACE}\n`.repeat(3)],
    ["nft's trace", "trace id 0000abcd ip filter INPUT rule tcp dport 22 accept (verdict accept)\n"],
    ["a log", "Jan  1 00:00:00 fw kernel: DROP IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 PROTO=UDP\n"],
    ["a list", "* nat\n* filter\n* and others\n"],
    ["a diff", "--- a/x\n+++ b/x\n- A line\n"],
    ["options", "-h  print help\n-v  be verbose\n"],
    ["JSON", '{\n  "a": { "nft": 1 }\n}\n'],
    ["a table of prose", "table of contents {\n}\n"],
    ["bytes", "\u0000\u0001\u0002{}[]*:#-A\u0000"],
    ["a chain", "Chain of command (policy of the firm)\n"],
  ])("%s", (_, text) => {
    expect(readRulesets(text, { input: "x" })).toEqual({ rulesets: [], problems: [] });
  });
});

describe("forced", () => {
  it("says which lines it could not read", () => {
    const text = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\nwhat is this\n# a comment\n\n";
    const { rulesets, problems } = readRulesets(text, { input: "x", force: true });
    expect(rulesOf(rulesets)).toHaveLength(1);
    expect(problems).toEqual([{ line: 5, text: "what is this", reason: "not understood as rules" }]);
  });

  it("reads tables it has never heard of", () => {
    const { rulesets } = readRulesets("*strange\n:X - [0:0]\nCOMMIT\n", { input: "x", force: true });
    expect(rulesets[0]?.tables[0]?.name).toBe("strange");
  });

  it("survives a trace where rules should be", () => {
    const { rulesets, problems } = readRulesets(TRACE, { input: "x", force: true });
    expect(rulesets).toEqual([]);
    expect(problems).toHaveLength(1);
  });
});

it("reads text with the line ends of other systems", () => {
  expect(rulesOf(read("*filter\r\n:INPUT ACCEPT [0:0]\r\n-A INPUT -j DROP\r\nCOMMIT\r\n"))[0]?.target).toBe(
    "DROP",
  );
});

it("carries input and namespace", () => {
  const { rulesets } = readRulesets("iptables -A INPUT -j DROP", { input: "a.txt", netns: "blue" });
  expect(rulesets[0]).toMatchObject({ input: "a.txt", netns: "blue" });
});
