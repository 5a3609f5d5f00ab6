/**
 * What pcap-filter puts before a value: `tcp dst port` in `tcp dst port 80`.
 *
 * They are kept after the value is read, because a bare value that follows (`or 443`) repeats them.
 */
import { ok, type Result } from "../base/result.ts";
import { type Cursor, problem } from "./cursor.ts";
import type { Direction, FilterProblem } from "./filter.ts";
import {
  type DirectionWord,
  hasPorts,
  isDirectionWord,
  isProtocolWord,
  isTypeWord,
  type ProtocolWord,
  type TypeWord,
} from "./vocabulary.ts";

export interface Qualifiers {
  readonly protocol: ProtocolWord | null;
  readonly direction: Direction;
  readonly type: TypeWord;
  /** As written, for messages: `tcp dst port`. */
  readonly words: string;
}

/** What a bare address means where nothing stands before it. */
export const BARE_HOST: Qualifiers = { protocol: null, direction: "either", type: "host", words: "host" };

/** Takes direction and type, where at least one of them stands. The protocol word has been taken already. */
export function takeQualifiers(
  cursor: Cursor,
  protocol: ProtocolWord | null,
  protocolAt: number,
): Result<Qualifiers, FilterProblem> {
  const words: string[] = protocol === null ? [] : [protocol];
  const direction = takeDirection(cursor, words);
  const typeAt = cursor.at;
  const word = cursor.text();
  const type = isTypeWord(word) ? word : null;
  if (type !== null) {
    cursor.skip();
    words.push(type);
  }
  const wrong = outOfOrder(cursor, words, type !== null) ?? unfit(words, protocol, direction, type);
  if (wrong !== null) return problem(type === null ? protocolAt : typeAt, ...wrong);
  return ok({ protocol, direction: direction ?? "either", type: type ?? "host", words: words.join(" ") });
}

function takeDirection(cursor: Cursor, words: string[]): Direction | null {
  const first = cursor.text();
  if (!isDirectionWord(first)) return null;
  const junction = cursor.text(1);
  const second = cursor.text(2);
  const other: DirectionWord = first === "src" ? "dst" : "src";
  if ((junction === "or" || junction === "and") && second === other) {
    for (let i = 0; i < 3; i++) cursor.skip();
    words.push(first, junction, second);
    return junction === "or" ? "either" : "both";
  }
  cursor.skip();
  words.push(first);
  return first;
}

type MessageAndHint = [message: string, hint: string];

/** `dst tcp port 80`, `port dst 80`: the right words in another order. */
function outOfOrder(cursor: Cursor, words: readonly string[], hasType: boolean): MessageAndHint | null {
  const next = cursor.text();
  const after = cursor.text(1);
  const said = words.join(" ");
  const message = `the order is protocol, direction, type, value`;
  if (hasType && words.at(-1) !== "proto") {
    if (isDirectionWord(next)) return [message, `write \`${moved(words, next)}\``];
    if (isProtocolWord(next)) return [message, `write \`${next} ${said}\``];
    return null;
  }
  const qualifies = isTypeWord(after) || (isDirectionWord(words.at(-1)) && after !== undefined);
  if (!hasType && isProtocolWord(next) && qualifies) {
    return [message, `write \`${next} ${said}${isTypeWord(after) ? ` ${after}` : " port"} …\``];
  }
  return null;
}

function moved(words: readonly string[], direction: DirectionWord): string {
  return [...words.slice(0, -1), direction, ...words.slice(-1)].join(" ");
}

/** Combinations that libpcap refuses too (`gencode.c`), apart from ARP. */
function unfit(
  words: readonly string[],
  protocol: ProtocolWord | null,
  direction: Direction | null,
  type: TypeWord | null,
): MessageAndHint | null {
  const said = words.join(" ");
  const isFamily = protocol === null || protocol === "ip" || protocol === "ip6";
  const dir = direction === null ? "" : `${direction === "both" ? "src and dst" : direction} `;
  if (protocol === "arp") {
    return [
      "the addresses inside ARP are out of a firewall rule's reach",
      "use arp alone, or `host ADDRESS` for IP",
    ];
  }
  if (type === "port" || type === "portrange") {
    if (protocol === null || hasPorts(protocol)) return null;
    if (isFamily) return [`\`${said}\` is not a combination`, `write \`${protocol} and ${dir}${type} N\``];
    return [`${protocol} has no ports`, `use tcp, udp or sctp, as in \`udp ${dir}${type} N\``];
  }
  if (type === "proto") {
    if (direction !== null)
      return ["a protocol has no direction", "write `proto N`, `ip proto N` or `ip6 proto N`"];
    return isFamily
      ? null
      : [`\`${said}\` is not a combination`, "write `proto N`, `ip proto N` or `ip6 proto N`"];
  }
  if (isFamily) return null;
  if (type === null) return [`\`${said}\` needs a type`, `write \`${said} port N\``];
  return [`\`${said}\` is not a combination`, `write \`${protocol} and ${dir}${type} ADDRESS\``];
}
