/**
 * How packets are marked, chosen by looking: a table of our own in nft, which the kernel removes with us and which adds no rule
 * to anybody's chain; where there is no nft, rules in legacy iptables' raw table.
 */
import { ok, type Result, refused } from "../core/base/result.ts";
import type { RuleProgram } from "../core/plans/raw-rules.ts";
import { hasOwnerTables, readKernel } from "../linux/kernel.ts";
import { hasNfTables } from "../linux/nft-tables.ts";
import { missingProgram, runProcessHere } from "../linux/process.ts";
import { findProgram } from "../linux/programs.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";

export type Mechanism =
  | { readonly kind: "nft" }
  | {
      readonly kind: "iptables";
      /** Why not nft, for a person. */
      readonly why: string;
      /** Null: IPv6 has no such program here. */
      readonly programs: Readonly<Record<"ip", RuleProgram> & Record<"ip6", RuleProgram | null>>;
    };

/** `auto`: what is there. */
export type MechanismWish = "auto" | Mechanism["kind"];

/** Reads only. */
export function chooseMechanism(wish: MechanismWish): Result<Mechanism, HostRefusal> {
  if (wish === "nft") return ok({ kind: "nft" });
  const why = wish === "iptables" ? "as you asked" : lookAtNft();
  // Off Linux the preflight has the right words.
  if (why === null || process.platform !== "linux") return ok({ kind: "nft" });
  const ip = legacyProgram("ip");
  if (ip !== null) return ok({ kind: "iptables", why, programs: { ip, ip6: legacyProgram("ip6") } });
  if (wish === "iptables") return refused(noLegacyProgram());
  return ok({ kind: "nft" });
}

function lookAtNft(): string | null {
  const { nfTables, release } = readKernel();
  const hasProgram = findProgram("nft") !== null;
  return whyNotNft({ hasProgram, release, nfTables: hasProgram ? (nfTables ?? hasNfTables()) : nfTables });
}

/** Why nft cannot make a table that vanishes with its owner; null where it can be expected to. */
export function whyNotNft({
  hasProgram,
  release,
  nfTables,
}: {
  readonly hasProgram: boolean;
  readonly release: string;
  readonly nfTables: boolean | null;
}): string | null {
  if (!hasProgram) return "nft is not installed";
  if (nfTables === false) return `the kernel ${release} has no nf_tables`;
  return hasOwnerTables(release) === false
    ? `nft tables of the kernel ${release} would stay if nfpath were killed (5.12 has others)`
    : null;
}

/** `iptables` is legacy's own name before 1.8, and today on distributions that never masked nft with it. */
function legacyProgram(family: "ip" | "ip6"): RuleProgram | null {
  const [legacy, plain] =
    family === "ip"
      ? (["iptables-legacy", "iptables"] as const)
      : (["ip6tables-legacy", "ip6tables"] as const);
  if (findProgram(legacy) !== null) return legacy;
  if (findProgram(plain) === null) return null;
  const version = runProcessHere(plain, ["-V"], { timeLimitMs: 5_000, heldFd: null });
  return version.ok && !version.value.stdout.includes("nf_tables") ? plain : null;
}

function noLegacyProgram(): HostRefusal {
  const { message, hint } = missingProgram("iptables-legacy");
  return hostRefusal("missing-program", `${message}, and iptables, if it is, writes nft rules`, hint);
}
