/** How a packet ended: in words, and as a key that is equal for packets that ended alike wherever the rule stands. */
import type { Explained } from "./diagnose.ts";
import { lastPartOf } from "./parts.ts";
import { chainName, ruleName, ruleText } from "./rule-words.ts";

export interface EndName {
  readonly key: string;
  /** `dropped by filter:FORWARD rule 4` */
  readonly words: string;
}

export function endOf(explained: Explained): EndName {
  const { journey, outcome, findings } = lastPartOf(explained);
  const { verdict, out } = outcome;
  if (verdict === "dropped" || verdict === "rejected") {
    const step = journey.steps.findLast((one) => one.verdict === "drop" || one.verdict === "reject");
    if (step === undefined) return { key: verdict, words: verdict };
    const name = step.kind === "rule" ? ruleName(step) : `${chainName(step)}'s policy`;
    const text = step.kind === "rule" ? ruleText(step) : null;
    return { key: `${verdict} ${chainName(step)} ${text ?? name}`, words: `${verdict} by ${name}` };
  }
  const silent = findings.some(({ cause }) => cause === "no-reply") ? ", no reply" : "";
  const words = `${verdict}${out === null ? "" : ` out ${out}`}${silent}`;
  return { key: words, words };
}
