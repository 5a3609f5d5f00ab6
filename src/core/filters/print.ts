/**
 * Writes a filter as text that tcpdump takes.
 *
 * Every word is written out (no bare values, no service names), and what mixes `and` with `or` is put in parentheses:
 * their equal precedence is the language's best-kept secret. IPv4 addresses get an `ip` in front, because on an
 * Ethernet capture a plain `host A` would select ARP as well.
 */
import { assertNever, ok, type Result, refused } from "../base/result.ts";
import type { Direction, Filter, FilterProblem, Primitive } from "./filter.ts";
import { tcpFlagWords } from "./header-names.ts";

/** The filter in nfpath's own language, which has `on IFACE`: `parseFilter` of it gives the same tree. */
export function printFilter(filter: Filter): string {
  switch (filter.kind) {
    case "and":
    case "or":
      return `${printSide(filter.left, filter.kind, "left")} ${filter.kind} ${printSide(filter.right, filter.kind, "right")}`;
    case "not":
      return isJoined(filter.operand)
        ? `not (${printFilter(filter.operand)})`
        : `not ${printFilter(filter.operand)}`;
    default:
      return printPrimitive(filter);
  }
}

/**
 * The filter as an argument for tcpdump, empty for every packet.
 *
 * `len` in it counts from the IP header, as `tcpdump -y RAW` and `-m bpf` do; on an Ethernet capture it would count the
 * 14 bytes of the link header too. `on IFACE` is refused: on Linux tcpdump has no word for it.
 */
export function printForTcpdump(filter: Filter | null): Result<string, FilterProblem> {
  if (filter === null) return ok("");
  const name = interfaceIn(filter);
  if (name === null) return ok(printFilter(filter));
  return refused({
    message: `tcpdump has no word for \`on ${name}\``,
    at: null,
    hint: `leave it out and capture there: tcpdump -i ${name}`,
  });
}

function printSide(filter: Filter, outer: "and" | "or", side: "left" | "right"): string {
  const grouped = isJoined(filter) && (side === "right" || filter.kind !== outer);
  return grouped ? `(${printFilter(filter)})` : printFilter(filter);
}

function isJoined(filter: Filter): boolean {
  return filter.kind === "and" || filter.kind === "or";
}

function interfaceIn(filter: Filter): string | null {
  switch (filter.kind) {
    case "and":
    case "or":
      return interfaceIn(filter.left) ?? interfaceIn(filter.right);
    case "not":
      return interfaceIn(filter.operand);
    case "interface":
      return filter.name;
    default:
      return null;
  }
}

function printPrimitive(primitive: Primitive): string {
  switch (primitive.kind) {
    case "family":
      return primitive.family;
    case "protocol":
      return printProtocol(primitive.number, primitive.family);
    case "address": {
      const { direction, family, address, prefix } = primitive;
      const isHost = prefix === (family === "ip" ? 32 : 128);
      return `${family} ${printDirection(direction)}${isHost ? `host ${address}` : `net ${address}/${prefix}`}`;
    }
    case "port": {
      const { direction, protocol, from, to } = primitive;
      const word = protocol === null ? "" : `${PROTOCOL_WORDS[protocol]} `;
      return `${word}${printDirection(direction)}${from === to ? `port ${from}` : `portrange ${from}-${to}`}`;
    }
    case "length":
      return `len ${primitive.operator} ${primitive.bytes}`;
    case "tcp-flags": {
      const mask = primitive.mask === 0xff ? "" : ` & ${printFlags(primitive.mask)}`;
      return `tcp[tcpflags]${mask} ${primitive.operator} ${printFlags(primitive.value)}`;
    }
    case "icmp-type":
      return `${printIcmp(primitive.family, "type")} ${primitive.operator} ${primitive.type}`;
    case "icmp-code":
      return `${printIcmp(primitive.family, "code")} ${primitive.operator} ${primitive.code}`;
    case "interface":
      return `on ${primitive.name}`;
    case "way":
      return primitive.way;
    default:
      return assertNever(primitive);
  }
}

const PROTOCOL_WORDS = { 6: "tcp", 17: "udp", 132: "sctp" } as const;

const DIRECTIONS: Readonly<Record<Direction, string>> = {
  src: "src ",
  dst: "dst ",
  either: "",
  both: "src and dst ",
};

function printDirection(direction: Direction): string {
  return DIRECTIONS[direction];
}

const PROTOCOLS_ALONE: Readonly<Record<string, string>> = {
  "6": "tcp",
  "17": "udp",
  "132": "sctp",
  "50": "esp",
  "51": "ah",
  "1 ip": "icmp",
  "2 ip": "igmp",
  "58 ip6": "icmp6",
};

function printProtocol(number: number, family: "ip" | "ip6" | null): string {
  const alone = PROTOCOLS_ALONE[family === null ? String(number) : `${number} ${family}`];
  return alone ?? `${family === null ? "" : `${family} `}proto ${number}`;
}

function printIcmp(family: "ip" | "ip6", field: "type" | "code"): string {
  return family === "ip" ? `icmp[icmp${field}]` : `icmp6[icmp6${field}]`;
}

/** Names as far as libpcap before 1.9 knew them, which excludes ECE and CWR. */
function printFlags(bits: number): string {
  if (bits === 0) return "0";
  if (bits > 0x3f) return `0x${bits.toString(16)}`;
  const words = tcpFlagWords(bits);
  return words.length === 1 ? `${words[0]}` : `(${words.join("|")})`;
}
