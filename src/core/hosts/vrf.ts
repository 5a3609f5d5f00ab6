/**
 * VRFs: a packet of an interface that a VRF device is master of is routed by the VRF's table, to which the policy rule
 * `lookup [l3mdev-table]` leads (`net/l3mdev/l3mdev.c`).
 */
import type { HostSnapshot, Link } from "./host.ts";

/** The VRF that an interface is, or is part of; null where it is of none, or there is no such interface. */
export function vrfOf(host: HostSnapshot, dev: string | null): Link | null | "not-known" {
  if (dev === null || !mayHaveVrfs(host)) return null;
  const { links } = host;
  if (links === null) return "not-known";
  const link = links.find(({ name }) => name === dev);
  if (link === undefined) return null;
  if (link.kind === "vrf") return link;
  if (link.master === null) return null;
  const master = links.find(({ name }) => name === link.master);
  // `ip link` tells an interface's kind with -d only.
  if (master === undefined || master.kind === null) return "not-known";
  return master.kind === "vrf" ? master : null;
}

/** The first VRF of a host brings the rule with it, in both families. */
function mayHaveVrfs({ links, routing }: HostSnapshot): boolean {
  const hasRule = [...(routing.ip.rules ?? []), ...(routing.ip6.rules ?? [])].some(
    ({ action }) => action.kind === "l3mdev",
  );
  return hasRule || links?.some(({ kind }) => kind === "vrf") === true;
}

/** The interfaces of a VRF; none where the name is no VRF's. */
export function partsOfVrf({ links }: HostSnapshot, vrf: string): readonly Link[] {
  return (links ?? []).filter(({ master }) => master === vrf);
}

export function isVrf({ links }: HostSnapshot, dev: string): boolean {
  return links?.some(({ name, kind }) => name === dev && kind === "vrf") === true;
}

/** What the kernel makes of a packet's interfaces before it asks the policy rules (`l3mdev_update_flow`). */
export interface Flow {
  readonly vrf: Link | null | "not-known";
  /** The VRF was found by the interface that the packet is to leave by. */
  readonly isByOut: boolean;
  /** The interface that ways have to lead to. A VRF's own device stands for its table, and for no way. */
  readonly out: string | null;
}

/** @param question `vrf`: what it is routed by whatever its interfaces are of */
export function flowOf(
  host: HostSnapshot,
  question: { readonly in: string | null; readonly out: string | null; readonly vrf?: string | null },
): Flow {
  const { out } = question;
  const given = question.vrf == null ? null : vrfOf(host, question.vrf);
  if (out !== null)
    return { vrf: given ?? vrfOf(host, out), isByOut: true, out: isVrf(host, out) ? null : out };
  return { vrf: given ?? vrfOf(host, question.in), isByOut: false, out };
}
