/** The hooks as Markdown: a table a family, with a row a function. */
import type { HookEntry } from "../hooks/hook-entry.ts";
import type { HookMap, Station } from "../hooks/hook-map.ts";
import { hookNotes } from "../hooks/notes.ts";
import { backendWords, entryDetails, entryName, priorityWords } from "./hook-words.ts";
import { codeSpan, escapeText } from "./markdown.ts";

/** Lines without ends. */
export function markdownHooks(map: HookMap): readonly string[] {
  const how = map.source === "kernel" ? "as the kernel itself lists them" : "worked out from the rules";
  const of = map.netns === null ? "" : ` of ${escapeText(map.netns)}`;
  const lines = [`### Hooks${of}`, "", `In the order of the calls, ${how}.`, ""];
  lines.push("| family | hook | priority | who | whose | |", "|---|---|---|---|---|---|");
  for (const station of map.stations) {
    for (const entry of station.entries) {
      lines.push(row(station, entry, ""));
      for (const one of entry.inside) lines.push(row(station, one, "└ "));
    }
  }
  lines.push("");
  for (const { kind, text } of hookNotes(map)) lines.push(`- **${kind}**: ${escapeText(text)}`);
  return [...lines, ""];
}

function row({ family, device, hook }: Station, entry: HookEntry, lead: string): string {
  const details = [...entryDetails(entry)];
  if (entry.doubt !== null) details.push(entry.doubt);
  const cells = [
    device === null ? family : `${family} ${codeSpan(device)}`,
    hook,
    `${priorityWords(entry.priority)}${entry.isOrderUnknown ? " =" : ""}`,
    `${lead}${codeSpan(entryName(entry))}`,
    backendWords(entry),
    escapeText(details.join(", ")),
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
