/**
 * A flow as a person reads it: what goes there on the left, what comes back on the right, with the time between; what NAT
 * did each way; and what became of those that did not get through, each reason once.
 */
import { formatNanos, nanosBetween } from "../base/time.ts";
import type { Finding } from "../diagnosis/finding.ts";
import type { Flow, FlowPacket, Translation } from "../diagnosis/flow-book.ts";
import { endpoint } from "../diagnosis/flows.ts";
import { tcpFlagNames } from "../packets/packet.ts";
import { type Line, pad, span, widthOf, wrap } from "./styled.ts";
import { clockWords, describeFinding, type Glyphs, outcomeLook, spell, type TreeOptions } from "./tree.ts";
import { icmpWords } from "./words.ts";

const INDENT = 3;
const TIME_COLUMNS = 10;
/** For a pipe, whose lines may be as long as they are. */
const USUAL_COLUMNS = 100;

export function describeFlow(flow: Flow, options: TreeOptions): readonly Line[] {
  const columns = Number.isFinite(options.columns) ? options.columns : USUAL_COLUMNS;
  const lines = [
    ...describeHead(flow, columns, options.glyphs),
    ...flow.translations.flatMap((one) => describeTranslation(one, flow, columns, options.glyphs)),
    [],
    ...describePackets(flow, columns, options.glyphs),
    ...describeReasons(flow, options),
    [],
  ];
  const { spelling } = options.glyphs;
  return spelling.size === 0 ? lines : lines.map((line) => line.map((part) => spell(part, spelling)));
}

function describeHead(flow: Flow, columns: number, glyphs: Glyphs): readonly Line[] {
  const [first, last] = [flow.packets[0], flow.packets.at(-1)];
  const hasPorts = first?.packet.sport != null || first?.isError === true;
  const { src, sport, dst, dport } = flow.original;
  const [from, to] = [endpoint(src, hasPorts ? sport : null), endpoint(dst, hasPorts ? dport : null)];
  const segments = [`${flow.protocol.toUpperCase()} ${from} ${glyphs.arrow} ${to}`];
  segments.push(`${flow.there} there, ${flow.back} back`);
  if (flow.sentAgain > 0) segments.push(`${flow.sentAgain} sent again`);
  const took = nanosBetween(first?.time ?? null, last?.time ?? null);
  if (took !== null && took > 0) segments.push(formatNanos(took));
  const names = flow.namespaces.filter((name) => name !== null);
  if (names.length > 0) segments.push(`netns ${names.join(", ")}`);
  if (first?.time != null) segments.push(clockWords(first.time));
  const words = wrap(segments.join("  "), columns - INDENT - 1);
  return words.map((text, at) => [
    span(at === 0 ? pad(`F${flow.id}`, INDENT + 1) : " ".repeat(INDENT + 1), "strong"),
    span(text, at === 0 ? "strong" : "plain"),
  ]);
}

function describeTranslation(
  translation: Translation,
  flow: Flow,
  columns: number,
  glyphs: Glyphs,
): readonly Line[] {
  const { direction, side, from, to, by, netns } = translation;
  const port = (one: Translation["from"]) => endpoint(one.address, one.port === 0 ? null : one.port);
  const where = flow.namespaces.length > 1 && netns !== null ? ` in ${netns}` : "";
  const who = by === null ? "" : `, by ${by}${where}`;
  const text = `${side} ${port(from)} ${glyphs.arrow} ${port(to)}${who}`;
  const left = INDENT + TIME_COLUMNS;
  return wrap(text, Math.max(24, columns - left)).map((row, at) => [
    span(" ".repeat(INDENT)),
    span(pad(at === 0 ? direction : "", TIME_COLUMNS), "dim"),
    span(row, "note"),
  ]);
}

