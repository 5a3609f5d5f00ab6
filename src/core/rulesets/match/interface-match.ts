/** Interfaces in rules. A name that ends in `+` (iptables) or `*` (nft) stands for all that begin so. */
import { alternativesOf } from "./alternatives.ts";
import { type Answer, answer, type Circumstances, notKnown } from "./answer.ts";

export function isInterface(side: "in" | "out", value: string, circumstances: Circumstances): Answer {
  const { sighting, hook } = circumstances;
  const seen = side === "in" ? sighting.in : sighting.out;
  const isNone =
    side === "in" ? hook === "output" : hook === "prerouting" || hook === "input" || hook === "ingress";
  if (seen === null && !isNone)
    return notKnown(`the interface it ${side === "in" ? "came in by" : "leaves by"} was not told`);
  const found = alternativesOf(value, circumstances);
  if (found.kind === "not-known") return found.answer;
  // To the kernel an interface that is not there has an empty name.
  const name = seen ?? "";
  const isSo = found.values.some((pattern) => isName(name, pattern.replace(/^"(.*)"$/, "$1")));
  if (seen === null)
    return answer(isSo, side === "in" ? "it was made here and came in nowhere" : "it has no way out yet");
  return answer(isSo, side === "in" ? `it came in by ${seen}` : `it leaves by ${seen}`);
}

function isName(name: string, pattern: string): boolean {
  return /[+*]$/.test(pattern) ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
