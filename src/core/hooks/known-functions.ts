/**
 * What the kernel's hook functions are for, by name.
 *
 * Names change between versions (`iptable_filter_hook` became `ipt_do_table` in 5.15, `ipv4_confirm` became `nf_confirm` in 6.0),
 * so old and new ones stand side by side. A name that is not here is shown as it is.
 */

export type Role =
  /** Puts fragments together. */
  | "defrag"
  | "conntrack"
  | "nat"
  /** Runs a table of legacy iptables, arptables or ebtables. */
  | "xtables"
  /** Runs a base chain of nf_tables. */
  | "nft"
  | "flowtable"
  /** Hands bridged frames to the IP families' hooks and takes them back. */
  | "bridge-netfilter"
  | "bpf"
  /** SELinux, AppArmor, Smack. */
  | "security"
  | "ipvs"
  /** In the kernel, known, and none of the above. */
  | "other"
  | "unknown";

export interface KnownFunction {
  readonly role: Role;
  /** What it does to a packet, in a few words. */
  readonly words: string;
}

const UNKNOWN: KnownFunction = { role: "unknown", words: "a function that nfpath does not know" };

const DEFRAG = "puts fragments together";
const TRACK = "finds the connection (ct state)";
const CONFIRM = "keeps a new connection";
const NAT_FIRST = "asks for a connection's first packet";
const LEGACY = "runs a legacy table";
const SECURITY = "a security module's own rules";
const SERVICE = "load balancing (ipvsadm -L)";
const FLOWTABLE = "offloaded flows skip all that follows";
const BRIDGED = "calls the IP hooks for bridged packets";

const EXACT: Readonly<Record<string, KnownFunction>> = {
  ipv4_conntrack_defrag: { role: "defrag", words: DEFRAG },
  ipv6_defrag: { role: "defrag", words: DEFRAG },
  ipv4_conntrack_in: { role: "conntrack", words: TRACK },
  ipv6_conntrack_in: { role: "conntrack", words: TRACK },
  ipv4_conntrack_local: { role: "conntrack", words: TRACK },
  ipv6_conntrack_local: { role: "conntrack", words: TRACK },
  nf_confirm: { role: "conntrack", words: CONFIRM },
  ipv4_confirm: { role: "conntrack", words: CONFIRM },
  ipv6_confirm: { role: "conntrack", words: CONFIRM },
  ipv4_helper: { role: "conntrack", words: "expects further connections" },
  ipv6_helper: { role: "conntrack", words: "expects further connections" },
  nf_ct_bridge_pre: { role: "conntrack", words: TRACK },
  nf_ct_bridge_in: { role: "conntrack", words: CONFIRM },
  nf_ct_bridge_in_confirm: { role: "conntrack", words: CONFIRM },
  nf_ct_bridge_post: { role: "conntrack", words: CONFIRM },
  br_nf_pre_routing: { role: "bridge-netfilter", words: BRIDGED },
  br_nf_forward: { role: "bridge-netfilter", words: BRIDGED },
  br_nf_forward_ip: { role: "bridge-netfilter", words: BRIDGED },
  br_nf_forward_arp: { role: "bridge-netfilter", words: "shows bridged ARP to arptables" },
  br_nf_local_in: { role: "bridge-netfilter", words: BRIDGED },
  br_nf_post_routing: { role: "bridge-netfilter", words: BRIDGED },
  ip_sabotage_in: { role: "bridge-netfilter", words: "no second pass for bridged packets" },
  nf_hook_run_bpf: { role: "bpf", words: "a bpf program (bpftool prog)" },
  ipv4_synproxy_hook: { role: "other", words: "SYN proxy" },
  ipv6_synproxy_hook: { role: "other", words: "SYN proxy" },
  clusterip_arp_mangle: { role: "other", words: "iptables' CLUSTERIP, for ARP" },
  arp_mangle: { role: "other", words: "iptables' CLUSTERIP, for ARP" },
  ipvlan_nf_input: { role: "other", words: "ipvlan's L3S mode" },
  ila_nf_input: { role: "other", words: "ILA address translation" },
};

/** By how a name begins. The first that fits counts. */
const BEGINNINGS: readonly (readonly [string, KnownFunction])[] = [
  ["nft_do_chain", { role: "nft", words: "runs a base chain" }],
  ["ipt_do_table", { role: "xtables", words: LEGACY }],
  ["ip6t_do_table", { role: "xtables", words: LEGACY }],
  ["arpt_do_table", { role: "xtables", words: LEGACY }],
  ["ebt_", { role: "xtables", words: LEGACY }],
  ["iptable_", { role: "xtables", words: LEGACY }],
  ["ip6table_", { role: "xtables", words: LEGACY }],
  ["arptable_", { role: "xtables", words: LEGACY }],
  ["nf_nat_", { role: "nat", words: NAT_FIRST }],
  ["nf_flow_offload_", { role: "flowtable", words: FLOWTABLE }],
  ["selinux_", { role: "security", words: SECURITY }],
  ["apparmor_", { role: "security", words: SECURITY }],
  ["smack_", { role: "security", words: SECURITY }],
  ["ip_vs_", { role: "ipvs", words: SERVICE }],
];

/** Suffixes that compilers add to names of copies (`.isra.0`, `.llvm.123`) do not count. */
export function knownFunction(name: string | null): KnownFunction {
  if (name === null) return { role: "unknown", words: "a function whose name the kernel does not tell" };
  const base = /^[^.]*/.exec(name)?.[0] ?? name;
  const exact = Object.hasOwn(EXACT, base) ? EXACT[base] : undefined;
  return exact ?? BEGINNINGS.find(([beginning]) => base.startsWith(beginning))?.[1] ?? UNKNOWN;
}
