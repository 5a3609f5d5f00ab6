/**
 * The words of pcap-filter: those we read, those we know and refuse, and those of other languages that people type here.
 */
import { protocolNumber } from "../packets/protocols.ts";
import type { Filter } from "./filter.ts";
import { SERVICE_NAMES, serviceNamed } from "./services.ts";
import { nearestWord } from "./suggest.ts";

/** What a protocol word means when it stands alone. libpcap's `gen_proto_abbrev` decides which of them are IPv4 only. */
const ALONE = {
  ip: { kind: "family", family: "ip" },
  ip6: { kind: "family", family: "ip6" },
  arp: { kind: "family", family: "arp" },
  tcp: protocol(6, null),
  udp: protocol(17, null),
  sctp: protocol(132, null),
  icmp: protocol(1, "ip"),
  icmp6: protocol(58, "ip6"),
  igmp: protocol(2, "ip"),
  igrp: protocol(9, "ip"),
  ah: protocol(51, null),
  esp: protocol(50, null),
  pim: protocol(103, null),
  vrrp: protocol(112, "ip"),
  carp: protocol(112, "ip"),
} as const satisfies Readonly<Record<string, Filter>>;

export type ProtocolWord = keyof typeof ALONE;
export type DirectionWord = "src" | "dst";
export type TypeWord = "host" | "net" | "port" | "portrange" | "proto";

export function isProtocolWord(word: string | undefined): word is ProtocolWord {
  return word !== undefined && Object.hasOwn(ALONE, word);
}

export function isDirectionWord(word: string | undefined): word is DirectionWord {
  return word === "src" || word === "dst";
}

export function isTypeWord(word: string | undefined): word is TypeWord {
  return word === "host" || word === "net" || word === "port" || word === "portrange" || word === "proto";
}

/** The condition that a protocol word is by itself. */
export function protocolAlone(word: ProtocolWord): Filter {
  return ALONE[word];
}

export function hasPorts(word: ProtocolWord): word is "tcp" | "udp" | "sctp" {
  return word === "tcp" || word === "udp" || word === "sctp";
}

export type Junction = "and" | "or";

export function junctionOf(text: string | undefined): Junction | null {
  if (text === "and" || text === "&&") return "and";
  return text === "or" || text === "||" ? "or" : null;
}

const LINK_LAYER = {
  reason: "looks at the link layer, and rules of the IP families see packets without it",
  hint: "use the IP address (`host`), or the interface (`on eth0`)",
};
const INSIDE = {
  reason: "looks inside a header that rules of the IP families never see, or see as a packet of its own",
  hint: "name the interface that carries it, as in `on eth0.100`, or filter on the IP packet itself",
};
const OTHER_PROTOCOL = {
  reason: "names a protocol that does not pass the firewall's IP hooks",
  hint: "use ip, ip6 or arp",
};
const BSD = {
  reason: "asks what the firewall of BSD (pf) said about a packet",
  hint: "leave it out; nfpath shows the verdict of Linux's own rules",
};
const FIXED_OFFSET = {
  reason: "tests a byte at a place that firewall rules have no word for",
  hint: "use host, net, port, proto, len, tcp[tcpflags], icmp[icmptype] or icmp[icmpcode]",
};

/** pcap-filter's words that mean nothing at a firewall, or that we have no way to say in its rules. */
const REFUSED: ReadonlyMap<string, Refusal> = new Map([
  ...each(["ether", "fddi", "tr", "wlan", "link", "ppp", "slip", "radio"], LINK_LAYER),
  ...each(["broadcast", "multicast", "addr1", "addr2", "addr3", "addr4", "ra", "ta"], LINK_LAYER),
  ...each(["llc", "type", "subtype", "dir"], LINK_LAYER),
  ...each(["vlan", "mpls", "pppoed", "pppoes", "geneve", "vxlan"], INSIDE),
  ...each(["rarp", "atalk", "aarp", "decnet", "lat", "sca", "moprc", "mopdl", "iso", "stp"], OTHER_PROTOCOL),
  ...each(["ipx", "netbeui", "clnp", "esis", "isis", "l1", "l2", "iih", "lsp", "snp"], OTHER_PROTOCOL),
  ...each(["csnp", "psnp", "vpi", "vci", "lane", "oam", "oamf4", "oamf4s", "oamf4e"], OTHER_PROTOCOL),
  ...each(["metac", "bcc", "sc", "ilmic", "connectmsg", "metaconnect"], OTHER_PROTOCOL),
  ...each(["rnr", "rulenum", "rset", "ruleset", "srnr", "subrulenum", "reason", "action"], BSD),
  ["byte", FIXED_OFFSET],
  [
    "gateway",
    {
      reason: "compares link-layer addresses with a name's IP addresses",
      hint: "name the gateway's interface, as in `on eth0`",
    },
  ],
  [
    "protochain",
    {
      reason: "searches a chain of headers of any length, which no firewall rule does",
      hint: "use `proto`, which sees the first header (and the one behind a fragment header)",
    },
  ],
  ["ifindex", { reason: "gives an interface by number", hint: "use its name, as in `on eth0`" }],
]);

