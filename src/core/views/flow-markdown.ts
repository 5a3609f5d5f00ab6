/** A flow as Markdown: both ways in one table. */
import { formatNanos, nanosBetween } from "../base/time.ts";
import type { Flow } from "../diagnosis/flow-book.ts";
import { endpoint } from "../diagnosis/flows.ts";
import { escapeText } from "./markdown.ts";

/** Lines without ends. */
export function markdownFlow(flow: Flow): readonly string[] {
  const { src, sport, dst, dport } = flow.original;
  const who = `${flow.protocol.toUpperCase()} ${endpoint(src, sport || null)} → ${endpoint(dst, dport || null)}`;
  const lines = [`### F${flow.id}. ${escapeText(who)}`, ""];
  lines.push(`${flow.there} there, ${flow.back} back, ${flow.sentAgain} sent again.`, "");
  for (const { direction, side, from, to, by } of flow.translations) {
    const words = `${direction}: ${side} ${endpoint(from.address, from.port || null)} → ${endpoint(to.address, to.port || null)}`;
    lines.push(`- ${escapeText(words)}${by === null ? "" : `, by ${escapeText(by)}`}`);
  }
  if (flow.translations.length > 0) lines.push("");
  lines.push("| after | journey | netns | way | outcome | |", "|---|---|---|---|---|---|");
  const start = flow.packets[0]?.time ?? null;
  for (const [at, packet] of flow.packets.entries()) {
    if (flow.hidden > 0 && at === flow.hiddenAt) lines.push(`| | … ${flow.hidden} more … | | | | |`);
    const after = nanosBetween(start, packet.time);
    const cells = [
      after === null ? "" : formatNanos(after),
      packet.journey,
      packet.netns ?? "",
      packet.direction,
      packet.outcome.verdict,
      [packet.again === null ? "" : `${packet.again} again`, ...packet.findings.map(({ what }) => what)]
        .filter((text) => text !== "")
        .join("; "),
    ];
    lines.push(`| ${cells.map((cell) => escapeText(cell).replaceAll("|", "\\|")).join(" | ")} |`);
  }
  return [...lines, ""];
}
