/** Programs that write rules beside their real work: container engines, virtual machines, VPNs, and those that ban. */
import type { Manager, Told } from "./origin.ts";
import { address, dnatTo, does, portOf, valueFor } from "./rule-parts.ts";

const podman: Manager = {
  name: "Podman (netavark)",
  tables: /^netavark$/,
  chains: /^(NETAVARK[-_]\S+|nv_[\da-f]+_\S+)$/i,
  tell: ({ rule }) => {
    const port = portOf(rule);
    const to = dnatTo(rule);
    if (port !== null && to !== null)
      return told(
        `published port ${port} of container ${to}`,
        to,
        `podman ps --filter publish=${port}; its -p`,
      );
    if (/ISOLATION/i.test(rule?.text ?? ""))
      return told("keeps its networks apart", null, "podman network inspect NETWORK  # isolate");
    return told(
      "a rule for its networks",
      valueFor(rule, "destination"),
      "podman network ls; podman network inspect NETWORK",
    );
  },
};

/** `name: "podman" id: "9a8b6f61eba0…"`, and before a DNAT `dnat name: "cbr0" id: "…"`. */
const CNI_COMMENT = /(?:^|\s)name: \\?"([^"\\]+)\\?" id: \\?"([^"\\]+)\\?"/;

const cni: Manager = {
  name: "CNI plugins",
  chains: /^CNI-(FORWARD|ADMIN|HOSTPORT-(DNAT|MASQ|SETMARK)|DN-[\da-f]+|SN-[\da-f]+|[\da-f]{24})$/,
  comment: CNI_COMMENT,
  tell: ({ rule }) => {
    const [, network, id] = CNI_COMMENT.exec(rule?.comment ?? "") ?? [];
    const container = id?.slice(0, 12) ?? null;
    const to = dnatTo(rule);
    const port = portOf(rule);
    const whose =
      container === null
        ? ""
        : ` of container ${container}${network === undefined ? "" : ` on network ${network}`}`;
    return told(
      to !== null && port !== null
        ? `host port ${port}, to ${to}${whose}`
        : `a rule${whose || " for containers"}`,
      container,
      "podman ps --all, crictl pods or nerdctl ps; /etc/cni/net.d",
    );
  },
};

const libvirt: Manager = {
  name: "libvirt",
  tables: /^libvirt_network$/,
  chains: /^LIBVIRT_(INP|OUT|FWI|FWO|FWX|PRT)$|^[FHI][IOJ]-(vnet|macvtap)\d+$/,
  // Before 5.1 it wrote to the built-in chains; its bridges are called virbr.
  owns: (_place, rule) =>
    rule.matches.some(
      ({ kind, value }) => (kind === "in-interface" || kind === "out-interface") && /^virbr\d+$/.test(value),
    ) && rule.matches.length <= 4,
  tell: ({ rule, chain }) => {
    const bridge =
      valueFor(rule, "out-interface") ??
      valueFor(rule, "in-interface") ??
      /(?:vnet|macvtap)\d+/.exec(chain)?.[0] ??
      null;
    const refuses = does(rule, "reject") || does(rule, "drop");
    const where = bridge === null ? "" : ` on ${bridge}`;
    return told(
      refuses ? `keeps others from starting connections to guests${where}` : `a rule for its network${where}`,
      bridge,
      "virsh net-list; virsh net-dumpxml NETWORK  # forward mode",
    );
  },
};

const fail2ban: Manager = {
  name: "fail2ban",
  tables: /^f2b-table$/,
  chains: /^(f2b|fail2ban)-\S+$/,
  tell: ({ rule, chain }) => {
    const jail =
      /^(?:f2b|fail2ban)-(?!chain$)(\S+)/.exec(chain)?.[1] ??
      /@?addr6?-set-(\S+)/.exec(rule?.text ?? "")?.[1] ??
      null;
    const banned = address(valueFor(rule, "source"));
    const who = banned === null || banned.startsWith("@") ? null : banned;
    const name = jail ?? "JAIL";
    return told(
      `${who === null ? "bans" : `${who} is banned`}${jail === null ? "" : ` by jail ${jail}`}`,
      jail,
      `fail2ban-client status ${name}; fail2ban-client set ${name} unbanip ${who ?? "ADDRESS"}`,
    );
  },
};

const tailscale: Manager = {
  name: "Tailscale",
  chains: /^ts-(input|forward|postrouting)$/,
  tell: ({ rule }) =>
    told(
      does(rule, "drop")
        ? "drops Tailscale addresses that do not come through the tunnel"
        : does(rule, "masquerade")
          ? "masquerades what comes through the tunnel for its subnet routes"
          : "a rule for its tunnel",
      null,
      "tailscale status; tailscale debug prefs  # NetfilterMode, NoSNAT",
    ),
};

const wgQuick: Manager = {
  name: "wg-quick",
  tables: /^wg-quick-\S+$/,
  comment: /^wg-quick\(8\) rule for \S+/,
  tell: ({ rule, table }) => {
    const tunnel = /rule for (\S+)/.exec(rule?.comment ?? "")?.[1] ?? table.replace(/^wg-quick-/, "");
    return told(
      does(rule, "drop")
        ? `keeps others from sending to the address of tunnel ${tunnel}`
        : `a rule for tunnel ${tunnel}`,
      tunnel,
      `wg show ${tunnel}; /etc/wireguard/${tunnel}.conf`,
    );
  },
};

const lxd: Manager = {
  name: "LXD or Incus",
  tables: /^(lxd|incus)$/,
  comment: /^generated for (LXD|Incus) network \S+|^managed by lxd-bridge$/,
  tell: ({ rule }) => {
    const network = /network (\S+)/.exec(rule?.comment ?? "")?.[1] ?? null;
    return told(
      `network ${network ?? "of containers"}`,
      network,
      `lxc network show ${network ?? "NETWORK"}, or incus network show`,
    );
  },
};

const neutron: Manager = {
  name: "OpenStack Neutron",
  chains:
    /^neutron-(filter-top|postrouting-bottom|(linuxbri|openvswi|l3-agent|dhcp-age|meter-|vpn-agen)-\S+)$/,
  tell: ({ chain, rule }) => {
    const port = /^neutron-(?:linuxbri|openvswi)-[ios]([\da-f]{7,8}-[\da-f])$/.exec(chain)?.[1] ?? null;
    const isLast = chain.endsWith("sg-fallback");
    const comment = rule?.comment ?? null;
    return told(
      `${port === null ? "" : `port ${port}…: `}${comment ?? (isLast ? "what no security group lets in" : "a rule of its agent")}`,
      port,
      port === null
        ? "openstack security group rule list"
        : `openstack port show ${port}…  # security_group_ids`,
    );
  },
};

const miniupnpd: Manager = {
  name: "miniupnpd (UPnP)",
  tables: /^miniupnpd$/,
  chains: /^(MINIUPNPD(-(POSTROUTING|PCP-PEER))?|upnp_(forward|prerouting|postrouting))$/,
  tell: ({ rule }) => {
    const [to, port] = [dnatTo(rule), portOf(rule)];
    return told(
      port === null
        ? "ports that hosts asked for"
        : `port ${port}, asked for by ${to ?? valueFor(rule, "destination") ?? "a host"}`,
      port,
      "upnpc -l; miniupnpd's leases file",
    );
  },
};

const crowdsec: Manager = {
  name: "CrowdSec",
  tables: /^crowdsec6?$/,
  chains: /^(crowdsec6?-chain|CROWDSEC_CHAIN)\S*$/,
  tell: () => told("bans addresses", null, "cscli decisions list; cscli decisions delete --ip ADDRESS"),
};

const sshguard: Manager = {
  name: "SSHGuard",
  tables: /^sshguard$/,
  chains: /^sshguard$/,
  tell: () => told("bans addresses", null, "iptables -S sshguard or nft list table ip sshguard"),
};

const networkManager: Manager = {
  name: "NetworkManager",
  tables: /^nm-shared-\S+$/,
  chains: /^nm-sh-(in|fw)-\S+$/,
  comment: /^nm-shared-\S+$/,
  tell: ({ table, chain, rule }) => {
    const device =
      /^nm-shared-(\S+)/.exec(rule?.comment ?? table)?.[1] ??
      /^nm-sh-(?:in|fw)-(\S+)/.exec(chain)?.[1] ??
      null;
    return told(
      `connection sharing on ${device ?? "a device"}`,
      device,
      "nmcli connection show CONNECTION  # ipv4.method shared",
    );
  },
};

const networkd: Manager = {
  name: "systemd-networkd or nspawn",
  tables: /^io\.systemd\.nat$/,
  tell: () => told("IPMasquerade= or a container's port", null, "networkctl status; machinectl show MACHINE"),
};

function told(what: string, object: string | null, change: string): Told {
  return { what, object, change };
}

export const SERVICES: readonly Manager[] = [
  podman,
  cni,
  libvirt,
  fail2ban,
  tailscale,
  wgQuick,
  lxd,
  neutron,
  miniupnpd,
  crowdsec,
  sshguard,
  networkManager,
  networkd,
];