interface Refusal {
  /** Completes the sentence "`word` …". */
  readonly reason: string;
  readonly hint: string;
}

/** Why a word of pcap-filter is refused; null for any other word. */
export function refusalOf(word: string): Refusal | null {
  return REFUSED.get(word) ?? null;
}

/** Words of nft, iptables, tcpdump and Wireshark, with ours for the same. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["ipv4", "ip"],
  ["ipv6", "ip6"],
  ["icmpv6", "icmp6"],
  ["dport", "dst port"],
  ["sport", "src port"],
  ["saddr", "src host"],
  ["daddr", "dst host"],
  ["source", "src"],
  ["from", "src"],
  ["destination", "dst"],
  ["dest", "dst"],
  ["to", "dst"],
  ["ports", "port"],
  ["address", "host"],
  ["addr", "host"],
  ["ip.addr", "host"],
  ["ip.src", "src host"],
  ["ip.dst", "dst host"],
  ["tcp.port", "tcp port"],
  ["udp.port", "udp port"],
  ["network", "net"],
  ["subnet", "net"],
  ["protocol", "proto"],
  ["l4proto", "proto"],
  ["nexthdr", "ip6 proto"],
  ["length", "len"],
  ["interface", "on"],
  ["iface", "on"],
  ["dev", "on"],
  ["iif", "on"],
  ["iifname", "on"],
  ["oif", "on"],
  ["oifname", "on"],
  ["in", "inbound"],
  ["out", "outbound"],
  ["incoming", "inbound"],
  ["outgoing", "outbound"],
  ["syn", "tcp[tcpflags] & tcp-syn != 0"],
  ["dns", "port domain"],
  ["ping", "icmp[icmptype] = icmp-echo"],
  ["-p", "tcp, udp or proto N"],
  ["-s", "src host"],
  ["-d", "dst host"],
  ["-i", "on"],
  ["-o", "on"],
  ["--sport", "src port"],
  ["--dport", "dst port"],
]);

const KEYWORDS: readonly string[] = [
  ...Object.keys(ALONE),
  ...["src", "dst", "host", "net", "port", "portrange", "proto", "and", "or", "not"],
  ...["less", "greater", "len", "inbound", "outbound", "on", "ifname", "mask"],
];

/** Whether the language itself uses this word, so that it cannot be a value without a backslash. */
export function isKeyword(word: string): boolean {
  return KEYWORDS.includes(word) || REFUSED.has(word);
}

/** What to write for a word that has no place where it stands. */
export function hintForUnknown(word: string): string {
  const ours = ELSEWHERE.get(word.toLowerCase());
  if (ours !== undefined) return `write \`${ours}\``;
  if (/[a-z]\.[a-z]/i.test(word))
    return "host names are not looked up here; write the address: `host 192.0.2.1`";
  const typo = nearestWord(word, KEYWORDS);
  if (typo !== null) return `did you mean \`${typo}\`?`;
  if (serviceNamed(word) !== null) return `write \`port ${word}\``;
  if (protocolNumber(word) !== null && !/^\d/.test(word)) return `write \`proto ${word}\``;
  const service = nearestWord(word, SERVICE_NAMES);
  if (service !== null) return `did you mean \`port ${service}\`?`;
  return "start with a word such as host, net, port, tcp, udp, icmp, ip6, on, or an address";
}

function protocol(number: number, family: "ip" | "ip6" | null) {
  return { kind: "protocol", number, family } as const;
}

function each(words: readonly string[], refusal: Refusal): (readonly [string, Refusal])[] {
  return words.map((word) => [word, refusal] as const);
}
