/** Numbers in rules: `22`, `80:90`, `80-90`, `:1024`, `> 1024`, `0x1/0xff`, `& 0xff == 0x1`. */
import type { Holds } from "./answer.ts";

/** @param named the number of a word that is none by itself; null for one that nobody knows */
export function isInNumbers(number: number, text: string, named: (word: string) => number | null): Holds {
  const value = (word: string): number | null =>
    /^(0x[\da-f]+|\d+)$/i.test(word) ? Number(word) : named(word);
  const relation = /^(<=|>=|<|>|lt|gt|le|ge)\s*(\S+)$/.exec(text);
  if (relation !== null) {
    const limit = value(relation[2] ?? "");
    return limit === null ? "not-known" : holds(compare(number, relation[1] ?? "", limit));
  }
  const range = /^(\w*)[:-](\w*)$/.exec(text);
  if (range !== null && value(text) === null) {
    const low = range[1] === "" ? 0 : value(range[1] ?? "");
    const high = range[2] === "" ? Number.POSITIVE_INFINITY : value(range[2] ?? "");
    if (low === null || high === null) return "not-known";
    return holds(number >= low && number <= high);
  }
  const wanted = value(text);
  return wanted === null ? "not-known" : holds(number === wanted);
}

function compare(number: number, relation: string, limit: number): boolean {
  switch (relation) {
    case "<":
    case "lt":
      return number < limit;
    case ">":
    case "gt":
      return number > limit;
    case "<=":
    case "le":
      return number <= limit;
    default:
      return number >= limit;
  }
}

/** A value under a mask: iptables' `0x1/0xff`, nft's `& 0xff == 0x1` and `and 0xff != 0`. */
export function isMaskedNumber(number: number, text: string): Holds {
  const iptables = /^(\w+)\/(\w+)$/.exec(text);
  const nft = /^(?:&|and)\s+(\w+)\s+(==|!=|eq|ne)\s+(\w+)$/.exec(text);
  const [mask, wanted] =
    iptables !== null ? [iptables[2], iptables[1]] : nft !== null ? [nft[1], nft[3]] : [undefined, text];
  const [maskBits, bits] = [mask === undefined ? 0xffffffff : Number(mask), Number(wanted)];
  if (!Number.isInteger(maskBits) || !Number.isInteger(bits)) return "not-known";
  // The kernel masks the packet alone: a value with bits outside of its mask never matches.
  const isSame = (number & maskBits) >>> 0 === bits >>> 0;
  return holds(nft !== null && /^(!=|ne)$/.test(nft[2] ?? "") ? !isSame : isSame);
}

function holds(isSo: boolean): Holds {
  return isSo ? "matched" : "failed";
}
