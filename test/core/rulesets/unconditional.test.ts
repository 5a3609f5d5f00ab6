import { expect, it } from "vitest";
import { isTailEntry } from "../../../src/core/rulesets/unconditional.ts";
import { read, rulesOf } from "./read.ts";

// What Linux 6.18 called each of these was seen in its log: `return` for yes, `rule` for no.
it.each([
  ["-j ACCEPT", "yes"],
  ["-j QUEUE", "yes"],
  ["-s 0.0.0.0/0 -j RETURN", "yes"],
  ["-s 192.0.2.1/0 -d 0/0 -j RETURN", "yes"],
  ["-p all -j RETURN", "yes"],
  ["-4 -j RETURN", "yes"],
  ["-i + -j RETURN", "no"],
  ["-o + -j RETURN", "no"],
  ["-m comment --comment x -j RETURN", "no"],
  ["-j NFQUEUE --queue-bypass", "no"],
  ["-j REJECT", "no"],
  ["-j mine", "no"],
  ["-p tcp", "no"],
])("%s: %s", (words, answer) => {
  const [rule] = rulesOf(read(`*filter\n:mine - [0:0]\n-A INPUT ${words}\nCOMMIT\n`));
  expect(rule === undefined ? null : isTailEntry(rule)).toBe(answer);
});

it("maybe, where a listing does not show the interfaces", () => {
  const text =
    "Chain INPUT (policy DROP)\ntarget prot opt source destination\nACCEPT all -- anywhere anywhere\n";
  expect(rulesOf(read(text)).map(isTailEntry)).toEqual(["maybe"]);
});
