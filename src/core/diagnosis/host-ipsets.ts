/** The ipsets of a snapshot, read once for each. */
import type { HostSnapshot } from "../hosts/host.ts";
import { type IpsetBook, ipsetBook } from "../rulesets/ipsets/ipset-book.ts";
import { readIpsets } from "../rulesets/ipsets/read-ipsets.ts";

const KNOWN = new WeakMap<HostSnapshot, IpsetBook | null>();

/** Null where none was listed. */
export function ipsetsOf(host: HostSnapshot): IpsetBook | null {
  const known = KNOWN.get(host);
  if (known !== undefined) return known;
  const texts = (host.rulesets ?? []).filter(({ command }) => isOfIpset(command)).map(({ text }) => text);
  const book = texts.length === 0 ? null : ipsetBook(readIpsets(texts.join("\n\n")));
  KNOWN.set(host, book);
  return book;
}

function isOfIpset(command: string): boolean {
  return /^ipset /.test(command);
}
