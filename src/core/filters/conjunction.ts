/**
 * Conditions that must all hold, one set of allowed numbers for each field: what one firewall rule can say.
 *
 * Any filter is a list of these joined by "or". The rules of arithmetic on such lists are here; which fields a word of
 * the filter language is about is in `alternatives.ts`, and how nft spells a field in `nft.ts`.
 */
import { complement, intersection, isSameSet, isSubset, type NumberSet, union } from "./number-set.ts";

/**
 * The fields, each after those that it depends on: there is a fragment's next header only in a fragment, a port only
 * in TCP. `complementOf` relies on the order.
 */
const FIELDS = [
  "length",
  "interface",
  "family",
  "protocol",
  "fragmentProtocol",
  "laterFragment",
  "source",
  "destination",
  "sourcePort",
  "destinationPort",
  "tcpFlags",
  "icmpType",
  "icmpCode",
] as const;

export type Field = (typeof FIELDS)[number];

/**
 * A field that is absent may have any value. One that is present allows at least one value, and not all.
 * - `length`: bytes from the IP header on.
 * - `interface`: index into the compilation's list of names; the index behind the last means any other.
 * - `family`: 0 IPv4, 1 IPv6; where frames are seen, also 2 ARP, 3 anything else.
 * - `protocol`: IPv4's protocol, or the next header of the IPv6 header; goes with a family.
 * - `fragmentProtocol`: next header of IPv6's fragment header; goes with protocol 44.
 * - `laterFragment`: 1 for an IPv4 fragment behind the first; goes with IPv4.
 * - `source`, `destination`: the address as a number; goes with a family.
 * - the rest: the transport header's fields, as numbers.
 */
export type Conjunction = { readonly [field in Field]?: NumberSet };

export const IPV4 = 0;
export const IPV6 = 1;
export const ARP = 2;

/** What passes: IPv4 and IPv6 at IP hooks; any frame on a bridge and a device; ARP alone at its own hooks. */
export type Traffic = "ip" | "frames" | "arp";

/** The largest value of a field; that of addresses depends on the family. */
function largest(field: Field, conjunction: Conjunction, traffic: Traffic): bigint {
  switch (field) {
    case "length":
    case "interface":
      return 0xffffffffn;
    case "family":
      return traffic === "ip" ? 1n : 3n;
    case "laterFragment":
      return 1n;
    case "source":
    case "destination":
      return conjunction.family?.[0]?.from === BigInt(IPV6) ? (1n << 128n) - 1n : 0xffffffffn;
    case "sourcePort":
    case "destinationPort":
      return 0xffffn;
    default:
      return 0xffn;
  }
}

/** The same without fields that allow every value; null if a field allows none, so that nothing passes. */
export function normalized(conjunction: Conjunction, traffic: Traffic): Conjunction | null {
  const result: { [field in Field]?: NumberSet } = {};
  for (const field of FIELDS) {
    const set = conjunction[field];
    if (set === undefined || complement(set, largest(field, conjunction, traffic)).length === 0) continue;
    if (set.length === 0) return null;
    result[field] = set;
  }
  return result;
}

/** Both at once; null if nothing can pass both. */
export function intersectionOf(left: Conjunction, right: Conjunction): Conjunction | null {
  const result: { [field in Field]?: NumberSet } = {};
  for (const field of FIELDS) {
    const [a, b] = [left[field], right[field]];
    const set = a === undefined ? b : b === undefined ? a : intersection(a, b);
    if (set === undefined) continue;
    if (set.length === 0) return null;
    result[field] = set;
  }
  return result;
}

/**
 * Everything else, in pieces that exclude one another. Each piece fails one field and passes those before it, so that
 * no piece asks for a field of a header that the packet may not have.
 */
export function complementOf(conjunction: Conjunction, traffic: Traffic): Conjunction[] {
  const pieces: Conjunction[] = [];
  const passed: { [field in Field]?: NumberSet } = {};
  for (const field of FIELDS) {
    const set = conjunction[field];
    if (set === undefined) continue;
    const rest = complement(set, largest(field, conjunction, traffic));
    if (rest.length > 0) pieces.push({ ...passed, [field]: rest });
    passed[field] = set;
  }
  return pieces;
}

/**
 * The packets of both lists, in as few conjunctions as is easily found: one that another contains is left out, and two
 * that differ in one field become one. `kept` must have been made by this function itself, or be empty. Null as soon as
 * there are more than `limit`.
 */
export function eitherOf(
  kept: readonly Conjunction[],
  added: Iterable<Conjunction>,
  limit: number,
  traffic: Traffic,
): Conjunction[] | null {
  const result = [...kept];
  for (const conjunction of added) {
    add(result, conjunction, traffic);
    if (result.length > limit) return null;
  }
  return result;
}

function add(kept: Conjunction[], added: Conjunction, traffic: Traffic): void {
  let current = added;
  for (let i = 0; i < kept.length; ) {
    const other = kept[i];
    if (other === undefined || contains(other, current)) return;
    const merged = contains(current, other) ? current : mergedOf(other, current, traffic);
    if (merged === null) {
      i++;
      continue;
    }
    kept.splice(i, 1);
    current = merged;
    i = 0;
  }
  kept.push(current);
}

function contains(outer: Conjunction, inner: Conjunction): boolean {
  return FIELDS.every((field) => {
    const [a, b] = [outer[field], inner[field]];
    return a === undefined || (b !== undefined && isSubset(b, a));
  });
}

/** One conjunction for two that differ in a single field; null for others. */
function mergedOf(left: Conjunction, right: Conjunction, traffic: Traffic): Conjunction | null {
  let different: Field | null = null;
  for (const field of FIELDS) {
    const [a, b] = [left[field], right[field]];
    if (a === undefined && b === undefined) continue;
    if (a === undefined || b === undefined) return null;
    if (isSameSet(a, b)) continue;
    if (different !== null) return null;
    different = field;
  }
  if (different === null) return left;
  if (different === "family" && OF_ONE_FAMILY.some((field) => left[field] !== undefined)) return null;
  return normalized({ ...left, [different]: union(left[different] ?? [], right[different] ?? []) }, traffic);
}

/** Equal numbers in these fields are other conditions in IPv4 than in IPv6. */
const OF_ONE_FAMILY = FIELDS.slice(FIELDS.indexOf("family") + 1);
