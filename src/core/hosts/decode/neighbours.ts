/** Neighbours as `ip neighbour` tells them, and the kernel's ARP table in /proc. */

import { canonicalAddress, familyOf } from "../../packets/prefix.ts";
import type { Neighbour } from "../host.ts";
import { Fields, type JsonObject } from "./fields.ts";

export function decodeNeighbour(object: JsonObject): Neighbour | null {
  const fields = new Fields(object);
  const address = canonicalAddress(fields.text("dst") ?? "");
  const dev = fields.text("dev");
  const family = address === null ? null : familyOf(address);
  if (address === null || dev === null || family === null) return null;
  return { family, address, dev, mac: fields.text("lladdr"), state: fields.texts("state")[0] ?? null };
}

const STATES = "REACHABLE|STALE|DELAY|PROBE|FAILED|INCOMPLETE|PERMANENT|NOARP|NONE";
const LINE = new RegExp(`^(\\S+) dev (\\S+)(?: lladdr (\\S+))?( .*)?\\s(${STATES})\\s*$`);

/** `10.1.1.77 dev d0 lladdr 02:00:00:00:00:01 STALE`; null when it is none. */
export function neighbourLine(line: string): Neighbour | null {
  const [, dst, dev, lladdr, , state] = LINE.exec(line) ?? [];
  if (dst === undefined) return null;
  return decodeNeighbour({ dst, dev, lladdr, state: [state] });
}
