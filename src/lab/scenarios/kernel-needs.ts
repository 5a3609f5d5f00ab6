/** Whether this kernel has the kinds of tunnels and IPsec that a scenario is made of. Not every kernel is built with them. */
import { runSuccessfully } from "../../linux/process.ts";
import type { Scenario } from "./scenario.ts";

/**
 * What the kernel lacks, as its own tools call it (`ipip`, `esp`); null when it has all. Each is tried once in a network namespace that
 * ends with the try.
 */
export async function missingInKernel({ network }: Scenario): Promise<string | null> {
  const hosts = Object.values(network.hosts);
  const kinds = hosts.flatMap(({ tunnels = {} }) =>
    Object.values(tunnels).map(({ type }) => type.split(" ")[0] ?? ""),
  );
  for (const kind of new Set(kinds)) if (!(await hasLinkKind(kind))) return kind;
  const needsEsp = hosts.some(({ ipsec = [] }) => ipsec.length > 0);
  return needsEsp && !(await hasEsp()) ? "esp" : null;
}

const ENDS = ["local", "192.0.2.1", "remote", "192.0.2.2"];
/** Without its ends a tunnel would be the one that each namespace has already. */
const LINK_WORDS: Readonly<Record<string, readonly string[]>> = {
  vxlan: ["id", "1", "dstport", "4789"],
  ipip: ENDS,
  gre: ENDS,
  sit: ENDS,
};

function hasLinkKind(kind: string): Promise<boolean> {
  return tried(`link ${kind}`, ["ip", "link", "add", "tried0", "type", kind, ...(LINK_WORDS[kind] ?? [])]);
}

function hasEsp(): Promise<boolean> {
  return tried("esp", [
    ...["ip", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "1"],
    ...["mode", "tunnel", "enc", "cipher_null", ""],
  ]);
}

const tries = new Map<string, Promise<boolean>>();

function tried(what: string, words: readonly string[]): Promise<boolean> {
  const known =
    tries.get(what) ?? runSuccessfully("unshare", ["--net", ...words]).then(({ ok: isThere }) => isThere);
  tries.set(what, known);
  return known;
}
