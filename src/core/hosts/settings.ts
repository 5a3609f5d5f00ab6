/**
 * Reading a snapshot's settings as the kernel does: of some, the stricter of `all` and the interface's own counts, of some
 * either, of some the interface's alone (`include/linux/inetdevice.h`: IN_DEV_MAXCONF, IN_DEV_ORCONF, IN_DEV_CONF_GET).
 */
import { nameOfFile } from "./decode/settings.ts";
import type { HostSnapshot } from "./host.ts";

/** `net.ipv4.ip_forward`; null where it was not read, or this kernel has none. */
export function settingOf(host: HostSnapshot, name: string): string | null {
  const { settings } = host;
  return settings !== null && Object.hasOwn(settings, name) ? (settings[name] ?? null) : null;
}

export function numberSetting(host: HostSnapshot, name: string): number | null {
  const value = settingOf(host, name);
  return value === null || !/^-?\d+$/.test(value) ? null : Number(value);
}

/** The interface's own value of `net.ipv4.conf.DEV.NAME`. */
export function ofInterface(
  host: HostSnapshot,
  tree: "ipv4" | "ipv6",
  dev: string,
  name: string,
): number | null {
  return numberSetting(host, `net.${tree}.conf.${nameOfFile(dev)}.${name}`);
}

/** The larger of `all`'s and the interface's: `rp_filter`. Null where either is not known. */
export function largerOfBoth(host: HostSnapshot, dev: string, name: string): number | null {
  const all = ofInterface(host, "ipv4", "all", name);
  const own = ofInterface(host, "ipv4", dev, name);
  return all === null || own === null ? null : Math.max(all, own);
}

/** On where `all` or the interface has it: `accept_local`, `src_valid_mark`, `route_localnet`. Null: not known. */
export function eitherOf(host: HostSnapshot, dev: string, name: string): boolean | null {
  const all = ofInterface(host, "ipv4", "all", name);
  const own = ofInterface(host, "ipv4", dev, name);
  if (all === 1 || own === 1) return true;
  return all === null || own === null ? null : false;
}

/** Whether the host forwards packets that come in by this interface: IPv4 asks the interface, IPv6 `all` alone. */
export function isForwarding(host: HostSnapshot, family: "ip" | "ip6", dev: string): boolean | null {
  if (family === "ip") return booleanOf(ofInterface(host, "ipv4", dev, "forwarding"));
  // Linux 6.17 and newer: an interface may be let through.
  if (ofInterface(host, "ipv6", dev, "force_forwarding") === 1) return true;
  return booleanOf(ofInterface(host, "ipv6", "all", "forwarding"));
}

function booleanOf(value: number | null): boolean | null {
  return value === null ? null : value !== 0;
}
