/** The hooks as a packet meets them: from the network down, each function in its order, drawn for a terminal. */
import type { HookEntry } from "../hooks/hook-entry.ts";
import { isNotCalled } from "../hooks/hook-entry.ts";
import type { HookMap, Station } from "../hooks/hook-map.ts";
import { hookNotes } from "../hooks/notes.ts";
import type { PacketFamily } from "../netfilter/family.ts";
import type { Hook } from "../netfilter/hook.ts";
import { backendWords, entryDetails, entryName, priorityWords } from "./hook-words.ts";
import { type Line, pad, type Style, span, widthOf, wrap } from "./styled.ts";
import { ASCII, type TreeOptions } from "./tree.ts";

interface FlowGlyphs {
  readonly line: string;
  readonly down: string;
  readonly into: string;
  readonly from: string;
  readonly inside: string;
}

const UNICODE_FLOW: FlowGlyphs = { line: "│", down: "▼", into: "├─▶", from: "├─◀", inside: "└" };
const ASCII_FLOW: FlowGlyphs = { line: "|", down: "v", into: "+->", from: "+-<", inside: "`" };

const TITLES: Readonly<Record<PacketFamily, string>> = {
  ip: "ip: IPv4",
  ip6: "ip6: IPv6",
  arp: "arp",
  bridge: "bridge: frames between ports of a bridge",
  netdev: "netdev",
};

const PRIORITY_COLUMNS = 6;
const MOST_NAME_COLUMNS = 26;
const BACKEND_COLUMNS = 12;
/** In front of the priority: the trunk, and a branch beside it. */
const GUTTER = 5;

/** Lines for one namespace, or for what files hold. */
export function describeHooks(map: HookMap, options: TreeOptions): readonly Line[] {
  const lines: Line[] = [heading(map), []];
  const names = map.stations.flatMap((station) =>
    station.entries.flatMap((entry) => [
      widthOf(entryName(entry)),
      ...entry.inside.map((one) => widthOf(entryName(one)) + 2),
    ]),
  );
  const nameColumns = Math.min(MOST_NAME_COLUMNS, Math.max(8, ...names));
  const empty: string[] = [];
  for (const group of groups(map.stations)) {
    const { family, device } = group[0] as Station;
    if (group.every((station) => station.entries.length === 0)) {
      empty.push(device ?? family);
      continue;
    }
    lines.push([
      span(family === "netdev" ? `netdev: ${device ?? "an interface"}` : TITLES[family], "strong"),
    ]);
    lines.push(...flow(group, nameColumns, options), []);
  }
  if (empty.length > 0) lines.push([span(`nothing at all: ${empty.join(", ")}`, "dim")], []);
  return [...lines, ...notes(map, options)];
}

function heading({ netns, source }: HookMap): Line {
  const how = source === "kernel" ? "as the kernel itself lists them" : "worked out from the rules";
  return [span(netns === null ? "Hooks" : `Hooks of ${netns}`, "strong"), span(`, ${how}; lower runs first`)];
}

/** Stations of one family, or of one interface, in the order given. */
function groups(stations: readonly Station[]): readonly (readonly Station[])[] {
  const found = new Map<string, Station[]>();
  for (const station of stations) {
    const key = `${station.family} ${station.device}`;
    const group = found.get(key);
    if (group === undefined) found.set(key, [station]);
    else group.push(station);
  }
  return [...found.values()];
}

type Row = (station: Station) => readonly Line[];

function flow(group: readonly Station[], nameColumns: number, options: TreeOptions): readonly Line[] {
  const glyphs = options.glyphs === ASCII ? ASCII_FLOW : UNICODE_FLOW;
  const trunk: Row = (station) => [
    hookLine("", station, "", nameColumns),
    ...entries(station, ` ${glyphs.line}   `, nameColumns, options, glyphs),
  ];
  const branch =
    (into: string, where: string): Row =>
    (station) => [
      hookLine(` ${into} `, station, where, nameColumns),
      ...entries(station, ` ${glyphs.line}   `, nameColumns, options, glyphs),
    ];
  const end = (words: string): Line => [span(` ${glyphs.down} ${words}`, "dim")];
  const lines: Line[] = [];
  const show = (hook: Hook, row: Row) => {
    const station = group.find((one) => one.hook === hook);
    if (station !== undefined) lines.push(...row(station));
  };
  const { family } = group[0] as Station;
  if (family === "netdev") {
    lines.push(end("from the interface"));
    show("ingress", trunk);
    lines.push([span(` ${glyphs.line} the families' hooks below`, "dim")]);
    show("egress", trunk);
    lines.push(end("to the interface"));
    return lines;
  }
  if (family === "arp") {
    for (const hook of ["input", "forward", "output"] as const) {
      const station = group.find((one) => one.hook === hook);
      // arptables' FORWARD is for bridged ARP alone.
      if (hook !== "forward" || (station?.entries.length ?? 0) > 0) show(hook, trunk);
    }
    return lines;
  }
  lines.push(end("from the network"));
  show("prerouting", trunk);
  show("input", branch(glyphs.into, "for this host"));
  show("forward", branch(glyphs.into, family === "bridge" ? "for another port" : "for another host"));
  show("output", branch(glyphs.from, "from this host"));
  show("postrouting", trunk);
  lines.push(end("to the network"));
  return lines;
}

