/** Which snapshot tells about a journey: one a namespace, the first of those taken, as it was while packets were on their way. */
import type { HostSnapshot } from "./host.ts";

export class HostBook {
  readonly #byNetns = new Map<string | null, HostSnapshot>();
  readonly #last = new Map<string | null, HostSnapshot>();

  /** @param snapshots of one namespace, the earlier before the later */
  constructor(snapshots: readonly HostSnapshot[]) {
    for (const snapshot of snapshots) {
      if (!this.#byNetns.has(snapshot.netns)) this.#byNetns.set(snapshot.netns, snapshot);
      this.#last.set(snapshot.netns, snapshot);
    }
  }

  get size(): number {
    return this.#byNetns.size;
  }

  /**
   * The host of a journey; null where nobody took a snapshot of it. Logs and listings do not name their namespace: where
   * there is only one host, and either side leaves the name out, they are taken to be the same.
   */
  at(netns: string | null): HostSnapshot | null {
    return pick(this.#byNetns, netns);
  }

  /** The last one taken, at a trace's end: for counters that have grown. The same as `at` where there is one only. */
  lastAt(netns: string | null): HostSnapshot | null {
    return pick(this.#last, netns);
  }
}

export const NO_HOSTS = new HostBook([]);

function pick(hosts: ReadonlyMap<string | null, HostSnapshot>, netns: string | null): HostSnapshot | null {
  const exact = hosts.get(netns);
  if (exact !== undefined) return exact;
  const [only, ...more] = hosts.values();
  if (only === undefined || more.length > 0) return null;
  return netns === null || only.netns === null ? only : null;
}
