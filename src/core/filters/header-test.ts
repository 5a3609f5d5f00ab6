/**
 * Reads `tcp[tcpflags] & (tcp-syn|tcp-ack) != 0` and `icmp[icmptype] = icmp-echo`.
 *
 * pcap-filter can test any bytes with any arithmetic. Firewall rules have words for a few header fields only, so those
 * are read, and everything else is refused with the words to use instead where there are any.
 */
import { ok, type Result } from "../base/result.ts";
import { type Cursor, problem, standing } from "./cursor.ts";
import type { Filter, FilterProblem } from "./filter.ts";
import { HEADER_VALUE_NAMES, headerValueNamed } from "./header-names.ts";
import { numberFrom } from "./numbers.ts";
import { nearestWord } from "./suggest.ts";

type Field = "tcp-flags" | "icmp-type" | "icmp-code" | "icmp6-type" | "icmp6-code";

const FIELDS: ReadonlyMap<string, Field> = new Map([
  ["tcp[tcpflags]", "tcp-flags"],
  ["tcp[13]", "tcp-flags"],
  ["icmp[icmptype]", "icmp-type"],
  ["icmp[0]", "icmp-type"],
  ["icmp[icmpcode]", "icmp-code"],
  ["icmp[1]", "icmp-code"],
  ["icmp6[icmp6type]", "icmp6-type"],
  ["icmp6[0]", "icmp6-type"],
  ["icmp6[icmp6code]", "icmp6-code"],
  ["icmp6[1]", "icmp6-code"],
]);

const INSTEAD: Readonly<Record<string, string>> = {
  "tcp[0:2]": "tcp src port N",
  "tcp[2:2]": "tcp dst port N",
  "udp[0:2]": "udp src port N",
  "udp[2:2]": "udp dst port N",
  "sctp[0:2]": "sctp src port N",
  "sctp[2:2]": "sctp dst port N",
  "ip[9]": "ip proto N",
  "ip[12:4]": "ip src host ADDRESS",
  "ip[16:4]": "ip dst host ADDRESS",
  "ip[2:2]": "len >= N",
  "ip6[6]": "ip6 proto N",
};

/** Takes a test that begins at the cursor with a protocol word and `[`. */
export function takeHeaderTest(cursor: Cursor): Result<Filter, FilterProblem> {
  const { at } = cursor;
  const accessor = takeAccessor(cursor);
  if (!accessor.ok) return accessor;
  const field = FIELDS.get(accessor.value);
  if (field === undefined) return problem(at, ...unknownField(accessor.value));
  const mask = takeMask(cursor, field);
  if (!mask.ok) return mask;
  const operator = takeOperator(cursor, accessor.value, field);
  if (!operator.ok) return operator;
  const valueAt = cursor.at;
  const value = takeConstant(cursor);
  if (!value.ok) return value;
  if (operator.value !== ">") return ok(test(field, mask.value ?? 0xff, operator.value, value.value));
  if (value.value === 0) return ok(test(field, mask.value ?? 0xff, "!=", 0));
  return problem(valueAt, "sizes of header fields cannot be compared here", "use = or !=");
}

function test(field: Field, mask: number, operator: "=" | "!=", value: number): Filter {
  const family = field.startsWith("icmp6") ? "ip6" : "ip";
  if (field === "tcp-flags") return { kind: "tcp-flags", mask, operator, value };
  if (field.endsWith("type")) return { kind: "icmp-type", family, operator, type: value };
  return { kind: "icmp-code", family, operator, code: value };
}

/** `tcp[tcpflags]`, without spaces and without a size of 1, which is the default. */
function takeAccessor(cursor: Cursor): Result<string, FilterProblem> {
  const { at } = cursor;
  let text = "";
  while (cursor.peek() !== null) {
    const piece = cursor.text() ?? "";
    cursor.skip();
    text += piece;
    if (piece === "]") return ok(text.replace(/:1\]$/, "]"));
  }
  return problem(at, "the bracket is not closed", "write `]` behind the field, as in `tcp[tcpflags]`");
}

function unknownField(accessor: string): [message: string, hint: string] {
  const instead = INSTEAD[accessor];
  const near = nearestWord(accessor, FIELDS.keys());
  const hint =
    instead !== undefined
      ? `write \`${instead}\``
      : near !== null && !/\d/.test(accessor)
        ? `did you mean \`${near}\`?`
        : "only tcp[tcpflags], icmp[icmptype], icmp[icmpcode], icmp6[icmp6type] and icmp6[icmp6code] can be tested";
  return [`firewall rules have no word for ${accessor}`, hint];
}

function takeMask(cursor: Cursor, field: Field): Result<number | null, FilterProblem> {
  const { at } = cursor;
  if (!cursor.take("&")) return ok(null);
  if (field === "tcp-flags") return takePrimary(cursor, false);
  return problem(at, "only TCP flags can be tested bit by bit", "compare the whole field, with = or !=");
}

function takeOperator(
  cursor: Cursor,
  accessor: string,
  field: Field,
): Result<"=" | "!=" | ">", FilterProblem> {
  const text = cursor.text();
  const { at } = cursor;
  cursor.skip();
  if (text === "=" || text === "==") return ok("=");
  if (text === "!=" || text === ">") return ok(text);
  if (text === "|")
    return problem(at, "`|` binds weaker than `&`", "put flags in parentheses: `& (tcp-syn|tcp-ack) != 0`");
  if (text !== undefined && /^(<|<=|>=)$/.test(text)) {
    return problem(at, "sizes of header fields cannot be compared here", "use = or !=");
  }
  const example = field === "tcp-flags" ? `${accessor} & tcp-syn != 0` : `${accessor} = 3`;
  return problem(at, `${accessor} is not compared with anything`, `as in \`${example}\``);
}

/** `tcp-syn|tcp-ack`, `(2|16)`, `0x12` */
function takeConstant(cursor: Cursor): Result<number, FilterProblem> {
  const first = takePrimary(cursor, false);
  if (!first.ok) return first;
  let value = first.value;
  while (cursor.take("|")) {
    const next = takePrimary(cursor, false);
    if (!next.ok) return next;
    value |= next.value;
  }
  return ok(value);
}

function takePrimary(cursor: Cursor, nested: boolean): Result<number, FilterProblem> {
  const { at } = cursor;
  if (!nested && cursor.take("(")) {
    let value = 0;
    do {
      const next = takePrimary(cursor, true);
      if (!next.ok) return next;
      value |= next.value;
    } while (cursor.take("|"));
    if (cursor.take(")")) return ok(value);
    return problem(cursor.at, `a \`)\` is missing before ${standing(cursor)}`, "as in `(tcp-syn|tcp-ack)`");
  }
  const word = cursor.text() ?? "";
  const value = numberFrom(word) ?? headerValueNamed(word);
  if (value === null) {
    const near = nearestWord(word, HEADER_VALUE_NAMES);
    const hint =
      near === null ? "use a number or a name such as tcp-syn or icmp-echo" : `did you mean \`${near}\`?`;
    return problem(at, `${standing(cursor)} is no value of a header field`, hint);
  }
  if (value > 255)
    return problem(at, `${word} does not fit the field, which is one byte`, "use a number up to 255");
  cursor.skip();
  return ok(value);
}
