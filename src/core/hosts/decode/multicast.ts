/**
 * Joined multicast groups: /proc/net/igmp and igmp6, and mcfilter, which has the sources that sockets asked for or shut out
 * (`net/ipv4/igmp.c`, `net/ipv6/mcast.c`); or `ip maddress`, which has the groups alone.
 */
import { canonicalIpv6 } from "../../packets/address.ts";
import { canonicalAddress } from "../../packets/prefix.ts";
import type { MulticastGroup } from "../host.ts";
import { Fields, type JsonObject } from "./fields.ts";

export interface MulticastFiles {
  readonly igmp: string;
  readonly igmp6: string;
  /** Null where it was not read: then the sources are not known. */
  readonly mcfilter: string | null;
}

export const MULTICAST_FILES = ["igmp", "igmp6", "mcfilter"] as const;

export function decodeMulticastFiles({ igmp, igmp6, mcfilter }: MulticastFiles): readonly MulticastGroup[] {
  const filters = mcfilter === null ? null : filtersOf(mcfilter);
  return [...groupsOfIgmp(igmp, filters), ...groupsOfIgmp6(igmp6)];
}

/** By `INDEX GROUP`: the file cuts names of interfaces to six letters. */
type Filters = ReadonlyMap<string, NonNullable<MulticastGroup["sources"]>>;

function filtersOf(text: string): Filters {
  const found = new Map<string, NonNullable<MulticastGroup["sources"]>>();
  for (const line of text.split("\n")) {
    const [, index, group, source, included, excluded] =
      /^\s*(\d+)\s+\S+\s+0x([\da-f]{8})\s+0x([\da-f]{8})\s+(\d+)\s+(\d+)\s*$/i.exec(line) ?? [];
    if (index === undefined || group === undefined || source === undefined) continue;
    const key = `${index} ${dotted(group)}`;
    const sources = found.get(key) ?? [];
    found.set(key, [
      ...sources,
      { address: dotted(source), included: Number(included), excluded: Number(excluded) },
    ]);
  }
  return found;
}

function groupsOfIgmp(text: string, filters: Filters | null): readonly MulticastGroup[] {
  const isBigEndian = /^\s+E0000001\b/m.test(text);
  const groups: MulticastGroup[] = [];
  const listed = new Set([...(filters?.keys() ?? [])].map((key) => key.split(" ")[0]));
  let index = "";
  let dev = "";
  let hasListingBegun = false;
  let isFirst = false;
  for (const line of text.split("\n")) {
    const device = /^(\d+)\s+(\S+)\s*:/.exec(line);
    if (device !== null) {
      [, index = "", dev = ""] = device;
      hasListingBegun ||= listed.has(index);
      isFirst = true;
    }
    const [, hex, users] = /^\s+([\dA-F]{8})\s+(\d+) /.exec(line) ?? [];
    if (hex === undefined || dev === "") continue;
    const address = dotted(isBigEndian ? hex : turned(hex));
    // The kernel's list begins with the first interface whose first group has sources (`igmp_mcf_get_first`): of those before,
    // it tells of the first group only. What the kernel itself has joined wants all.
    const isTold = hasListingBegun || isFirst || (address === "224.0.0.1" && users === "1");
    const sources = filters === null || !isTold ? null : (filters.get(`${index} ${address}`) ?? []);
    groups.push({ family: "ip", dev, address, users: Number(users), sources });
    isFirst = false;
  }
  return groups;
}

function groupsOfIgmp6(text: string): readonly MulticastGroup[] {
  return text.split("\n").flatMap((line): MulticastGroup[] => {
    const [, dev, hex, users] = /^\d+\s+(\S+)\s+([\da-f]{32})\s+(\d+) /i.exec(line) ?? [];
    const address = hex === undefined ? null : canonicalIpv6(hex.replace(/.{4}(?=.)/g, "$&:"));
    if (dev === undefined || address === null) return [];
    return [{ family: "ip6", dev, address, users: Number(users), sources: null }];
  });
}

function dotted(hex: string): string {
  return (hex.match(/../g) ?? []).map((octet) => Number.parseInt(octet, 16)).join(".");
}

/** Octets the other way round. */
function turned(hex: string): string {
  return (hex.match(/../g) ?? []).reverse().join("");
}

/** One object of `ip -j maddress show`. */
export function decodeMaddress(object: JsonObject): readonly MulticastGroup[] | null {
  const fields = new Fields(object);
  const dev = fields.text("ifname");
  if (dev === null) return null;
  return fields.objects("maddr").flatMap((entry) => {
    const one = new Fields(entry);
    const family = one.text("family");
    return groupOf(dev, family ?? "", one.text("address") ?? "") ?? [];
  });
}

/** `2:\teth0`: the first line of an interface in `ip maddress show`; null: it is none. */
export function maddressDevice(line: string): string | null {
  return /^\d+:\t(\S+)\s*$/.exec(line)?.[1] ?? null;
}

/** `\tinet  224.0.0.1`; an empty list for a station's address, null for another line. */
export function maddressLine(dev: string, line: string): readonly MulticastGroup[] | null {
  const [, family, address] = /^\t(link|inet6?)\s+(\S+)/.exec(line) ?? [];
  if (family === undefined || address === undefined) return null;
  const group = groupOf(dev, family, address);
  return group === null ? [] : [group];
}

function groupOf(dev: string, family: string, text: string): MulticastGroup | null {
  const address = canonicalAddress(text);
  if (address === null || (family !== "inet" && family !== "inet6")) return null;
  return { family: family === "inet" ? "ip" : "ip6", dev, address, users: null, sources: null };
}
