/**
 * What an address is to a host: `inet_addr_type` (`net/ipv4/fib_frontend.c`) looks it up in the table `local` alone, where the
 * kernel keeps the host's own addresses and broadcasts, and calls what is not there unicast.
 */

import { contains, familyOf } from "../packets/prefix.ts";
import type { HostSnapshot, RouteType } from "./host.ts";

/** Null where the table was not read, or the text is no address. */
export function addressTypeOn(host: HostSnapshot, address: string): RouteType | null {
  const family = familyOf(address);
  if (family === null) return null;
  const { routes, tables } = host.routing[family];
  if (routes === null || !(tables === "all" || tables.includes("local"))) return null;
  if (/^(22[4-9]|23\d)\.|^ff/i.test(address)) return "multicast";
  let best: { readonly type: RouteType; readonly length: number } | null = null;
  for (const { table, type, dst } of routes) {
    if (table !== "local" || !contains(family, dst, address)) continue;
    const length = Number(dst.split("/")[1] ?? (family === "ip" ? 32 : 128));
    if (best === null || length > best.length) best = { type, length };
  }
  return best?.type ?? "unicast";
}
