/** Whether a host takes a packet to a multicast group (`ip_check_mc_rcu`, `ipv6_chk_mcast_addr`). */
import type { HostSnapshot, IpFamily, MulticastGroup } from "./host.ts";
import { vrfOf } from "./vrf.ts";

export interface ToGroup {
  readonly family: IpFamily;
  readonly group: string;
  readonly src: string;
  /** IGMP's own packets pass whatever filters there are. */
  readonly protocol: string | null;
}

/**
 * @param dev what it came in by; a VRF's groups count for its interfaces
 * @returns null where it cannot be told
 */
export function isJoined(host: HostSnapshot, dev: string, packet: ToGroup): boolean | null {
  const { multicastGroups } = host;
  if (multicastGroups === null) return null;
  const vrf = packet.family === "ip" ? vrfOf(host, dev) : null;
  if (vrf === "not-known") return null;
  const devices = vrf === null ? [dev] : [dev, vrf.name];
  const answers = multicastGroups
    .filter(
      ({ family, address, dev: on }) =>
        family === packet.family && address === packet.group && devices.includes(on),
    )
    .map((group) => takes(group, packet));
  if (answers.includes(true)) return true;
  return answers.includes(null) ? null : false;
}

/**
 * How many sockets want only what they name and how many want all but what they name is not told: of all together, and for each
 * source that one of them names, it is. Null where that is not enough.
 */
function takes(group: MulticastGroup, { family, src, protocol }: ToGroup): boolean | null {
  // IPv6 looks at sources behind INPUT, for each socket.
  if (family === "ip6" || protocol === "igmp") return true;
  const { sources, users } = group;
  if (sources === null || users === null) return null;
  if (sources.length === 0) return true;
  const named = sources.find(({ address }) => address === src);
  if (named !== undefined && named.included > 0) return true;
  const counts = sources.map(({ included }) => included);
  const fewestExcluding = users - counts.reduce((sum, count) => sum + count, 0);
  const mostExcluding = users - Math.max(...counts);
  const without = named?.excluded ?? 0;
  if (fewestExcluding > without) return true;
  return mostExcluding <= without ? false : null;
}
