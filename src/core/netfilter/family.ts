/** Protocol families as netfilter numbers them (`include/uapi/linux/netfilter.h`, `enum nf_proto`). */

export type Family = "ip" | "ip6" | "inet" | "arp" | "bridge" | "netdev";

/** What a packet itself can be: `inet` is a kind of table, never of packet. */
export type PacketFamily = Exclude<Family, "inet">;

const BY_NUMBER: Readonly<Record<number, Family>> = {
  1: "inet",
  2: "ip",
  3: "arp",
  5: "netdev",
  7: "bridge",
  10: "ip6",
};

/** The family of an `nfproto` number; null for one that netfilter does not use any more (DECnet) or never did. */
export function familyOfNumber(nfproto: number): Family | null {
  return BY_NUMBER[nfproto] ?? null;
}

export function isFamily(word: string): word is Family {
  return (
    word === "ip" ||
    word === "ip6" ||
    word === "inet" ||
    word === "arp" ||
    word === "bridge" ||
    word === "netdev"
  );
}
