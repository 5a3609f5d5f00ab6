/** Interfaces and their addresses as `ip link` and `ip address` tell them. */

import { canonicalAddress } from "../../packets/prefix.ts";
import type { Address, Link } from "../host.ts";
import { Fields, type JsonObject } from "./fields.ts";

export interface LinkWithAddresses {
  readonly link: Link;
  readonly addresses: readonly Address[];
}

/** One object of `ip -j link` or `ip -j address`; `-d` adds its kind. Null when it has no name. */
export function decodeLink(object: JsonObject): LinkWithAddresses | null {
  const fields = new Fields(object);
  const name = fields.text("ifname");
  if (name === null) return null;
  const flags = fields.texts("flags");
  const info = new Fields(fields.object("linkinfo") ?? {});
  const data = new Fields(info.object("info_data") ?? {});
  const isLoopback = flags.includes("LOOPBACK");
  const link: Link = {
    index: fields.number("ifindex"),
    name,
    kind: info.text("info_kind"),
    isUp: flags.includes("UP"),
    // A bridge without ports says LOWER_UP and NO-CARRIER in one breath: the latter is about the cable.
    hasCarrier: flags.includes("NO-CARRIER") ? false : flags.includes("LOWER_UP"),
    isLoopback,
    operState: fields.text("operstate"),
    mtu: fields.number("mtu"),
    mac: isLoopback ? null : fields.text("address"),
    master: fields.text("master"),
    peer: fields.text("link"),
    vrfTable: data.text("table"),
  };
  const addresses = fields.objects("addr_info").flatMap((info) => decodeAddress(info, name) ?? []);
  return { link, addresses };
}

function decodeAddress(object: JsonObject, dev: string): Address | null {
  const fields = new Fields(object);
  const named = fields.text("family");
  const family = named === "inet" ? "ip" : named === "inet6" ? "ip6" : null;
  const address = canonicalAddress(fields.text("local") ?? "");
  const prefixLength = fields.number("prefixlen");
  if (family === null || address === null || prefixLength === null) return null;
  const peer = canonicalAddress(fields.text("address") ?? "");
  return {
    family,
    dev,
    address,
    prefixLength,
    peer: peer === address ? null : peer,
    broadcast: fields.text("broadcast"),
    scope: fields.text("scope"),
    isTentative: (fields.has("tentative") && !fields.has("optimistic")) || fields.has("dadfailed"),
  };
}

/** `2: eth0@if5: <BROADCAST,UP> mtu 1500 … state UP` in the form of `ip -j link`; null when it is none. */
export function linkLine(line: string): Record<string, unknown> | null {
  const match = /^\s*(\d+): ([^\s:@]+)(?:@(\S+))?: <([A-Z0-9_,-]*)>(.*)$/.exec(line);
  if (match === null) return null;
  const [, index, name, below, flags = "", rest = ""] = match;
  const object: Record<string, unknown> = { ifindex: Number(index), ifname: name, flags: flags.split(",") };
  // `@NONE` and `@if5`: in another namespace.
  if (below !== undefined && below !== "NONE" && !/^if\d+$/.test(below)) object.link = below;
  const words = rest.trim().split(/\s+/);
  for (const [word, key] of [
    ["mtu", "mtu"],
    ["master", "master"],
    ["state", "operstate"],
  ] as const) {
    const at = words.indexOf(word);
    if (at !== -1) object[key] = words[at + 1];
  }
  // `ip -o link` goes on behind a backslash.
  const mac = /\\\s+link\/\S+ (\S+)/.exec(rest)?.[1];
  if (mac !== undefined) object.address = mac;
  object.addr_info = [];
  return object;
}

/** Lines below an interface's first: its own address, its kind, and the addresses it has. False: none of them. */
export function continueLink(object: Record<string, unknown>, line: string): boolean {
  if (!/^\s/.test(line)) return false;
  const words = line.trim().split(/\s+/);
  const [first = "", second] = words;
  if (first.startsWith("link/")) {
    object.address = second;
    return true;
  }
  if (first === "inet" || first === "inet6") {
    const info = addressWords(first, words.slice(1));
    if (info === null) return false;
    if (Array.isArray(object.addr_info)) object.addr_info.push(info);
    return true;
  }
  if (first === "valid_lft" || first === "altname" || first === "RX:" || first === "TX:" || first === "alias")
    return true;
  if (KINDS.has(first)) {
    object.linkinfo = {
      info_kind: first,
      info_data: first === "vrf" ? { table: words[words.indexOf("table") + 1] } : {},
    };
    return true;
  }
  return /^(\w+_slave|addrgenmode)$/.test(first);
}

/** As `ip -d link` names them (`ip link help`). */
const KINDS: ReadonlySet<string> = new Set(
  `amt bareudp bond bridge can dummy erspan geneve gre gretap gtp hsr ifb ip6erspan ip6gre ip6gretap ip6tnl ipip ipvlan ipvtap
   macsec macvlan macvtap netdevsim netkit nlmon openvswitch ovpn rmnet sit team tun vcan veth virt_wifi vlan vrf vti vti6 vxcan
   vxlan wireguard wwan xfrm`.split(/\s+/),
);

/** `2: eth0    inet 10.0.0.1/24 brd … scope global eth0\ …`: a line of `ip -o address`. */
export function oneLineAddress(line: string): { readonly name: string; readonly info: JsonObject } | null {
  const [, name, family, rest = ""] = /^\d+: (\S+)\s+(inet6?) (.*)$/.exec(line) ?? [];
  if (name === undefined || family === undefined) return null;
  const info = addressWords(family, (rest.split("\\")[0] ?? "").trim().split(/\s+/));
  return info === null ? null : { name, info };
}

/** `10.3.1.1 peer 10.3.1.2/32 brd … scope global label`. */
function addressWords(family: string, words: readonly string[]): JsonObject | null {
  const after = (word: string) => {
    const at = words.indexOf(word);
    return at === -1 ? undefined : words[at + 1];
  };
  const peer = after("peer");
  const [local, ownLength] = (words[0] ?? "").split("/");
  const [address, peerLength] = (peer ?? "").split("/");
  const prefixlen = peer === undefined ? ownLength : peerLength;
  if (local === undefined || canonicalAddress(local) === null) return null;
  const info: Record<string, unknown> = {
    family,
    local,
    // `ip` leaves the length out where it is the whole address.
    prefixlen: prefixlen ?? (family === "inet" ? 32 : 128),
    broadcast: after("brd") ?? null,
    scope: after("scope") ?? null,
  };
  if (peer !== undefined) info.address = address;
  for (const flag of ["tentative", "dadfailed", "optimistic"]) if (words.includes(flag)) info[flag] = true;
  return info;
}
