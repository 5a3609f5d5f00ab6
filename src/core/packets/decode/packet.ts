/**
 * A `Packet` from the bytes of its headers, whole (nfnetlink_log's payload) or in three pieces (nft's trace).
 */
import type { PacketFamily } from "../../netfilter/family.ts";
import { type LinkHeader, type Packet, unknownPacket } from "../packet.ts";
import { type Slice, u8 } from "./bytes.ts";
import { decodeArp, decodeIpv4, decodeIpv6 } from "./network.ts";

export interface HeaderSlices {
  readonly link: LinkHeader | null;
  readonly network: Slice;
  /** Where it was copied apart; null when it follows the network header. */
  readonly transport: Slice | null;
  /** What carries the packet, where the source says so; else the link header's, else null. */
  readonly etherType: number | null;
}

/**
 * Reads headers of a packet that netfilter met in `family`. A bridge or netdev packet becomes one of the protocol it
 * carries; one that is neither IP nor ARP keeps `family` and has no addresses. Never throws.
 */
export function decodeHeaders(headers: HeaderSlices, family: PacketFamily): Packet {
  const { network, transport, link } = headers;
  const carried = carriedFamily(headers, family);
  switch (carried) {
    case "ip":
      return decodeIpv4(network, transport, link);
    case "ip6":
      return decodeIpv6(network, transport, link);
    case "arp":
      return decodeArp(network, link);
    default:
      return { ...unknownPacket(carried), link };
  }
}

function carriedFamily(headers: HeaderSlices, family: PacketFamily): PacketFamily {
  if (family !== "bridge" && family !== "netdev") return family;
  switch (headers.etherType ?? headers.link?.etherType ?? null) {
    case 0x0800:
      return "ip";
    case 0x86dd:
      return "ip6";
    case 0x0806:
      return "arp";
    case null:
      return familyOfVersion(u8(headers.network, 0)) ?? family;
    default:
      return family;
  }
}

/** A device without a link header (tun, ppp) carries bare IP, which says its version itself. */
function familyOfVersion(firstOctet: number | null): PacketFamily | null {
  if (firstOctet === null) return null;
  if (firstOctet >> 4 === 4) return "ip";
  return firstOctet >> 4 === 6 ? "ip6" : null;
}
