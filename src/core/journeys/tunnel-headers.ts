/**
 * What tunnels and IPsec put around a packet, by the length of it: whether one packet can be inside another.
 *
 * Lengths are those of the kernel's own: `ipip.c`, `sit.c`, `ip_gre.c`, `vxlan_core.c`, `geneve.c`, `esp4.c` (an initialisation vector of up to
 * 16 bytes, padding of up to 16, a checksum of up to 32), `ah4.c`, `drivers/net/wireguard/send.c` (padding up to 16).
 */
import type { Packet } from "../packets/packet.ts";

/**
 * - `tunnel`: a protocol that carries packets and little else, or a port that is registered for one.
 * - `ipsec`: the same, and the packet leaves and enters by the very interface that its carrier does.
 * - `perhaps`: UDP of another port, or a length that options may explain: something else must tell.
 */
export type Carrying = "tunnel" | "ipsec" | "perhaps";

const ETHERNET = 14;
const VLAN = 4;
const UDP = 8;
const VXLAN_PORTS: readonly number[] = [4789, 8472];
const GENEVE_PORT = 6081;
const WIREGUARD_PORT = 51820;
const NAT_TRAVERSAL_PORT = 4500;
/** What other protocols over UDP put around: more is no tunnel's header. */
const MOST_OVER_UDP = 120;

/** Whether `outer` can have `inner` in it; null where their lengths or the protocol exclude it. */
export function canCarry(outer: Packet, inner: Packet): Carrying | null {
  if (outer.length === null || inner.length === null) return null;
  // No tunnel goes through itself: these are two packets of one connection, the later in the earlier's buffer.
  if (outer.protocol === inner.protocol && outer.src === inner.src && outer.dst === inner.dst) return null;
  const added = outer.length - inner.length;
  const inside = added - (outer.family === "ip6" ? 40 : 20);
  switch (outer.protocol) {
    case "ipip":
    case "ipv6":
      // `ip6_tunnel` adds a destination option that limits how deep tunnels may be nested.
      return inside === 0 || (outer.family === "ip6" && inside === 8) ? "tunnel" : null;
    case "gre":
      return isGre(inside) || isGre(inside - ETHERNET) || isGre(inside - ETHERNET - VLAN) ? "tunnel" : null;
    case "esp":
      return isEsp(inside) || isEsp(added) ? "ipsec" : null;
    case "ah":
      return isAh(inside) || isAh(added) ? "ipsec" : null;
    case "udp":
      return overUdp(outer, inner, inside - UDP);
    default:
      return null;
  }
}

function overUdp(outer: Packet, inner: Packet, inside: number): Carrying | null {
  if (inside < 0 || inside > MOST_OVER_UDP) return null;
  const isTo = (port: number) => outer.dport === port || outer.sport === port;
  if (VXLAN_PORTS.some(isTo))
    return inside === 8 + ETHERNET || inside === 8 + ETHERNET + VLAN ? "tunnel" : null;
  if (isTo(GENEVE_PORT)) return inside >= 8 && inside % 4 === (8 + ETHERNET) % 4 ? "tunnel" : "perhaps";
  if (isTo(NAT_TRAVERSAL_PORT))
    return isEsp(inside) || isEsp(inside + (outer.family === "ip6" ? 40 : 20)) ? "ipsec" : null;
  const padded = inside - 32;
  const isWireGuard = padded >= 0 && padded < 16 && padded <= (16 - ((inner.length ?? 0) % 16)) % 16;
  if (isTo(WIREGUARD_PORT)) return isWireGuard ? "tunnel" : null;
  return "perhaps";
}

/** 4 bytes, and 4 more each for a checksum, a key and a sequence number. */
function isGre(bytes: number): boolean {
  return bytes === 4 || bytes === 8 || bytes === 12 || bytes === 16;
}

function isEsp(bytes: number): boolean {
  return bytes >= 10 && bytes <= 8 + 16 + 17 + 32;
}

function isAh(bytes: number): boolean {
  return bytes >= 16 && bytes <= 12 + 64 && bytes % 4 === 0;
}
