/** Which devices put a packet into another one. */
import type { HostSnapshot } from "./host.ts";

/** Kinds of links as `ip -d link` names them. A `tun` is a program's: what it makes of a packet is a packet of its own. */
const TUNNELS: ReadonlySet<string> = new Set([
  ...["ipip", "sit", "gre", "gretap", "erspan", "vti", "ip6tnl", "ip6gre", "ip6gretap", "ip6erspan", "vti6"],
  ...["vxlan", "geneve", "bareudp", "gtp", "wireguard", "xfrm"],
]);

/** Null where the snapshot does not tell: it has no such link, or no kind of it. */
export function isTunnel(host: HostSnapshot | null, device: string): boolean | null {
  const kind = host?.links?.find(({ name }) => name === device)?.kind ?? null;
  return kind === null ? null : TUNNELS.has(kind);
}
