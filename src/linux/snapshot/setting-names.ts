/**
 * Which settings a snapshot holds: all that stand directly in the folders of IP, netfilter and bridges, and of those that
 * each interface has, the ones that decide about packets. A host with a thousand interfaces has a hundred thousand files.
 */

/** Folders of /proc/sys of which every readable file is taken, subfolders excluded. */
export const WHOLE_FOLDERS: readonly string[] = [
  "net/ipv4",
  "net/ipv6",
  "net/ipv4/route",
  "net/ipv6/route",
  "net/ipv6/icmp",
  "net/netfilter",
  "net/netfilter/nf_log",
  "net/bridge",
];

export const SINGLE_SETTINGS: readonly string[] = [
  "net/core/rmem_max",
  "net/core/rmem_default",
  "net/core/netdev_max_backlog",
  "net/core/netdev_budget",
];

/** Keys, not settings: they do not belong into a file that is sent to others. */
export const SECRET: ReadonlySet<string> = new Set(["tcp_fastopen_key", "stable_secret"]);

/** Folders with one folder for each interface, and `all` and `default`. */
export const OF_INTERFACES: Readonly<Record<string, readonly string[]>> = {
  "net/ipv4/conf": [
    "forwarding",
    "rp_filter",
    "accept_local",
    "route_localnet",
    "src_valid_mark",
    "ignore_routes_with_linkdown",
    "bc_forwarding",
    "mc_forwarding",
    "log_martians",
    "arp_ignore",
    "arp_filter",
    "arp_announce",
    "proxy_arp",
    "proxy_arp_pvlan",
    "drop_unicast_in_l2_multicast",
    "send_redirects",
    "accept_redirects",
    "accept_source_route",
    "disable_policy",
    "disable_xfrm",
  ],
  "net/ipv6/conf": [
    "forwarding",
    "force_forwarding",
    "disable_ipv6",
    "mtu",
    "hop_limit",
    "accept_ra",
    "accept_ra_defrtr",
    "accept_dad",
    "accept_redirects",
    "accept_source_route",
    "proxy_ndp",
    "ignore_routes_with_linkdown",
    "drop_unicast_in_l2_multicast",
    "mc_forwarding",
    "seg6_enabled",
  ],
};
