/**
 * Counters of a namespace's stack, as `nstat` and `conntrack -S` show them, read from /proc.
 *
 * `/proc/net` is the main thread's; the thread that was moved into the namespace has its own.
 */
import { readFileSync } from "node:fs";
import { inNetns } from "../../linux/netns.ts";
import { isSystemError } from "../../linux/sysctl.ts";

export function readCounters(netns: string): ReadonlyMap<string, number> {
  return inNetns(netns, () => {
    const counters = new Map<string, number>();
    for (const file of ["snmp", "netstat"]) addPairedLines(read(file), counters);
    for (const line of read("snmp6").split("\n")) {
      const [name = "", value] = line.trim().split(/\s+/);
      if (value !== undefined) counters.set(name, Number(value));
    }
    addConntrack(read("stat/nf_conntrack"), counters);
    addDevices(read("dev"), counters);
    return counters;
  });
}

function read(file: string): string {
  try {
    return readFileSync(`/proc/thread-self/net/${file}`, "utf8");
  } catch (error) {
    if (isSystemError(error)) return "";
    throw error;
  }
}

/** `Ip: Forwarding DefaultTTL …`, and below it `Ip: 1 64 …`. */
function addPairedLines(text: string, counters: Map<string, number>): void {
  const lines = text.split("\n");
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [prefix = "", ...names] = (lines[at] ?? "").split(" ");
    const [, ...values] = (lines[at + 1] ?? "").split(" ");
    for (const [index, name] of names.entries())
      counters.set(`${prefix.slice(0, -1)}${name}`, Number(values[index]));
  }
}

/** One line a processor, in hexadecimal. */
function addConntrack(text: string, counters: Map<string, number>): void {
  const [head = "", ...lines] = text.trim().split("\n");
  for (const line of lines) {
    const values = line.trim().split(/\s+/);
    for (const [index, name] of head.trim().split(/\s+/).entries()) {
      const key = `conntrack.${name}`;
      counters.set(key, (counters.get(key) ?? 0) + Number.parseInt(values[index] ?? "0", 16));
    }
  }
}

const DEVICE_COLUMNS = [
  ["rx_packets", 1],
  ["rx_dropped", 3],
  ["tx_packets", 9],
  ["tx_dropped", 11],
  ["tx_carrier", 14],
] as const;

function addDevices(text: string, counters: Map<string, number>): void {
  for (const line of text.split("\n").slice(2)) {
    const [name = "", ...values] = line.trim().split(/[:\s]+/);
    for (const [column, index] of DEVICE_COLUMNS)
      if (values.length > index) counters.set(`dev.${name}.${column}`, Number(values[index]));
  }
}
