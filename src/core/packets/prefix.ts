/** Addresses and prefixes as bits, for comparing them. */
import { canonicalIpv6, parseIpv4, parseIpv6 } from "./address.ts";

export type IpFamily = "ip" | "ip6";

export const BITS: Readonly<Record<IpFamily, number>> = { ip: 32, ip6: 128 };

/** The value of an address; null when the text is none of the family. */
export function addressBits(family: IpFamily, text: string): bigint | null {
  if (family === "ip") {
    const value = parseIpv4(text);
    return value === null ? null : BigInt(value);
  }
  const groups = parseIpv6(text);
  return groups === null ? null : groups.reduce((bits, group) => (bits << 16n) | BigInt(group), 0n);
}

export function familyOf(address: string): IpFamily | null {
  if (parseIpv4(address) !== null) return "ip";
  return parseIpv6(address) === null ? null : "ip6";
}

/** Canonical text of an address; null when it is none. */
export function canonicalAddress(text: string): string | null {
  return parseIpv4(text) !== null ? text : canonicalIpv6(text);
}

export interface Prefix {
  readonly bits: bigint;
  readonly length: number;
}

/** `10.1.0.0/16`; an address alone is a prefix of all its bits. Null when the text is none. */
export function parsePrefix(family: IpFamily, text: string): Prefix | null {
  const slash = text.indexOf("/");
  const bits = addressBits(family, slash === -1 ? text : text.slice(0, slash));
  const all = BITS[family];
  const length = slash === -1 ? all : Number(text.slice(slash + 1));
  if (bits === null || !Number.isInteger(length) || length < 0 || length > all) return null;
  return { bits: firstBits(bits, length, all), length };
}

/** The first `length` bits of an address of `all`, the rest zero. */
export function firstBits(bits: bigint, length: number, all: number): bigint {
  const host = BigInt(all - length);
  return (bits >> host) << host;
}

export function isInPrefix(family: IpFamily, address: bigint, prefix: Prefix): boolean {
  return firstBits(address, prefix.length, BITS[family]) === prefix.bits;
}

/** Whether an address text is in a prefix text; false when either is none of the family. */
export function contains(family: IpFamily, prefix: string, address: string): boolean {
  const network = parsePrefix(family, prefix);
  const bits = addressBits(family, address);
  return network !== null && bits !== null && isInPrefix(family, bits, network);
}

/** As `ip` writes destinations: `default`, `10.1.0.0/16`, `10.1.1.1`; canonical, without host bits. Null: none of it. */
export function canonicalPrefix(family: IpFamily, text: string): string | null {
  if (text === "default" || text === "all" || text === "any") return family === "ip" ? "0.0.0.0/0" : "::/0";
  const prefix = parsePrefix(family, text);
  if (prefix === null) return null;
  return `${textOfBits(family, prefix.bits)}/${prefix.length}`;
}

function textOfBits(family: IpFamily, bits: bigint): string {
  if (family === "ip") return [24n, 16n, 8n, 0n].map((shift) => String((bits >> shift) & 0xffn)).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => (bits >> BigInt(112 - at * 16)) & 0xffffn);
  return canonicalIpv6(groups.map((group) => group.toString(16)).join(":")) ?? "";
}
