/**
 * Values of `KEY=value` records that come over and over: addresses, names, link headers. Each is read once and shared.
 */
import { canonicalIpv6, parseIpv4 } from "../../packets/address.ts";
import type { LinkHeader } from "../../packets/packet.ts";
import { protocolName, protocolNumber } from "../../packets/protocols.ts";
import { StretchCache } from "./stretch-cache.ts";

/**
 * What was made of a word, and how much of it: a record glued to the next, or put in tabs, has words that hold more than
 * their value.
 */
export interface WordValue<Value> {
  readonly value: Value;
  readonly length: number;
}

export interface AddressText {
  /** Canonical where it is an address; what stands there where somebody redacted it; null where nothing stands there. */
  readonly text: string | null;
  /** Whether it is, or was before redaction, an IPv6 address. */
  readonly isIpv6: boolean;
}

/** One set for each decoder, so that two inputs share nothing. */
export class FieldValues {
  readonly addresses = new StretchCache(ofWord(readAddress), 2048);
  readonly names = new StretchCache(ofWord(readName), 512);
  readonly links = new StretchCache(ofWord(readLink), 512);
  readonly protocols = new StretchCache(ofWord(readProtocol), 64);
}

function ofWord<Value>(read: (text: string) => Value): (word: string) => WordValue<Value> {
  return (word) => {
    const text = /^[^\s[\]]*/.exec(word)?.[0] ?? "";
    return { value: read(text), length: text.length };
  };
}

function readAddress(text: string): AddressText {
  const bare = text.replace(/[,;)"']+$/, "");
  if (parseIpv4(bare) !== null) return { text: bare, isIpv6: false };
  const isIpv6 = bare.indexOf(":") !== bare.lastIndexOf(":");
  if (isIpv6) return { text: canonicalIpv6(bare) ?? bare, isIpv6 };
  return { text: isElision(bare) || !REDACTED.test(bare) ? null : bare, isIpv6 };
}

/** `xxx.xxx.xxx.113`, `<filtered>`, `a.b.c.d`, `MY_SERVER`: one word. */
const REDACTED = /^[\w.*<>/-]+$/;

function readName(text: string): string | null {
  return isElision(text) ? null : text;
}

/** Nothing, or the dots that somebody put for something. */
function isElision(text: string): boolean {
  return /^[.…]*$/.test(text);
}

/** `TCP`, `ICMPv6`, `47` as the names used here; null for what is no protocol. */
function readProtocol(text: string): string | null {
  const number = protocolNumber(text);
  return number === null ? null : protocolName(number);
}

/**
 * `MAC=` prints the link header as it is in memory: for Ethernet destination, source and type, 14 octets. Other devices
 * have other headers (none on a tunnel, 4 octets on a PPP device), which say nothing we know.
 */
function readLink(text: string): LinkHeader | null {
  const octets = text.split(":");
  if (octets.length !== 14) return null;
  const type = octets[12] + (octets[13] as string);
  return {
    source: readMac(octets.slice(6, 12).join(":")),
    destination: readMac(octets.slice(0, 6).join(":")),
    etherType: /^[0-9a-f]{4}$/i.test(type) ? Number.parseInt(type, 16) : null,
  };
}

/** `02:42:ac:12:00:02` of six octets in hex, which `ether_ntoa` does not pad; null for anything else. */
export function readMac(text: string): string | null {
  const octets = text.split(":");
  if (octets.length !== 6 || !octets.every((octet) => /^[0-9a-f]{1,2}$/i.test(octet))) return null;
  return octets.map((octet) => octet.toLowerCase().padStart(2, "0")).join(":");
}
