/** Reads what stands behind `host` and `net`. */
import { ok, type Result } from "../base/result.ts";
import { canonicalIpv6, ipv4FromBytes, ipv6FromBytes, parseIpv4, parseIpv6 } from "../packets/address.ts";
import { type Cursor, problem, standing } from "./cursor.ts";
import type { Filter, FilterProblem } from "./filter.ts";
import { takeNumber } from "./numbers.ts";
import type { Qualifiers } from "./qualifiers.ts";
import { hintForUnknown, isKeyword } from "./vocabulary.ts";

type Read = Result<Filter, FilterProblem>;
type AddressFamily = "ip" | "ip6";

/** Whether a word can only be an address or a part of one. */
export function looksLikeAddress(word: string): boolean {
  return (
    /^\d+(\.\d+)+$/.test(word) || (word.includes(":") && /^[0-9a-fA-F:.%]*$/.test(word.replace(/%.*/, "")))
  );
}

/** Takes `192.0.2.1` or `2001:db8::1`. */
export function takeHost(cursor: Cursor, qualifiers: Qualifiers): Read {
  const { at } = cursor;
  const word = addressWord(cursor, qualifiers);
  if (!word.ok) return word;
  const text = word.value;
  const canonical = text.includes(":") ? canonicalIpv6(text) : parseIpv4(text) === null ? null : text;
  if (canonical === null) return notAnAddress(text, at, qualifiers);
  if (cursor.text() === "/" || cursor.text() === "mask") {
    const net = qualifiers.words.replace(/( ?host)?$/, " net").trim();
    return problem(cursor.at, "`host` is one address, a network is `net`", `write \`${net} ${text}/…\``);
  }
  const family = text.includes(":") ? "ip6" : "ip";
  return address(qualifiers, at, family, canonical, family === "ip" ? 32 : 128);
}

/** Takes `10.0.0.0/8`, `10`, `10.1 mask 255.255.0.0`, `2001:db8::/32`. */
export function takeNet(cursor: Cursor, qualifiers: Qualifiers): Read {
  const { at } = cursor;
  const word = addressWord(cursor, qualifiers);
  if (!word.ok) return word;
  const text = word.value;
  const bytes = text.includes(":") ? bytesOfIpv6(text) : bytesOfIpv4Start(text);
  if (bytes === null) return notAnAddress(text, at, qualifiers);
  const bits = bytes.length * 8;
  const given = takePrefix(cursor, bits);
  if (!given.ok) return given;
  if (text === "0" && given.value === null) {
    return problem(at, "tcpdump reads `net 0` as the single address 0.0.0.0", "write `net 0.0.0.0/8`");
  }
  const prefix = given.value ?? (bits === 128 ? 128 : text.split(".").length * 8);
  const network = masked(bytes, prefix);
  if (network.some((byte, i) => byte !== bytes[i])) {
    return problem(
      at,
      `${text} has bits set behind the first ${prefix}`,
      `the network is \`net ${addressText(network)}/${prefix}\`; one address is \`host ${addressText(bytes)}\``,
    );
  }
  return address(qualifiers, at, bits === 32 ? "ip" : "ip6", addressText(network), prefix);
}

function address(
  qualifiers: Qualifiers,
  at: number,
  family: AddressFamily,
  text: string,
  prefix: number,
): Read {
  const { protocol, direction } = qualifiers;
  if ((protocol === "ip" || protocol === "ip6") && protocol !== family) {
    const words = qualifiers.words.replace(protocol, family);
    const length = qualifiers.type === "net" ? `/${prefix}` : "";
    return problem(at, `${text} is no ${protocol} address`, `write \`${words} ${text}${length}\``);
  }
  return ok({ kind: "address", direction, family, address: text, prefix });
}

