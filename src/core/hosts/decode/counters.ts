/** Counters of the protocols, as `nstat` prints them and as the kernel has them in /proc/net. */

/** `IpInAddrErrors                  3                  0.0`; null when it is none. */
export function counterLine(line: string): { readonly name: string; readonly value: number } | null {
  const match =
    /^((?:Ip|Ip6|Icmp|Icmp6|IcmpMsg|Tcp|Udp|Udp6|UdpLite|UdpLite6|TcpExt|IpExt|MPTcpExt)[A-Z]\w*)\s+(\d+)\s+\d+\.\d+$/.exec(
      line,
    );
  return match === null ? null : { name: match[1] ?? "", value: Number(match[2]) };
}

/** /proc/net/snmp and /proc/net/netstat: pairs of lines, names and values. */
export function decodeCounterPairs(text: string): Readonly<Record<string, number>> {
  const counters: Record<string, number> = {};
  const lines = text.split("\n");
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [group = "", ...names] = (lines[at] ?? "").split(/\s+/);
    const [again, ...values] = (lines[at + 1] ?? "").split(/\s+/);
    if (again !== group) continue;
    for (const [index, name] of names.entries()) {
      const value = Number(values[index]);
      if (name !== "" && Number.isFinite(value)) counters[group.slice(0, -1) + name] = value;
    }
  }
  return counters;
}

/** /proc/net/snmp6: a name and a value a line, `Ip6InReceives 12`. */
export function decodeCounterLines(text: string): Readonly<Record<string, number>> {
  const counters: Record<string, number> = {};
  for (const [, name = "", value] of text.matchAll(/^(\w+)\s+(\d+)\s*$/gm)) counters[name] = Number(value);
  return counters;
}

/** /proc/net/netfilter/nfnetlink_queue: a line for each queue that is listened to, its number first. */
export function decodePacketQueues(text: string): readonly number[] {
  return [...text.matchAll(/^\s*(\d+)(?:\s+\d+){7,}\s*$/gm)].map(([, number]) => Number(number));
}

/** /proc/net/dev, in the names that `ip -s link` uses. */
export function decodeLinkCounters(text: string): Readonly<Record<string, Readonly<Record<string, number>>>> {
  const links = new Map<string, Readonly<Record<string, number>>>();
  for (const line of text.split("\n")) {
    const [, name, rest] = /^\s*(\S+?):\s*(\d.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) continue;
    const values = rest.trim().split(/\s+/).map(Number);
    links.set(name, Object.fromEntries(DEV_COLUMNS.map((column, at) => [column, values[at] ?? 0])));
  }
  // An interface may be called `__proto__`.
  return Object.fromEntries(links);
}

const DEV_COLUMNS = [
  "rx_bytes",
  "rx_packets",
  "rx_errors",
  "rx_dropped",
  "rx_fifo_errors",
  "rx_frame_errors",
  "rx_compressed",
  "rx_multicast",
  "tx_bytes",
  "tx_packets",
  "tx_errors",
  "tx_dropped",
  "tx_fifo_errors",
  "tx_collisions",
  "tx_carrier_errors",
  "tx_compressed",
] as const;

/** /proc/net/stat/nf_conntrack: a heading, and a line of hexadecimal numbers for each processor; all of them together. */
export function decodeConntrackStats(text: string): Readonly<Record<string, number>> {
  const [heading = "", ...lines] = text.trim().split("\n");
  const names = heading.trim().split(/\s+/);
  const stats: Record<string, number> = {};
  for (const line of lines)
    for (const [at, value] of line.trim().split(/\s+/).entries()) {
      const name = names[at];
      // Every processor's line repeats the number of entries.
      if (name !== undefined && name !== "entries")
        stats[name] = (stats[name] ?? 0) + Number.parseInt(value, 16);
    }
  return stats;
}
