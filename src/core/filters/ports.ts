/** Reads what stands behind `port`, `portrange` and `proto`. */
import { ok, type Result } from "../base/result.ts";
import { protocolNumber } from "../packets/protocols.ts";
import { looksLikeAddress } from "./addresses.ts";
import { type Cursor, problem, standing } from "./cursor.ts";
import type { Filter, FilterProblem, PortProtocol } from "./filter.ts";
import { leadingZero, numberFrom } from "./numbers.ts";
import type { Qualifiers } from "./qualifiers.ts";
import { SERVICE_NAMES, serviceNamed } from "./services.ts";
import { nearestWord } from "./suggest.ts";
import { isKeyword } from "./vocabulary.ts";

type Read = Result<Filter, FilterProblem>;

const PROTOCOL_OF: Readonly<Record<string, PortProtocol>> = { tcp: 6, udp: 17, sctp: 132 };
const WORD_OF: Readonly<Record<PortProtocol, string>> = { 6: "tcp", 17: "udp", 132: "sctp" };

/** Takes `53` or `domain`. */
export function takePort(cursor: Cursor, qualifiers: Qualifiers): Read {
  const { at } = cursor;
  const word = valueWord(cursor, qualifiers, "53");
  if (!word.ok) return word;
  const range = /^(\w+)[-:](\w+)$/.exec(word.value);
  if (range !== null && serviceNamed(word.value) === null && numberFrom(range[1] ?? "") !== null) {
    const words = `${qualifiers.words}range ${range[1]}-${range[2]}`;
    return problem(at, `${word.value} is more than one port`, `write \`${words}\``);
  }
  const port = readPort(word.value, at, qualifiers);
  if (!port.ok) return port;
  const { direction } = qualifiers;
  return ok({
    kind: "port",
    direction,
    protocol: port.value.protocol,
    from: port.value.port,
    to: port.value.port,
  });
}

/** Takes `6000-6008`. Like libpcap, a range written backwards is turned round, and one number is a range of one. */
export function takePortRange(cursor: Cursor, qualifiers: Qualifiers): Read {
  const { at } = cursor;
  const word = valueWord(cursor, qualifiers, "6000-6008");
  if (!word.ok) return word;
  const ends = word.value.split("-");
  if (cursor.text()?.startsWith("-")) {
    return problem(
      cursor.at,
      "a range is one word",
      `as in \`${qualifiers.words} 6000-6008\`, without spaces`,
    );
  }
  if (ends.length > 2 || word.value.includes(":")) {
    return problem(at, `${word.value} is no range`, `as in \`${qualifiers.words} 6000-6008\``);
  }
  const from = readPort(ends[0] ?? "", at, qualifiers);
  if (!from.ok) return from;
  const to = readPort(ends.at(-1) ?? "", at, qualifiers);
  if (!to.ok) return to;
  const ports = [from.value.port, to.value.port];
  return ok({
    kind: "port",
    direction: qualifiers.direction,
    protocol: from.value.protocol === to.value.protocol ? from.value.protocol : null,
    from: Math.min(...ports),
    to: Math.max(...ports),
  });
}

/** Takes `47`, `gre` or, as tcpdump wants it, `\udp`. */
export function takeProtocol(cursor: Cursor, qualifiers: Qualifiers): Read {
  const token = cursor.peek();
  const word = token?.text.replace(/^\\/, "");
  const number = word === undefined ? null : protocolNumber(word);
  if (number === null || token?.kind !== "word") {
    return problem(
      cursor.at,
      `\`${qualifiers.words}\` needs a protocol, and ${standing(cursor)} is none`,
      "use a number from 0 to 255 or a name: tcp, udp, icmp, gre, esp, ospf …",
    );
  }
  cursor.skip();
  const family = qualifiers.protocol === "ip" || qualifiers.protocol === "ip6" ? qualifiers.protocol : null;
  return ok({ kind: "protocol", number, family });
}

function valueWord(cursor: Cursor, qualifiers: Qualifiers, example: string): Result<string, FilterProblem> {
  const token = cursor.peek();
  if (token !== null && token.kind === "word" && !isKeyword(token.text)) {
    cursor.skip();
    return ok(token.text);
  }
  const { words } = qualifiers;
  const message = `\`${words}\` needs a port before ${standing(cursor)}`;
  const value = cursor.text(1);
  if (token?.text === "!=") return problem(token.at, message, `write \`not ${words} ${value ?? example}\``);
  if (token?.text === "=" || token?.text === "==") {
    return problem(token.at, message, `write \`${words} ${value ?? example}\`, without ${token.text}`);
  }
  if (token?.text === "{") return problem(token.at, message, `write \`${words} 80 or 443\``);
  return problem(cursor.at, message, `as in \`${words} ${example}\``);
}

interface Port {
  readonly port: number;
  readonly protocol: PortProtocol | null;
}

function readPort(text: string, at: number, qualifiers: Qualifiers): Result<Port, FilterProblem> {
  const wanted = PROTOCOL_OF[qualifiers.protocol ?? ""] ?? null;
  const number = numberFrom(text);
  if (number !== null && number <= 65535) return ok({ port: number, protocol: wanted });
  if (number !== null) return problem(at, `${text} is no port`, "ports go from 0 to 65535");
  if (/^0\d+$/.test(text)) return problem(at, ...leadingZero(text));
  const service = serviceNamed(text);
  if (service === null) return unknownPort(text, at, qualifiers);
  if (wanted === null || service.protocol === null || service.protocol === wanted) {
    return ok({ port: service.port, protocol: wanted ?? service.protocol });
  }
  const right = WORD_OF[service.protocol];
  const words = qualifiers.words.replace(WORD_OF[wanted], right);
  return problem(
    at,
    `${text} is a ${right} service`,
    `write \`${words} ${text}\`, or \`${qualifiers.words} ${service.port}\``,
  );
}

function unknownPort(text: string, at: number, qualifiers: Qualifiers): Result<Port, FilterProblem> {
  if (looksLikeAddress(text))
    return problem(at, `${text} is no port`, `for an address write \`host ${text}\``);
  const near = nearestWord(text, SERVICE_NAMES);
  const hint = near === null ? "write its number" : `did you mean \`${qualifiers.words} ${near}\`?`;
  return problem(at, `${text} is no service known here`, hint);
}
