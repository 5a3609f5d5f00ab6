/** Addresses in rules: `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `10.0.0.1-10.0.0.9`, `fe80::/10`. */
import { parseIpv4, parseIpv6 } from "../../packets/address.ts";
import type { Holds } from "./answer.ts";

/** Whether an address is the one, or in the range, that a text names. */
export function isInAddresses(address: string, text: string): Holds {
  const number = toNumber(address);
  if (number === null) return "not-known";
  const range = /^([^-]+)-([^-]+)$/.exec(text);
  if (range !== null) {
    const [low, high] = [toNumber(range[1] ?? ""), toNumber(range[2] ?? "")];
    if (low === null || high === null) return "not-known";
    if (low.bits !== number.bits) return "failed";
    return number.value >= low.value && number.value <= high.value ? "matched" : "failed";
  }
  const [base = "", length] = text.split("/");
  const network = toNumber(base);
  // A host's name, which was looked up when the rule was written.
  if (network === null) return "not-known";
  if (network.bits !== number.bits) return "failed";
  const mask = maskOf(length, network.bits);
  if (mask === null) return "not-known";
  return (number.value & mask) === (network.value & mask) ? "matched" : "failed";
}

interface Numbered {
  readonly value: bigint;
  readonly bits: 32 | 128;
}

function toNumber(text: string): Numbered | null {
  const v4 = parseIpv4(text);
  if (v4 !== null) return { value: BigInt(v4), bits: 32 };
  const groups = parseIpv6(text.replace(/^\[(.*)\]$/, "$1"));
  if (groups === null) return null;
  return { value: groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n), bits: 128 };
}

function maskOf(text: string | undefined, bits: number): bigint | null {
  const all = (1n << BigInt(bits)) - 1n;
  if (text === undefined) return all;
  if (/^\d{1,3}$/.test(text)) {
    const length = Number(text);
    return length > bits ? null : all ^ ((1n << BigInt(bits - length)) - 1n);
  }
  return toNumber(text)?.value ?? null;
}
