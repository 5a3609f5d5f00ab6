/** `nfpath snapshot`: what namespaces are like now, in one file that `nfpath explain` reads beside a trace. */
import { ok, type Result, refused } from "../core/base/result.ts";
import { type HostSnapshot, SNAPSHOT_SCHEMA, type Snapshot } from "../core/hosts/host.ts";
import { readKernel } from "../linux/kernel.ts";
import { takeSnapshot } from "../linux/snapshot/take-snapshot.ts";
import { ofHost } from "./host-refusal.ts";
import { type Refusal, refusal } from "./refusal.ts";

/** Namespaces of this host; null is the one nfpath runs in. Changes nothing. */
export async function snapshotOfHost(netns: readonly (string | null)[]): Promise<Result<Snapshot, Refusal>> {
  if (process.platform !== "linux")
    return refused(
      refusal(3, "this host is not Linux", "take the snapshot on the host that the packets pass"),
    );
  const hosts: HostSnapshot[] = [];
  for (const name of new Set(netns)) {
    const taken = await takeSnapshot({ netns: name, rulesets: "read" });
    if (!taken.ok) return refused(ofHost(taken.error));
    hosts.push(taken.value);
  }
  return ok({ schema: SNAPSHOT_SCHEMA, kernel: readKernel().release, hosts });
}