function addressWord(cursor: Cursor, qualifiers: Qualifiers): Result<string, FilterProblem> {
  const token = cursor.peek();
  if (token !== null && token.kind === "word" && !isKeyword(token.text)) {
    cursor.skip();
    return ok(token.text);
  }
  const example = qualifiers.type === "net" ? "192.0.2.0/24" : "192.0.2.1";
  const message = `\`${qualifiers.words}\` needs an address before ${standing(cursor)}`;
  if (token?.text === "[") return problem(token.at, message, "write an IPv6 address without brackets");
  return problem(cursor.at, message, `as in \`${qualifiers.words} ${example}\``);
}

/** The prefix length behind an address; null where none is given. */
function takePrefix(cursor: Cursor, bits: number): Result<number | null, FilterProblem> {
  if (cursor.take("/")) return takeNumber(cursor, "a prefix length", bits);
  const maskAt = cursor.at;
  if (!cursor.take("mask")) return ok(null);
  if (bits === 128)
    return problem(maskAt, "an IPv6 network has no mask", "write its prefix length: `2001:db8::/32`");
  const mask = parseIpv4(cursor.text() ?? "");
  if (mask === null) {
    return problem(
      cursor.at,
      `\`mask\` needs a dotted mask before ${standing(cursor)}`,
      "as in `mask 255.255.0.0`",
    );
  }
  const prefix = Math.clz32(~mask);
  if ((mask | 0) !== (prefix === 0 ? 0 : -1 << (32 - prefix))) {
    return problem(
      cursor.at,
      `${cursor.text()} has a gap in its bits`,
      "use a mask of leading ones, or several nets",
    );
  }
  cursor.skip();
  return ok(prefix);
}

function notAnAddress(text: string, at: number, qualifiers: Qualifiers): Read {
  const parts = text.split(".");
  if (/^\d+$/.test(text) && qualifiers.type === "host") {
    const words = qualifiers.words.replace(/( ?host)?$/, " port").trim();
    return problem(at, `${text} is no address`, `for a port write \`${words} ${text}\``);
  }
  if (/^[\d.]+$/.test(text)) {
    if (parts.some((part) => /^0\d/.test(part))) {
      return problem(
        at,
        `${text} has a number with a leading zero`,
        "write it without: some programs read it as octal",
      );
    }
    const short = parts.length < 4 && parts.every((part) => part !== "" && Number(part) < 256);
    if (short)
      return problem(at, `${text} is only the start of an address`, `for the network write \`net ${text}\``);
    return problem(at, `${text} is no IPv4 address`, "it has four numbers from 0 to 255: 192.0.2.1");
  }
  if (/^([0-9a-fA-F]{1,2}[:-]){5}[0-9a-fA-F]{1,2}$/.test(text)) {
    return problem(
      at,
      `${text} is a link-layer address, which rules of the IP families do not see`,
      "use an IP address",
    );
  }
  if (text.includes(":")) {
    const zone = text.indexOf("%");
    if (zone !== -1) {
      const [plain, name] = [text.slice(0, zone), text.slice(zone + 1)];
      return problem(at, "a packet's address has no zone", `write \`host ${plain} and on ${name}\``);
    }
    return problem(at, `${text} is no IPv6 address`, "as in 2001:db8::1");
  }
  return problem(at, `${text} is no address`, nameHint(text));
}

function nameHint(text: string): string {
  const hint = hintForUnknown(text);
  return hint.startsWith("did you mean")
    ? hint
    : "host names are not looked up here; write the address: 192.0.2.1";
}

/** `10.1` → 10, 1, 0, 0; null unless it is one to four numbers up to 255. */
function bytesOfIpv4Start(text: string): Uint8Array | null {
  const parts = text.split(".");
  if (parts.length > 4) return null;
  const value = parseIpv4([...parts, "0", "0", "0"].slice(0, 4).join("."));
  return value === null ? null : Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function bytesOfIpv6(text: string): Uint8Array | null {
  const groups = parseIpv6(text);
  return groups === null ? null : Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

function masked(bytes: Uint8Array, prefix: number): Uint8Array {
  return bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - i * 8))));
}

function addressText(bytes: Uint8Array): string {
  return bytes.length === 4 ? ipv4FromBytes(bytes, 0) : ipv6FromBytes(bytes, 0);
}
