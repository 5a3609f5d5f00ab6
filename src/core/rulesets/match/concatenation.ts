/** nft's concatenations: `ip saddr . tcp dport { 192.0.2.1 . 80 }`, or a named set of such. Each part must hold. */

import { selectorAt } from "../nft-selectors.ts";
import { nftWords } from "../nft-words.ts";
import type { Match } from "../ruleset.ts";
import { alternativesOf } from "./alternatives.ts";
import { type Answer, allOf, anyOf, type Circumstances, type MatchAnswer, notKnown } from "./answer.ts";

type Evaluate = (match: Match, circumstances: Circumstances) => MatchAnswer;

/** Null: the condition is no concatenation. */
export function evaluateConcatenation(
  { text, value }: Match,
  circumstances: Circumstances,
  evaluate: Evaluate,
): Answer | null {
  const words = nftWords(text);
  if (!words.includes(".") || text.startsWith("-")) return null;
  const selectors: { text: string; kind: Match["kind"] }[] = [];
  let at = 0;
  for (;;) {
    const next = words.indexOf(".", at);
    const end = next === -1 ? words.length : next;
    const one = selectorAt(words.slice(at, end), 0);
    if (one === null) return null;
    selectors.push({ text: words.slice(at, at + one.length).join(" "), kind: one.kind });
    if (next === -1 || at + one.length < end) break;
    at = next + 1;
  }
  if (selectors.length < 2) return null;
  const found = alternativesOf(value, circumstances, null);
  if (found.kind === "not-known") return found.answer;
  const elements = found.values.map((element) => {
    const parts = element.split(/\s+\.\s+/);
    if (parts.length !== selectors.length) return "not-known" as const;
    return allOf(
      selectors.map(({ text: selector, kind }, index) => {
        const part = parts[index] ?? "";
        const match = { kind, negated: false, value: part, text: `${selector} ${part}` };
        return evaluate(match, circumstances).holds;
      }),
    );
  });
  const holds = anyOf(elements);
  const own = selectors.map(({ text: selector, kind }) => seen(selector, kind, circumstances)).join(" . ");
  const where = found.set === null ? "" : ` in set ${found.set} as it was listed`;
  if (holds === "not-known") return notKnown(`whether ${own} is one of them is not known here`);
  return {
    holds,
    words: `${own} is ${holds === "matched" ? "one" : "none"} of the ${found.values.length}${where}`,
  };
}

function seen(selector: string, kind: Match["kind"], { sighting, mark }: Circumstances): string {
  const { packet } = sighting;
  const values: Partial<Record<Match["kind"], string | number | null>> = {
    source: packet.src,
    destination: packet.dst,
    "source-port": packet.sport,
    "destination-port": packet.dport,
    protocol: packet.protocol,
    "in-interface": sighting.in,
    "out-interface": sighting.out,
    mark,
  };
  return String(values[kind] ?? selector);
}