function describePackets(flow: Flow, columns: number, glyphs: Glyphs): readonly Line[] {
  const cell = Math.max(20, Math.floor((columns - INDENT - TIME_COLUMNS) / 2));
  const lines: Line[] = [];
  const isMixed = flow.namespaces.length > 1;
  for (const [at, packet] of flow.packets.entries()) {
    if (flow.hidden > 0 && at === flow.hiddenAt)
      lines.push([span(`${" ".repeat(INDENT)}… ${flow.hidden} more packets …`, "dim")]);
    const since = sinceBefore(flow.packets[at - 1] ?? null, packet);
    const [glyph, style] = outcomeLook(packet.outcome, glyphs);
    const arrow = packet.direction === "there" ? glyphs.arrow : glyphs.backArrow;
    const head = `${glyph} ${packet.journey} `;
    const text = `${packetBrief(packet)}${isMixed ? `, ${packet.netns ?? "first netns"}` : ""}${endBrief(packet, arrow)}`;
    const rows = wrap(text, Math.max(12, cell - widthOf(head) - 1));
    for (const [row, words] of rows.entries()) {
      const left = packet.direction === "there" ? 0 : cell;
      lines.push([
        span(" ".repeat(INDENT)),
        span(pad(row === 0 ? since : "", TIME_COLUMNS), "dim"),
        span(" ".repeat(left)),
        span(row === 0 ? head : " ".repeat(widthOf(head)), style),
        span(words, style === "good" ? "plain" : style),
      ]);
    }
  }
  return lines;
}

function sinceBefore(before: FlowPacket | null, now: FlowPacket): string {
  if (before === null) return "0";
  const nanos = nanosBetween(before.time, now.time);
  // Events of one read from the kernel share their time of arrival.
  return nanos === null || nanos === 0 ? "" : `${nanos < 0 ? "" : "+"}${formatNanos(nanos)}`;
}

/** What tells this packet from the others of its connection. */
function packetBrief({ packet, again }: FlowPacket): string {
  const words: string[] = [];
  if (packet.icmp !== null) words.push(icmpWords(packet.icmp, packet.family === "ip6"));
  if (packet.tcp?.flags != null) words.push(tcpFlagNames(packet.tcp.flags).join(" ") || "no flags");
  if (packet.length !== null) words.push(`${packet.length} B`);
  if (again !== null) words.push(`(${again} again)`);
  return words.join(" ");
}

function endBrief({ outcome }: FlowPacket, arrow: string): string {
  switch (outcome.verdict) {
    case "forwarded":
    case "sent":
      return outcome.out === null ? "" : ` ${arrow} ${outcome.out}`;
    case "delivered":
      return `, ${outcome.verdict}`;
    default:
      return `, ${outcome.verdict.toUpperCase()}`;
  }
}

interface Reason {
  readonly finding: Finding;
  readonly journeys: string[];
}

/** Each reason once, with the packets that it holds for; of silences the last, which waited longest with all of them. */
function describeReasons(flow: Flow, options: TreeOptions): readonly Line[] {
  const reasons = new Map<string, Reason>();
  // What was dropped further on, in another namespace perhaps, needs no other reason for silence.
  const isExplained =
    flow.back > 0 || flow.packets.some(({ outcome }) => /^(dropped|rejected)$/.test(outcome.verdict));
  for (const packet of flow.packets) {
    for (const finding of packet.findings) {
      if (finding.cause === "no-reply" && isExplained) continue;
      const key = finding.cause === "no-reply" ? finding.cause : `${finding.cause} ${finding.what}`;
      const known = reasons.get(key);
      if (known === undefined) reasons.set(key, { finding, journeys: [packet.journey] });
      else known.journeys.push(packet.journey);
    }
  }
  if (reasons.size === 0) return [];
  const lines: Line[] = [[]];
  for (const { finding, journeys } of reasons.values()) {
    const all = journeys.length > 5 ? [...journeys.slice(0, 4), `and ${journeys.length - 4} more`] : journeys;
    const which = flow.packets.length === 1 ? "" : ` (${all.join(", ")})`;
    lines.push(...describeFinding({ ...finding, what: `${finding.what}${which}` }, false, options));
  }
  return lines;
}
