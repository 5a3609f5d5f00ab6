/**
 * Whether the lab can run here, found out by trying: a version number says little about a kernel, and nothing about
 * the container one may be in. What is tried is tried in namespaces that last as long as the program that asks.
 */
import { ok, type Result, refused } from "../core/base/result.ts";
import { missingCapabilities } from "../linux/capabilities.ts";
import { readKernel } from "../linux/kernel.ts";
import { missingProgram, runSuccessfully } from "../linux/process.ts";
import { findProgram } from "../linux/programs.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";

/** Who takes the lab's iptables rules: the old ip_tables of the kernel, or nf_tables. */
export type Backend = "legacy" | "nft";

/** The first thing that this machine lacks for the lab and for tracing in it; null when it lacks nothing. */
export async function whatTheLabLacks(backend: Backend = "legacy"): Promise<HostRefusal | null> {
  if (process.platform !== "linux") {
    return hostRefusal(
      "not-linux",
      `this is ${process.platform}, and netfilter is Linux`,
      "use a Linux machine",
    );
  }
  const capabilities = missingCapabilities(["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]);
  if (capabilities.length > 0) {
    return hostRefusal(
      "not-permitted",
      `this process is not root (it has no ${capabilities.join(" and no ")})`,
      "run as root; in a container, with --privileged",
    );
  }
  const missing = ["ip", "nft", "nsenter", "unshare", `iptables-${backend}`].find(
    (program) => findProgram(program) === null,
  );
  if (missing !== undefined) return missingProgram(missing);
  const kernel = readKernel();
  if (backend === "legacy" && (kernel.xtTrace === false || kernel.nfnetlinkLog === false)) {
    return hostRefusal(
      "kernel-lacks",
      `this kernel (${kernel.release}) cannot tell what legacy iptables does`,
      "use the other kind: --backend nft, or a kernel with CONFIG_NETFILTER_XT_TARGET_TRACE and _NETLINK_LOG",
    );
  }
  const tried = await tryInNewNamespace(backend);
  return tried.ok ? null : tried.error;
}

async function tryInNewNamespace(backend: Backend): Promise<Result<void, HostRefusal>> {
  const namespace = await runSuccessfully("unshare", ["--net", "true"]);
  if (!namespace.ok) {
    return refusedBecause(
      namespace.error,
      "network namespaces cannot be made here",
      "run outside of this container, or give it --privileged",
    );
  }
  // What marks the packets, in a table of its own.
  const nft = await runSuccessfully("unshare", ["--net", "nft", "add table inet nfpath { flags owner; }"]);
  if (!nft.ok) {
    return refusedBecause(
      nft.error,
      "this kernel does not take nftables rules",
      "use a kernel with nf_tables, 5.12 or newer (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET)",
    );
  }
  const iptables = await runSuccessfully("unshare", [
    "--net",
    `iptables-${backend}`,
    "--table",
    "raw",
    "--list-rules",
  ]);
  if (!iptables.ok) {
    return refusedBecause(
      iptables.error,
      `this kernel does not take iptables-${backend} rules`,
      backend === "legacy" ? "use the other kind: --backend nft" : "use the other kind: --backend legacy",
    );
  }
  return ok(undefined);
}

function refusedBecause(cause: HostRefusal, message: string, hint: string): Result<never, HostRefusal> {
  return refused(hostRefusal("kernel-lacks", `${message} (${cause.message})`, hint));
}
