/** IP protocol numbers and the names nfpath uses for them (IANA's keywords, lower case, as `/etc/protocols`). */

const NAMES: Readonly<Record<number, string>> = {
  1: "icmp",
  2: "igmp",
  4: "ipip",
  6: "tcp",
  17: "udp",
  33: "dccp",
  41: "ipv6",
  47: "gre",
  50: "esp",
  51: "ah",
  58: "icmpv6",
  88: "eigrp",
  89: "ospf",
  103: "pim",
  112: "vrrp",
  115: "l2tp",
  132: "sctp",
  136: "udplite",
};

/** A map and no object: `constructor` is no protocol. */
const NUMBERS: ReadonlyMap<string, number> = new Map([
  ...Object.entries(NAMES).map(([number, name]): [string, number] => [name, Number(number)]),
  ["ipv6-icmp", 58],
  ["icmp6", 58],
  // As Debian's `/etc/protocols` has it, and so nft.
  ["ipencap", 4],
]);

/** `17` → `udp`; a number without a name is its decimal text. */
export function protocolName(number: number): string {
  return NAMES[number] ?? String(number);
}

/** `udp` → 17, `UDP` → 17, `47` → 47; null for a word that is no protocol. */
export function protocolNumber(word: string): number | null {
  const named = NUMBERS.get(word.toLowerCase());
  if (named !== undefined) return named;
  return /^\d{1,3}$/.test(word) && Number(word) < 256 ? Number(word) : null;
}
