/** The ipsets of a host by name, each with its elements in an order in which they are found quickly. */
import { addressBits, BITS, firstBits, parsePrefix } from "../../packets/prefix.ts";
import type { Ipset, IpsetElement } from "./ipset.ts";

export interface IpsetBook {
  readonly get: (name: string) => IndexedIpset | null;
}

export function ipsetBook(sets: readonly Ipset[]): IpsetBook {
  const byName = new Map(sets.map((set) => [set.name, set]));
  const indexed = new Map<string, IndexedIpset>();
  return {
    get: (name) => {
      const set = byName.get(name);
      if (set === undefined) return null;
      const found = indexed.get(name) ?? new IndexedIpset(set);
      indexed.set(name, found);
      return found;
    },
  };
}

export class IndexedIpset {
  readonly set: Ipset;
  readonly #byPrefix = new Map<number, Map<bigint, IpsetElement[]>>();
  /** Whose first part is no address. */
  readonly #others: IpsetElement[] = [];

  constructor(set: Ipset) {
    this.set = set;
    for (const element of set.elements) {
      const prefix = set.family === null ? null : parsePrefix(set.family, element.parts[0] ?? "");
      if (prefix === null) {
        this.#others.push(element);
        continue;
      }
      const ofLength = this.#byPrefix.get(prefix.length) ?? new Map<bigint, IpsetElement[]>();
      this.#byPrefix.set(prefix.length, ofLength);
      const same = ofLength.get(prefix.bits);
      if (same === undefined) ofLength.set(prefix.bits, [element]);
      else same.push(element);
    }
  }

  /** Elements whose first part may be this address; all where it is none. */
  candidates(address: string | null): readonly IpsetElement[] {
    const { family, mask, elements } = this.set;
    if (family === null || address === null) return elements;
    const bits = addressBits(family, address);
    if (bits === null) return elements;
    const looked = mask === null ? bits : bits & mask;
    const found = [...this.#byPrefix].flatMap(
      ([length, ofLength]) => ofLength.get(firstBits(looked, length, BITS[family])) ?? [],
    );
    return [...found, ...this.#others];
  }
}