function hookLine(lead: string, station: Station, where: string, nameColumns: number): Line {
  const name = station.hook.toUpperCase();
  const head = [span(lead, "dim"), span(name, "strong"), span(where === "" ? "" : `, ${where}`, "dim")];
  if (station.entries.length === 0) return [...head, span("   nothing", "dim")];
  if (!station.isBoth) return head;
  const used = widthOf(lead) + widthOf(name) + (where === "" ? 0 : widthOf(where) + 2);
  const column = GUTTER + PRIORITY_COLUMNS + 2 + nameColumns + 2;
  return [
    ...head,
    span(" ".repeat(Math.max(2, column - used))),
    span("both backends are in force", "doubtful"),
  ];
}

function entries(
  station: Station,
  gutter: string,
  nameColumns: number,
  options: TreeOptions,
  glyphs: FlowGlyphs,
): readonly Line[] {
  return station.entries.flatMap((entry) => [
    ...row(entry, gutter, "", nameColumns, options),
    ...entry.inside.flatMap((one) => row(one, gutter, `${glyphs.inside} `, nameColumns, options)),
  ]);
}

function row(
  entry: HookEntry,
  gutter: string,
  lead: string,
  nameColumns: number,
  options: TreeOptions,
): readonly Line[] {
  const { chain } = entry;
  const tie = entry.isOrderUnknown ? "=" : " ";
  const priority = `${priorityWords(entry.priority).padStart(PRIORITY_COLUMNS)}${tie} `;
  const name = lead + entryName(entry);
  const left = GUTTER + PRIORITY_COLUMNS + 2 + nameColumns + 2;
  const details = [...entryDetails(entry)];
  if (entry.doubt !== null) details.push(entry.doubt);
  const text = details.join(", ");
  const indent = chain === null ? left : left + BACKEND_COLUMNS + 2;
  const [first = "", ...more] = wrap(text, Math.max(24, options.columns - indent));
  const style = styleOf(entry);
  const title: Line = [
    span(gutter, "dim"),
    span(priority, "dim"),
    span(pad(name, nameColumns), chain === null || isNotCalled(entry) ? "dim" : "plain"),
  ];
  const isLong = widthOf(name) > nameColumns && options.columns !== Number.POSITIVE_INFINITY;
  const head: Line = [
    ...(isLong ? [span(gutter, "dim"), span(" ".repeat(left - GUTTER - 2))] : title),
    span("  "),
    ...(chain === null ? [] : [span(`${pad(backendWords(entry), BACKEND_COLUMNS)}  `, "note")]),
    span(first, style),
  ];
  return [
    ...(isLong ? [title] : []),
    head,
    ...more.map((rest): Line => [span(gutter, "dim"), span(" ".repeat(indent - GUTTER)), span(rest, style)]),
  ];
}

function styleOf({ chain, doubt }: HookEntry): Style {
  if (doubt !== null) return "doubtful";
  if (chain === null) return "dim";
  return chain.policy === "drop" ? "bad" : "plain";
}

function notes(map: HookMap, { columns, glyphs }: TreeOptions): readonly Line[] {
  const lines = hookNotes(map).flatMap(({ severity, text }) => {
    const [glyph, style]: readonly [string, Style] =
      severity === "warning" ? [glyphs.doubtful, "doubtful"] : [glyphs.note, "note"];
    return wrap(text, Math.max(24, columns - 4)).map(
      (part, index): Line =>
        index === 0 ? [span(`${pad(glyph, 2)}  `, style), span(part)] : [span("    "), span(part)],
    );
  });
  return lines.length === 0 ? [] : [...lines, []];
}
