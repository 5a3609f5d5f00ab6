/**
 * The connection table was full: a packet that begins a connection is dropped where conntrack would have made its entry, behind raw
 * and in front of every other chain (`nf_conntrack_in`, which counts `drop`). The kernel's log says "table full, dropping packet",
 * a few times a minute.
 */
import type { ConntrackTable } from "../../hosts/host.ts";
import type { Journey } from "../../journeys/journey.ts";
import { isFragment } from "../../packets/packet.ts";
import type { Circumstances } from "../cause.ts";
import type { FindDeath } from "../death.ts";

const CONNTRACK_PRIORITY = -200;

export const conntrackFull: FindDeath = (journey, circumstances) => {
  const { outcome } = circumstances;
  if (outcome.verdict !== "vanished" || !endsBeforeConntrack(journey)) return null;
  const packet = journey.last?.packet;
  if (packet === undefined || isFragment(packet)) return null;
  const why = whyFull(circumstances);
  if (why === null) return null;
  return {
    verdict: "dropped",
    known: "computed",
    what: "the connection table was full, so conntrack had no room for its connection and dropped it; nobody was told",
    why,
    try: "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max; conntrack -S; dmesg | grep 'table full'  # who fills it: conntrack -L | awk '{print $1, $4, $5}' | sort | uniq -c | sort -n | tail",
    wouldBeWrongIf:
      "it belonged to a connection that conntrack knew already, or connections were forgotten just before it came",
  };
};

/** Between PREROUTING's or OUTPUT's chains in front of conntrack and those behind. */
function endsBeforeConntrack(journey: Journey): boolean {
  const last = journey.steps.findLast((step) => step.hook !== null);
  if (last === undefined || (last.hook !== "prerouting" && last.hook !== "output")) return false;
  if (journey.conntrack?.state === "established" || journey.conntrack?.state === "untracked") return false;
  return last.priority !== null && last.priority < CONNTRACK_PRIORITY;
}

/** Two counts of what was dropped beat the fill level, which one connection less may change. */
function whyFull({ host, hostAtEnd }: Circumstances): string | null {
  const [first, last] = [host?.conntrack ?? null, hostAtEnd?.conntrack ?? null];
  const before = first?.stats?.drop;
  const after = last?.stats?.drop;
  if (host !== hostAtEnd && before !== undefined && after !== undefined)
    return after > before
      ? `conntrack dropped ${after - before === 1 ? "a packet" : `${after - before} packets`} while the trace ran (conntrack -S: drop), and ${fill(last) ?? "its table is full"}`
      : null;
  return fill(first) ?? fill(last);
}

function fill(table: ConntrackTable | null): string | null {
  if (table === null || table.count === null || table.max === null || table.count < table.max) return null;
  return `the table held ${table.count} of at most ${table.max} connections (nf_conntrack_max)`;
}
