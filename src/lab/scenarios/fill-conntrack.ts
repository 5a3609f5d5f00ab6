/**
 * Fills a namespace's connection table to its limit. The limit is the host's and is not touched; entries are counted by namespace.
 *
 * An entry that is not ASSURED would be thrown out for a newcomer (`early_drop` in `nf_conntrack_core.c`), so all of these are.
 */
import { ok, type Result, refused } from "../../core/base/result.ts";
import { inNetns } from "../../linux/netns.ts";
import { runSuccessfully } from "../../linux/process.ts";
import { type HostRefusal, hostRefusal } from "../../linux/refusal.ts";
import { readSysctl } from "../../linux/sysctl.ts";

/** On hosts with much memory the limit is higher than is worth filling: each entry takes some 300 bytes of the kernel's. */
const MOST = 300_000;
const AT_ONCE = 32_768;

export async function fillConntrack(netns: string): Promise<Result<void, HostRefusal>> {
  const limit = Number(inNetns(netns, () => readSysctl("net.netfilter.nf_conntrack_max")) ?? 0);
  if (limit === 0 || limit > MOST)
    return refused(
      hostRefusal(
        "kernel-lacks",
        `the connection table of this host takes ${limit} entries, and a lab fills at most ${MOST}`,
        "choose another scenario",
      ),
    );
  for (let first = 0; first < limit; first += AT_ONCE) {
    const lines = Array.from({ length: Math.min(AT_ONCE, limit - first) }, (_, at) => entry(first + at));
    // It opens /dev/stdin anew, which a socket, as Node gives it, does not allow.
    const loaded = await runSuccessfully("sh", ["-c", "cat | conntrack --load-file -"], {
      netns,
      input: `${lines.join("\n")}\n`,
    });
    if (!loaded.ok) return loaded;
  }
  return ok(undefined);
}

/** Of a host in 10.0.0.0/8; an hour long. */
function entry(number: number): string {
  const source = `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
  return `-I -p udp -s ${source} -d 203.0.113.9 --sport 1000 --dport 53 -t 3600 -u ASSURED,SEEN_REPLY`;
}
