/**
 * The left sides of nft's conditions: how many words one takes, and what the model calls it.
 *
 * From nft(8), "PRIMARY EXPRESSIONS" and "PAYLOAD EXPRESSIONS" (nftables 1.0.6 … 1.1).
 */
import type { MatchKind } from "./ruleset.ts";

export interface Selector {
  /** How many words. */
  readonly length: number;
  readonly kind: MatchKind;
}

/** Selectors of one word, which nft prints without `meta`. */
const BARE: Readonly<Record<string, MatchKind>> = {
  iif: "in-interface",
  iifname: "in-interface",
  oif: "out-interface",
  oifname: "out-interface",
  mark: "mark",
  iiftype: "opaque",
  oiftype: "opaque",
  iifgroup: "opaque",
  oifgroup: "opaque",
  skuid: "opaque",
  skgid: "opaque",
  pkttype: "opaque",
  cgroup: "opaque",
  rtclassid: "opaque",
  ibrname: "opaque",
  obrname: "opaque",
  ibriport: "opaque",
  obriport: "opaque",
  length: "opaque",
  cpu: "opaque",
  day: "opaque",
  hour: "opaque",
  time: "opaque",
  l4proto: "protocol",
  nfproto: "family",
};

const PAYLOADS: ReadonlySet<string> = new Set([
  "ip",
  "ip6",
  "tcp",
  "udp",
  "udplite",
  "sctp",
  "dccp",
  "th",
  "icmp",
  "icmpv6",
  "igmp",
  "arp",
  "ether",
  "vlan",
  "ah",
  "esp",
  "comp",
  "gre",
  "geneve",
  "gretap",
  "vxlan",
  "frag",
  "hbh",
  "dst",
  "rt",
  "rt0",
  "rt2",
  "rt4",
  "srh",
  "mh",
]);

/** The selector that begins at `at`; null when no selector begins there. */
export function selectorAt(words: readonly string[], at: number): Selector | null {
  const first = selectorOfOne(words, at);
  if (first === null) return null;
  // A concatenation: `ip saddr . tcp dport`.
  let length = first.length;
  let isConcatenation = false;
  while (words[at + length] === ".") {
    const next = selectorOfOne(words, at + length + 1);
    if (next === null) break;
    length += 1 + next.length;
    isConcatenation = true;
  }
  return isConcatenation ? { length, kind: "opaque" } : first;
}

function selectorOfOne(words: readonly string[], at: number): Selector | null {
  const word = words[at] ?? "";
  const field = words[at + 1] ?? "";
  if (word === "meta") return { length: 2, kind: metaKind(field) };
  if (word === "ct") return conntrackSelector(words, at);
  if (word === "fib") return fibSelector(words, at);
  if (word === "ip" && field === "option") return { length: 4, kind: "opaque" };
  if ((word === "tcp" || word === "sctp" || word === "dccp") && /^(option|chunk)$/.test(field)) {
    const hasField = /^(?!exists$|missing$)[a-z]/.test(words[at + 3] ?? "");
    return { length: hasField ? 4 : 3, kind: "opaque" };
  }
  if (PAYLOADS.has(word)) return /^[a-z]/.test(field) ? payloadSelector(word, words, at) : null;
  if (word === "exthdr") return { length: 2, kind: "opaque" };
  if (word === "socket" || word === "osf" || word === "tunnel") {
    return { length: /^(ttl|cgroupv2)$/.test(field) ? 4 : 2, kind: "opaque" };
  }
  if (word === "ipsec") return ipsecSelector(words, at);
  if (word === "numgen" || word === "jhash" || word === "symhash") return generatorSelector(words, at);
  if (/^@(ll|nh|th|ih),\d+,\d+$/.test(word)) return { length: 1, kind: "opaque" };
  const bare = BARE[word];
  return bare === undefined ? null : { length: 1, kind: bare };
}

function payloadSelector(protocol: string, words: readonly string[], at: number): Selector {
  const field = words[at + 1] ?? "";
  if (protocol === "arp" && /^[sd]addr$/.test(field)) return { length: 3, kind: "opaque" };
  return { length: 2, kind: payloadKind(protocol, field) };
}

function payloadKind(protocol: string, field: string): MatchKind {
  if (protocol === "ip" || protocol === "ip6") {
    if (field === "saddr") return "source";
    if (field === "daddr") return "destination";
    if (field === "protocol" || field === "nexthdr") return "protocol";
    return field === "frag-off" ? "fragment" : "opaque";
  }
  if (field === "sport") return "source-port";
  if (field === "dport") return "destination-port";
  if (protocol === "tcp" && field === "flags") return "tcp-flags";
  return (protocol === "icmp" || protocol === "icmpv6") && field === "type" ? "icmp-type" : "opaque";
}

function metaKind(key: string): MatchKind {
  if (key === "protocol") return "family";
  return BARE[key] ?? "opaque";
}

function conntrackSelector(words: readonly string[], at: number): Selector {
  let length = 1;
  if (/^(original|reply)$/.test(words[at + length] ?? "")) length++;
  if (/^(ip|ip6)$/.test(words[at + length] ?? "")) length++;
  const key = words[at + length] ?? "";
  length++;
  const kind = key === "state" ? "ct-state" : key === "status" ? "ct-status" : "opaque";
  return { length, kind };
}

/** `fib daddr . iif type`, `fib saddr . iif oif` */
function fibSelector(words: readonly string[], at: number): Selector | null {
  let length = 2;
  while (words[at + length] === ".") length += 2;
  const result = words[at + length] ?? "";
  if (!/^(type|oif|oifname|check)$/.test(result)) return null;
  const isPlain = result === "type" && length === 2;
  return { length: length + 1, kind: isPlain ? "address-type" : "opaque" };
}

/** `numgen inc mod 4 offset 1`, `jhash ip saddr mod 2 seed 0x1`, `symhash mod 2` */
function generatorSelector(words: readonly string[], at: number): Selector | null {
  const mod = words.indexOf("mod", at);
  if (mod === -1) return null;
  let length = mod + 2 - at;
  while (/^(seed|offset)$/.test(words[at + length] ?? "")) length += 2;
  return { length, kind: "opaque" };
}

/** `ipsec in spnum 0 reqid`, `ipsec out ip saddr` */
function ipsecSelector(words: readonly string[], at: number): Selector {
  const key = words[at + 2] === "spnum" ? at + 4 : at + 2;
  return { length: key - at + (/^ip6?$/.test(words[key] ?? "") ? 2 : 1), kind: "opaque" };
}
