/** Firewall managers: programs whose whole job is to write the rules of a host. */
import type { Manager, RulePlace, Told } from "./origin.ts";
import { does, portOf, valueFor } from "./rule-parts.ts";

const firewalld: Manager = {
  name: "firewalld",
  tables: /^firewalld(_\w+)?$/,
  // Its iptables backend. A zone's own chain is told by what firewalld hangs below it, or by a name of its presets.
  chains:
    /^(INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING)_(direct|(IN_|OUT_)?ZONES(_SOURCE)?|POLICIES_(pre|post))$|^(IN|FWDI|FWDO|FWD|PRE|POST)_[\w-]+_(log|deny|allow|pre|post)$|^(IN|FWDI|FWDO|FWD|PRE|POST)_(public|trusted|home|work|internal|external|dmz|block|drop|FedoraServer|FedoraWorkstation|docker|libvirt|nm-shared)$/,
  tell: (place) => {
    const zone = zoneOf(place.chain);
    if (zone !== null) {
      const port = portOf(place.rule);
      return {
        what: `zone ${zone}${port === null ? "" : `, ${port}`}${kindOfZoneChain(place.chain)}`,
        object: zone,
        change: `firewall-cmd --zone=${zone} --list-all; firewall-cmd --get-active-zones`,
      };
    }
    const policy = /_policy_([\w-]+?)(_(pre|log|deny|allow|post))?$/.exec(place.chain)?.[1] ?? null;
    if (policy !== null)
      return {
        what: `policy ${policy}`,
        object: policy,
        change: `firewall-cmd --policy=${policy} --info-policy=${policy}`,
      };
    if (/_direct$/.test(place.chain))
      return { what: "a direct rule", object: null, change: "firewall-cmd --direct --get-all-rules" };
    return {
      what:
        does(place.rule, "reject") || does(place.rule, "drop")
          ? "refuses what no zone has let in"
          : "a rule of its frame, which leads to the zones",
      object: null,
      change: "firewall-cmd --get-active-zones; firewall-cmd --list-all-zones",
    };
  },
};

function zoneOf(chain: string): string | null {
  const name = /^(?:(?:filter|nat|mangle|raw)_)?(?:IN|FWDI|FWDO|FWD|PRE|POST|OUT)_(?!policy_)([\w-]+)$/.exec(
    chain,
  )?.[1];
  if (name === undefined || /dispatch|POLICIES|ZONES|_to_/.test(name)) {
    const between = /_(?:IN|FWD|PRE|POST)_([\w-]+?)_to_([\w-]+)$/.exec(chain);
    return between?.[1] ?? null;
  }
  return name.replace(/_(pre|log|deny|allow|post)$/, "");
}

function kindOfZoneChain(chain: string): string {
  if (chain.endsWith("_deny")) return ", what it refuses";
  return chain.endsWith("_allow") ? ", what it lets in" : "";
}

