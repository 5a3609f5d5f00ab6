/**
 * Rules that the kernel's tracer does not call rules.
 *
 * `get_chainname_rulenum` (net/ipv4/netfilter/ip_tables.c, ip6_tables.c) takes an entry for the tail of its chain when it
 * has no match at all, not even a comment, an empty address part, and a STANDARD target with an absolute verdict:
 * ACCEPT, DROP, QUEUE or RETURN. It prints `policy` in a built-in chain and `return` in any other, at the rule's own
 * number. A `-j REJECT` or a jump is never such a tail.
 *
 * One trap, seen on Linux 6.18: `-i +` and `-o +` fit every interface and `iptables-save` does not print them, yet their
 * `+` stays in the entry. Such a rule looks bare and is traced as `rule`.
 */
import type { Match, Rule } from "./ruleset.ts";

/** The opaque condition of a listing without `-v`, which shows no interfaces. */
export const INTERFACES_NOT_SHOWN = "interfaces not shown";

/**
 * - `yes`: the kernel prints this rule as `policy` or `return`.
 * - `no`: as `rule`.
 * - `maybe`: the source does not show all of its conditions.
 */
export function isTailEntry(rule: Rule): "yes" | "no" | "maybe" {
  const first = rule.statements[0];
  if (first === undefined || rule.statements.length > 1) return "no";
  const isStandard =
    first.kind === "accept" ||
    first.kind === "drop" ||
    first.kind === "return" ||
    (first.kind === "queue" && rule.target === "QUEUE");
  if (!isStandard) return "no";
  let answer: "yes" | "maybe" = "yes";
  for (const match of rule.matches) {
    if (match.kind === "opaque" && match.value === INTERFACES_NOT_SHOWN) answer = "maybe";
    else if (!isEmptyCondition(match)) return "no";
  }
  return answer;
}

/** A condition that leaves the entry's address part at zero: `-s 0.0.0.0/0`, `-p all`, `-4`. */
export function isEmptyCondition(match: Match): boolean {
  if (match.negated) return false;
  switch (match.kind) {
    case "source":
    case "destination":
      return /\/0(\.0\.0\.0)?$|^any(where)?$/.test(match.value);
    case "protocol":
      return (match.value === "all" || match.value === "0") && !match.text.startsWith("-m");
    case "family":
      return match.text === "-4" || match.text === "-6";
    default:
      return false;
  }
}
