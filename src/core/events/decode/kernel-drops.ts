/**
 * `skb:kfree_skb`, the kernel's tracepoint for buffers that are freed as dropped, read by a bpftrace program.
 *
 * The program and the reading of what it prints stand together, because they are two halves of one format: a line a drop,
 * `D time reason function netns device length etherType words…`. The headers come as eight 64-bit words as they lie in
 * memory. Which namespace it was is known by the inode of the device's namespace, or the socket's or the route's where there is no device.
 * Reasons are numbers that change from kernel to kernel; the tracepoint's format lists the names (`decodeDropReasons`).
 */
import type { Time } from "../../base/time.ts";
import { decodeHeaders } from "../../packets/decode/packet.ts";
import type { DropEvent, GapEvent, UnparsedEvent } from "../event.ts";

/** bpftrace 0.17 and later. Prints `READY` when it is attached. */
export const KERNEL_DROPS_PROGRAM = `
BEGIN { printf("READY\\n"); }
tracepoint:skb:kfree_skb {
  $skb = (struct sk_buff *)args->skbaddr;
  $dev = $skb->dev;
  $head = $skb->head + $skb->network_header;
  $netns = (uint32)0;
  if ($dev != 0) { $netns = $dev->nd_net.net->ns.inum; }
  else if ($skb->sk != 0) { $netns = $skb->sk->__sk_common.skc_net.net->ns.inum; }
  else if ($skb->_skb_refdst != 0) {
    $route = (struct dst_entry *)($skb->_skb_refdst & 0xfffffffffffffffe);
    if ($route->dev != 0) { $netns = $route->dev->nd_net.net->ns.inum; }
  }
  printf("D %llu %d %s %u %u %04x", nsecs, args->reason, ksym(args->location), $netns, $skb->len, args->protocol);
  printf(" %016llx %016llx %016llx %016llx", *(uint64 *)$head, *(uint64 *)($head + 8), *(uint64 *)($head + 16), *(uint64 *)($head + 24));
  printf(" %016llx %016llx %016llx %016llx ", *(uint64 *)($head + 32), *(uint64 *)($head + 40), *(uint64 *)($head + 48), *(uint64 *)($head + 56));
  if ($dev != 0) { printf("%s\\n", $dev->name); } else { printf("\\n"); }
}
`;

/** Names by number, from the tracepoint's format: `__print_symbolic(REC->reason, { 2, "NOT_SPECIFIED" }, …`. */
export function decodeDropReasons(format: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const [, number, name] of format.matchAll(/\{ (\d+), "([A-Z0-9_]+)" \}/g))
    names.set(Number(number), name ?? "");
  return names;
}

export interface KernelDropsContext {
  readonly reasons: ReadonlyMap<number, string>;
  /** The name of a namespace by its inode; undefined for one that is not traced. */
  readonly netnsOf: (inode: number) => string | null | undefined;
  /** When a moment of the kernel's boot clock (ns) was, on the clock of arrivals. */
  readonly timeOf: (bootNanos: bigint) => Time;
  readonly littleEndian: boolean;
}

const LINE = /^D (\d+) (\d+) (\S+) (\d+) (\d+) ([0-9a-f]{4}) ((?:[0-9a-f]{16} ){8})(.*)$/;

/** bpftrace, when its buffer was full. */
const LOST = /^Lost (\d+) events$/;

/** An event of one line; null for drops in namespaces that are not traced, and for empty lines. */
export function decodeKernelDrop(
  line: string,
  context: KernelDropsContext,
): DropEvent | GapEvent | UnparsedEvent | null {
  if (line === "") return null;
  const found = LINE.exec(line);
  if (found === null) {
    const lost = LOST.exec(line);
    if (lost !== null) return lostDrops(Number(lost[1]));
    return {
      kind: "unparsed",
      origin: { input: "kfree_skb", line: null, raw: line },
      time: null,
      netns: null,
      reason: "bpftrace printed something else than a drop",
    };
  }
  const [, nanos = "", reason = "", location = "", inode = "", , protocol = "", words = "", device = ""] =
    found;
  const netns = inode === "0" ? undefined : context.netnsOf(Number(inode));
  if (netns === undefined) return null;
  const network = bytesOf(words.trim().split(" "), context.littleEndian);
  const packet = decodeHeaders(
    {
      link: null,
      network: { bytes: network, start: 0, end: network.length },
      transport: null,
      etherType: Number.parseInt(protocol, 16),
    },
    "netdev",
  );
  return {
    kind: "drop",
    origin: { input: "kfree_skb", line: null, raw: "" },
    time: context.timeOf(BigInt(nanos)),
    netns,
    reason: context.reasons.get(Number(reason)) ?? reason,
    function: location.replace(/\+\d+$/, ""),
    device: device === "" ? null : device,
    sighting: {
      packet,
      in: device === "" ? null : device,
      out: null,
      physIn: null,
      physOut: null,
      mark: null,
      uid: null,
      gid: null,
    },
  };
}

function lostDrops(count: number): GapEvent {
  return {
    kind: "gap",
    origin: { input: "kfree_skb", line: null, raw: "" },
    time: null,
    netns: null,
    gap: "drops-lost",
    count,
    remedy: "trace without --drops: this host drops more packets than bpftrace can print",
  };
}

function bytesOf(words: readonly string[], littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(words.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries())
    view.setBigUint64(index * 8, BigInt(`0x${word}`), littleEndian);
  return bytes;
}