const ufw: Manager = {
  name: "ufw",
  chains: /^ufw6?-[\w-]+$/,
  policies: /^(INPUT|FORWARD|OUTPUT)$/,
  tell: ({ chain, rule }) => {
    if (rule === null) {
      const direction = { INPUT: "incoming", FORWARD: "routed", OUTPUT: "outgoing" }[chain] ?? "incoming";
      return {
        what: `its default for ${direction} traffic`,
        object: null,
        change: `ufw status verbose; ufw default allow ${direction}, or better a rule: ufw ${direction === "routed" ? "route " : ""}allow …`,
      };
    }
    const v6 = chain.startsWith("ufw6") ? "6" : "";
    if (chain.includes("-user-")) {
      const application = /dapp_([^,"\s]+)/.exec(rule.comment ?? "")?.[1]?.replaceAll("%20", " ") ?? null;
      const what = application ?? portOf(rule) ?? valueFor(rule, "source");
      return {
        what: `your rule${what === null ? "" : ` for ${what}`}`,
        object: application,
        change: "ufw status numbered",
      };
    }
    if (chain.includes("-before-"))
      return { what: "a rule that runs before yours", object: null, change: `/etc/ufw/before${v6}.rules` };
    if (chain.includes("-after-"))
      return { what: "a rule that runs behind yours", object: null, change: `/etc/ufw/after${v6}.rules` };
    if (chain.endsWith("-not-local"))
      return { what: "drops what is not for this host", object: null, change: `/etc/ufw/before${v6}.rules` };
    return { what: "a rule of its frame", object: null, change: "ufw status verbose" };
  },
};

const fw4: Manager = {
  name: "OpenWrt's firewall (fw4)",
  tables: /^fw4$/,
  tell: (place) => openWrt(place),
};

const fw3: Manager = {
  name: "OpenWrt's firewall (fw3)",
  chains:
    /^zone_\w+?_(input|output|forward|prerouting|postrouting|helper|(src|dest)_(ACCEPT|REJECT|DROP)|(ACCEPT|REJECT|DROP|MSSFIX))$|^delegate_(input|output|forward|prerouting|postrouting)$|^(input|output|forwarding|prerouting|postrouting)_(\w+_)?rule$/,
  comment: /^!fw3/,
  policies: /^(INPUT|FORWARD|OUTPUT)$/,
  tell: (place) => openWrt(place),
};

function openWrt({ rule, chain }: RulePlace): Told {
  const named = /^!fw[34]:? ?(.*)$/.exec(rule?.comment ?? "")?.[1] ?? "";
  const zone =
    /^(?:zone_)(\w+?)_(?:input|output|forward|prerouting|postrouting|helper|src|dest|ACCEPT|REJECT|DROP|MSSFIX)/.exec(
      chain,
    )?.[1] ??
    /^(?:input|output|forward|srcnat|dstnat|helper|accept_to|reject_to|drop_to|accept_from|reject_from|drop_from)_(\w+)$/.exec(
      chain,
    )?.[1] ??
    null;
  const where = zone === null ? "" : `zone ${zone}`;
  const what =
    named === "" ? where || "a rule of its frame" : `${where === "" ? "" : `${where}: `}"${named}"`;
  return {
    what,
    object: named === "" ? zone : named,
    change: "uci show firewall; /etc/config/firewall, then /etc/init.d/firewall restart",
  };
}

const SHOREWALL_FRAME = /^(shorewall6?|sha-[lr]h-[\da-f]+|~(comb|blacklist|excl|log)\d+)$/;
/** Chains that nobody else makes: with one of them in the table, the zones' chains are Shorewall's too. */
const SHOREWALL_MARK = /^(shorewall6?|sha-[lr]h-[\da-f]+)$/;
/** `net-fw`, `loc2net`, `loc_frwd` */
const SHOREWALL_PAIR = /^([a-z]\w*?)(?:-|2|_(?=(?:in|out|fwd|frwd)$))([a-z]\w*)$/;

const shorewall: Manager = {
  name: "Shorewall",
  chains: SHOREWALL_FRAME,
  shares: ({ chain, chains }) =>
    SHOREWALL_PAIR.test(chain) && chains.some((name) => SHOREWALL_MARK.test(name)),
  tell: ({ chain }) => {
    const [, from, to] = SHOREWALL_PAIR.exec(chain) ?? [];
    const change = "shorewall show; /etc/shorewall/rules and policy, then shorewall check";
    if (from === undefined || to === undefined || /^(in|out|fwd|frwd)$/.test(to))
      return { what: `a rule of its frame (${chain})`, object: null, change };
    return { what: `from zone ${from} to ${to}`, object: `${from} to ${to}`, change };
  },
};

const awall: Manager = {
  name: "Alpine's awall",
  chains: /^awall-(INPUT|OUTPUT|FORWARD|PREROUTING|POSTROUTING|masquerade|icmp-routing)$/,
  tell: () => ({
    what: "a rule of a policy",
    object: null,
    change: "awall list; /etc/awall/*.json, then awall activate",
  }),
};

const csf: Manager = {
  name: "ConfigServer Firewall (csf)",
  chains:
    /^(LOCALINPUT|LOCALOUTPUT|LOGDROPIN|LOGDROPOUT|DENYIN|DENYOUT|ALLOWIN|ALLOWOUT|GDENYIN|GDENYOUT|CC_(ALLOW|DENY)\w*)$/,
  tell: ({ rule, chain }) => {
    const source = valueFor(rule, "source");
    const what =
      /^G?DENY/.test(chain) && source !== null ? `it denies ${source}` : "a rule of its configuration";
    return {
      what,
      object: source,
      change: source === null ? "/etc/csf/csf.conf, then csf -r" : `csf -g ${source}`,
    };
  },
};

const nixos: Manager = {
  name: "NixOS's firewall",
  chains: /^nixos-(fw|nat|drop|vpn)[\w-]*$/,
  tables: /^nixos-fw$/,
  tell: ({ chain }) => ({
    what: `its chain ${chain}`,
    object: null,
    change: "networking.firewall in configuration.nix, then nixos-rebuild switch",
  }),
};

export const FIREWALLS: readonly Manager[] = [firewalld, ufw, fw4, fw3, shorewall, awall, csf, nixos];
