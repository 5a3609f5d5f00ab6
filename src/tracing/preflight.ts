/** Whether this host can be traced at all: the plain answers first, each with what to do. */
import { ok, type Result, refused } from "../core/base/result.ts";
import type { RawSelectors } from "../core/plans/raw-rules.ts";
import { type Capability, missingCapabilities } from "../linux/capabilities.ts";
import { interfaceNames } from "../linux/interfaces.ts";
import { readKernel } from "../linux/kernel.ts";
import { findNetns, inNetns } from "../linux/netns.ts";
import { missingProgram } from "../linux/process.ts";
import { findProgram } from "../linux/programs.ts";
import { type HostRefusal, hostRefusal } from "../linux/refusal.ts";

/** The first thing that stands in the way of a trace in these namespaces, by nft or by rules in raw. Changes nothing. */
export function checkHost(
  namespaces: readonly (string | null)[],
  rawRules: readonly RawSelectors[] | null,
): Result<void, HostRefusal> {
  if (process.platform === "linux") {
    const missing = missingRights(namespaces);
    if (missing.length > 0) {
      return refused(
        hostRefusal(
          "not-permitted",
          `tracing needs ${missing.join(" and ")}, which this process does not have`,
          "run it as root: sudo nfpath trace …",
        ),
      );
    }
  }
  return checkPossible(namespaces, rawRules);
}

/** Capabilities that a trace in these namespaces needs and this process does not have. */
export function missingRights(namespaces: readonly (string | null)[]): readonly Capability[] {
  return missingCapabilities(leavesOwn(namespaces) ? ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"] : ["CAP_NET_ADMIN"]);
}

/** The first thing, apart from rights, that stands in the way. */
export function checkPossible(
  namespaces: readonly (string | null)[],
  rawRules: readonly RawSelectors[] | null,
): Result<void, HostRefusal> {
  if (process.platform !== "linux") {
    return refused(
      hostRefusal(
        "not-linux",
        `live traces need Linux; this is ${process.platform}`,
        "trace on the host in question, or explain its logs here with `nfpath explain`",
      ),
    );
  }
  const marking = rawRules === null ? ["nft"] : rawRules.map(({ program }) => program);
  for (const program of leavesOwn(namespaces) ? [...marking, "nsenter"] : marking) {
    if (findProgram(program) === null) return refused(missingProgram(program));
  }
  const kernel = readKernel();
  if (rawRules === null && kernel.nfTables === false) {
    return refused(
      hostRefusal(
        "kernel-lacks",
        `the kernel ${kernel.release} is built without nf_tables`,
        "use a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET, or install iptables-legacy",
      ),
    );
  }
  if (rawRules !== null && kernel.xtTrace === false) {
    return refused(
      hostRefusal(
        "kernel-lacks",
        `the kernel ${kernel.release} is built without iptables' TRACE`,
        "use a kernel with CONFIG_NETFILTER_XT_TARGET_TRACE, or nft",
      ),
    );
  }
  for (const netns of namespaces) {
    if (netns === null) continue;
    const found = findNetns(netns);
    if (!found.ok) return found;
  }
  return ok(undefined);
}

/** Devices that a namespace does not have, of those that frames are to be chosen at. */
export function checkDevices(
  namespaces: readonly (string | null)[],
  devices: readonly string[],
): Result<void, HostRefusal> {
  if (devices.length === 0) return ok(undefined);
  for (const netns of namespaces) {
    const names = inNetns(netns, interfaceNames);
    const missing = devices.find((device) => !names.includes(device));
    if (missing !== undefined)
      return refused(
        hostRefusal(
          "missing-device",
          `there is no device ${missing}${netns === null ? "" : ` in namespace ${netns}`}`,
          `it has ${names.join(", ")}`,
        ),
      );
  }
  return ok(undefined);
}

function leavesOwn(namespaces: readonly (string | null)[]): boolean {
  return namespaces.some((netns) => netns !== null);
}
