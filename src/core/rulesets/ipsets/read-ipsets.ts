/** Reads ipsets as `ipset save` and `ipset list` print them, the latter by name or all. */
import { addressBits } from "../../packets/prefix.ts";
import { restoreWords } from "../words.ts";
import type { Ipset, IpsetElement } from "./ipset.ts";

interface Draft {
  readonly name: string;
  type: string | null;
  header: readonly string[];
  readonly elements: IpsetElement[];
  unreadCount: number;
}

/** Every set of a text, in its order. Other lines are passed over. */
export function readIpsets(text: string): readonly Ipset[] {
  const drafts = new Map<string, Draft>();
  const draftOf = (name: string): Draft => {
    const draft = drafts.get(name) ?? { name, type: null, header: [], elements: [], unreadCount: 0 };
    drafts.set(name, draft);
    return draft;
  };
  /** The set that a listing is about, and whether its elements have begun. */
  let listed: Draft | null = null;
  let areMembers = false;
  for (const line of text.split("\n")) {
    const words = restoreWords(line.trim()).map(({ value }) => value);
    const [first = "", second = "", third = ""] = words;
    if (first === "create" && third !== "") {
      const draft = draftOf(second);
      draft.type = third;
      draft.header = words.slice(3);
    } else if (first === "add" && third !== "") {
      addElement(draftOf(second), words.slice(2));
    } else if (first === "Name:") {
      listed = draftOf(second);
      areMembers = false;
    } else if (listed !== null && first === "Type:") {
      listed.type = second;
    } else if (listed !== null && first === "Header:") {
      listed.header = words.slice(1);
    } else if (listed !== null && first === "Members:") {
      areMembers = true;
    } else if (first === "") {
      listed = null;
      areMembers = false;
    } else if (listed !== null && areMembers) {
      addElement(listed, words);
    }
  }
  return [...drafts.values()].map(finish);
}

function addElement(draft: Draft, [text = "", ...options]: readonly string[]): void {
  const at = options.indexOf("timeout");
  const seconds = Number(options[at + 1]);
  // In a set with timeouts, 0 stands for an element that stays.
  const timeout = at === -1 || seconds === 0 ? null : seconds;
  if (Number.isNaN(timeout)) {
    draft.unreadCount++;
    return;
  }
  draft.elements.push({
    text,
    parts: text.split(","),
    isExcepted: options.includes("nomatch"),
    isWildcard: options.includes("wildcard"),
    timeout,
  });
}

function finish({ name, type, header, elements, unreadCount }: Draft): Ipset {
  const after = (word: string) => {
    const at = header.indexOf(word);
    return at === -1 ? null : (header[at + 1] ?? null);
  };
  const family = type?.startsWith("bitmap:ip") ? "inet" : after("family");
  const ofFamily = family === "inet" ? "ip" : family === "inet6" ? "ip6" : null;
  return {
    name,
    type,
    family: ofFamily,
    mask: ofFamily === null ? null : maskOf(ofFamily, after("netmask"), after("bitmask")),
    markMask: Number(after("markmask") ?? 0xffff_ffff),
    elements,
    unreadCount,
  };
}

function maskOf(family: "ip" | "ip6", length: string | null, bits: string | null): bigint | null {
  if (bits !== null) return addressBits(family, bits);
  if (length === null || !/^\d+$/.test(length)) return null;
  const all = family === "ip" ? 32n : 128n;
  return ((1n << BigInt(length)) - 1n) << (all - BigInt(length));
}
