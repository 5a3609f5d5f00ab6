/**
 * The numbers by which the kernel knows hooks: an index means another hook in each family
 * (`include/uapi/linux/netfilter.h`, `netfilter_arp.h`).
 */
import type { Family, PacketFamily } from "./family.ts";
import type { Hook } from "./hook.ts";

const IP_HOOKS: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];

/** A family's hooks, each at the index that is its number. */
export const HOOKS_BY_NUMBER: Readonly<Record<PacketFamily, readonly Hook[]>> = {
  ip: IP_HOOKS,
  ip6: IP_HOOKS,
  bridge: IP_HOOKS,
  arp: ["input", "output", "forward"],
  netdev: ["ingress", "egress"],
};

/** `nfproto` of `struct nfgenmsg` (`enum nf_proto`). */
export const NUMBER_OF_FAMILY: Readonly<Record<PacketFamily, number>> = {
  ip: 2,
  arp: 3,
  netdev: 5,
  bridge: 7,
  ip6: 10,
};

/** Families whose packets a table of this family sees. inet's ingress chains are the interface's, like netdev's. */
export function packetFamiliesOf(family: Family, hook: Hook): readonly PacketFamily[] {
  if (family !== "inet") return [family];
  return hook === "ingress" || hook === "egress" ? ["netdev"] : ["ip", "ip6"];
}
