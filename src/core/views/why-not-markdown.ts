/** Why a rule did not match a packet, as Markdown. */
import type { Explained } from "../diagnosis/diagnose.ts";
import type { WhyNot } from "../diagnosis/why-not.ts";
import { codeSpan, escapeText } from "./markdown.ts";
import { targetName } from "./why-not-tree.ts";
import { packetWords } from "./words.ts";

/** Lines without ends. */
export function markdownWhyNot({ journey }: Explained, why: WhyNot | null): readonly string[] {
  const packet = journey.first?.packet ?? null;
  const who = packet === null ? "no headers were shown" : packetWords(packet, "→").join(", ");
  const lines = [`### ${journey.id}. ${escapeText(who)}`, ""];
  if (why === null) return [...lines, "The rule is of another family or namespace than this packet.", ""];
  return [...lines, ...fate(why, ""), ""];
}

function fate(why: WhyNot, indent: string): readonly string[] {
  const lines = [
    `${indent}- ${escapeText(targetName(why.target))}: ${codeSpan(why.target.rule.short)}`,
    `${indent}  - **${escapeText(why.words)}**`,
  ];
  for (const { match, holds, words } of why.answers)
    lines.push(`${indent}  - ${holds}: ${codeSpan(match.text)}, ${escapeText(words)}`);
  for (const lead of why.leading) lines.push(...fate(lead, `${indent}  `));
  return lines;
}
