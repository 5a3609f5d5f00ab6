import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseNftRule } from "../../../src/core/rulesets/nft-rule.ts";
import { readRulesets } from "../../../src/core/rulesets/ruleset-reader.ts";
import { quoteWord, restoreWords } from "../../../src/core/rulesets/words.ts";
import { writeIptablesSave } from "../../../src/core/rulesets/write-iptables-save.ts";
import { readOne, rulesOf } from "./read.ts";

/** Pieces that the readers look for, so that random text gets past the first character. */
const PIECES = [
  "*filter",
  "*nat\n",
  ":INPUT ACCEPT [0:0]",
  "COMMIT\n",
  "-A INPUT ",
  "-j DROP",
  " ! -i",
  '-m comment --comment "',
  "[1:2] ",
  "-P INPUT DROP\n",
  "Chain INPUT (policy ACCEPT 1 packets, 2K bytes)\n",
  "target     prot opt source               destination\n",
  "ACCEPT     all  --  0.0.0.0/0            ",
  "iptables -t nat -I ",
  "table ip x {\n",
  "chain y {\n",
  "type filter hook input priority 0; policy drop;",
  "tcp dport { 22",
  " # handle 7\n",
  '{"nftables": [',
  '{"rule": {"family": "ip", "expr": [null]}}',
  "nft add rule ip x y ",
  "...",
  "\\\n",
  "\n",
  " ",
  '"',
  "}",
  "{",
  ";",
];
const text = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: "binary", maxLength: 12 })), {
    maxLength: 40,
  })
  .map((parts) => parts.join(""));

describe("any text", () => {
  it("is read without a throw, forced or not", () => {
    fc.assert(
      fc.property(text, fc.boolean(), (input, force) => {
        const { rulesets } = readRulesets(input, { input: "x", force });
        for (const ruleset of rulesets) {
          for (const rule of rulesOf([ruleset])) expect(rule.number === null || rule.number > 0).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("loses no word of an nft rule", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(
            ..."ip saddr tcp dport 22 != accept counter set mark meta { 1 } jump x @s map vmap limit rate".split(
              " ",
            ),
          ),
          { maxLength: 12 },
        ),
        (words) => {
          const { matches, statements, short } = parseNftRule(words.join(" "));
          const kept = words.filter((word) => word !== "counter").length;
          expect(short.split(/\s+/).filter((word) => word !== "" && word !== "counter")).toHaveLength(kept);
          expect(matches.length + statements.length > 0).toBe(words.length > 0);
        },
      ),
    );
  });

  it("is quoted as iptables would, and comes back", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        fc.pre(!/[\n\r\v\f\u00a0\u2028]/.test(value));
        expect(restoreWords(quoteWord(value)).map((word) => word.value)).toEqual([value]);
      }),
    );
  });
});

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,10}$/).filter((word) => !/^[A-Z]+$/.test(word));
const address = fc
  .tuple(fc.nat(255), fc.constantFrom("8", "24", "32"))
  .map(([n, length]) => `192.0.2.${n}/${length}`);
const port = fc.oneof(fc.nat(65535).map(String), fc.constant("1024:65535"));
const negation = fc.constantFrom("", "! ");
const comment = fc.string({ unit: fc.constantFrom(..."ab -j\"'\\#;!"), maxLength: 20 });

const condition = fc.oneof(
  fc
    .tuple(negation, fc.constantFrom("-i", "-o"), name)
    .map(([not, option, value]) => `${not}${option} ${value}`),
  fc
    .tuple(negation, fc.constantFrom("-s", "-d"), address)
    .map(([not, option, value]) => `${not}${option} ${value}`),
  fc.tuple(negation, port).map(([not, value]) => `-p tcp -m tcp ${not}--dport ${value}`),
  comment.map((value) => `-m comment --comment ${quoteWord(value)}`),
  fc.constantFrom(
    "-m conntrack --ctstate RELATED,ESTABLISHED",
    "-m limit --limit 5/min --limit-burst 7",
    "-m set ! --match-set s src",
    "-p tcp -m tcp --tcp-flags SYN,RST SYN",
  ),
);
const target = fc.oneof(
  fc.constantFrom("-j ACCEPT", "-j DROP", "-j RETURN", "-j REJECT --reject-with tcp-reset", "-j TRACE", ""),
  fc.constantFrom(
    "-j DNAT --to-destination 192.0.2.1:80 --random",
    "-j MARK --set-xmark 0x1/0xff",
    "-j STRANGE --x 1",
  ),
  name.map((chain) => `-j ${chain}`),
  name.map((chain) => `-g ${chain}`),
  comment.map((value) => `-j LOG --log-prefix ${quoteWord(value)}`),
);
const rule = fc
  .tuple(fc.array(condition, { maxLength: 4 }), target)
  .map(([conditions, action]) => [...conditions, action].filter((part) => part !== "").join(" "))
  .filter((words) => words !== "");

describe("any ruleset", () => {
  it("is the same after it was written and read", () => {
    fc.assert(
      fc.property(fc.array(rule, { minLength: 1, maxLength: 8 }), (rules) => {
        const lines = rules.map((words) => `-A FORWARD ${words}`);
        const written = `*mangle\n:FORWARD DROP [1:2]\n${lines.join("\n")}\nCOMMIT\n`;
        const once = readOne(written);
        expect(once.problems).toEqual([]);
        expect(writeIptablesSave(once)).toBe(written);
        expect(readOne(writeIptablesSave(once))).toEqual(once);
      }),
      { numRuns: 500 },
    );
  });
});
