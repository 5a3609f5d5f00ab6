/** Ethernet headers as netfilter hands them over, VLAN tags included. */
import type { LinkHeader } from "../packet.ts";
import { from, lengthOf, type Slice, u16 } from "./bytes.ts";
import { internedMac } from "./intern.ts";

const ETHERNET_HEADER = 14;
const VLAN_TAGS: readonly number[] = [0x8100, 0x88a8, 0x9100];

/** `if_arp.h` types of devices whose link header is Ethernet's. */
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

/**
 * The link header, where the device type says that it is Ethernet's (null: nobody said, and 14 bytes are taken for
 * it); null for other devices and for fewer than 14 bytes. `etherType` is the one behind all VLAN tags.
 */
export function decodeLink(slice: Slice, deviceType: number | null): LinkHeader | null {
  if (deviceType !== null && deviceType !== ARPHRD_ETHER && deviceType !== ARPHRD_LOOPBACK) return null;
  if (lengthOf(slice) < ETHERNET_HEADER) return null;
  let rest = from(slice, 12);
  let etherType = u16(rest, 0);
  while (etherType !== null && VLAN_TAGS.includes(etherType)) {
    rest = from(rest, 4);
    etherType = u16(rest, 0);
  }
  return {
    destination: internedMac(slice.bytes, slice.start),
    source: internedMac(slice.bytes, slice.start + 6),
    etherType,
  };
}
