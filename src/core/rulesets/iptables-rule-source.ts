/**
 * A rule as its source wrote it, read in full when it is asked about.
 *
 * A host with Kubernetes has a hundred thousand rules, and a packet meets thirty of them: of the others the words are kept, and
 * the few facts that are needed to know what they are rules of.
 */
import type { Family } from "../netfilter/family.ts";
import { parseRuleWords, type RuleSpecification } from "./iptables-rule.ts";
import { restoreWords } from "./words.ts";

export class RuleSource {
  /** What stands behind `-A CHAIN`. */
  readonly words: string;
  /** What it is a target of, as named; null for a rule that only counts. */
  readonly target: string | null;
  /** The family that such a rule can only be of, by what it asks for; null where it may be of either. */
  readonly family: "ip" | "ip6" | null;
  /** The family that `-4` or `-6` keeps it to. */
  readonly onlyIn: Family | null;
  readonly #specification: RuleSpecification | null;

  /**
   * @param words that read as `specification`
   * @param isKept whether they do not: `specification` says more than the words, or was written in another spelling
   */
  constructor(words: string, specification: RuleSpecification, isKept: boolean) {
    this.words = words;
    this.target = specification.target?.name ?? null;
    this.family = familyOf(specification);
    this.onlyIn = (specification.matches.find(({ kind }) => kind === "family")?.value ??
      null) as Family | null;
    this.#specification = isKept ? specification : null;
  }

  read(): RuleSpecification {
    return this.#specification ?? parseRuleWords(restoreWords(this.words));
  }
}

/** An IPv6 address is the plainest sign: no IPv4 rule has one. */
function familyOf({ matches, target }: RuleSpecification): "ip" | "ip6" | null {
  let isIpv4 = false;
  for (const { kind, value, text } of matches) {
    if (kind === "source" || kind === "destination") {
      if (value.includes(":")) return "ip6";
      if (/^\d+\.\d+\.\d+\.\d+/.test(value)) isIpv4 = true;
    } else if (kind === "protocol") {
      if (/^(ipv6-icmp|icmpv6|58)$/.test(value)) return "ip6";
      if (value === "icmp") isIpv4 = true;
    } else if (kind === "icmp-type" && text.includes("--icmpv6-type")) {
      return "ip6";
    }
  }
  if (target?.options.some((word) => word.value.startsWith("icmp6-")) === true) return "ip6";
  return isIpv4 ? "ip" : null;
}
