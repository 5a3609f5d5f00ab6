/**
 * The sockets of one namespace, and draining them.
 *
 * One netfilter socket is a member of NFNLGRP_NFTRACE and NFNLGRP_NFTABLES and the holder of NFLOG group 0, so that the
 * kernel queues the steps of nft and of legacy iptables, and the changes of the rules between them, in the order in which
 * they happened.
 */
import { closeSync } from "node:fs";
import { hasConntrack, listTranslated, openConntrackEvents } from "../../linux/conntrack-socket.ts";
import { openLinkMonitor } from "../../linux/interfaces.ts";
import { type DatagramBatch, MSG_DONTWAIT, recv, SystemCallError } from "../../linux/libc.ts";
import {
  closeNetlink,
  joinGroup,
  NETLINK_NETFILTER,
  openNetlink,
  setReceiveBuffer,
} from "../../linux/netlink-socket.ts";
import { insideNetns, type NetnsHandle, openNetns } from "../../linux/netns.ts";
import { nflogGroupHolder } from "../../linux/nflog-groups.ts";
import { bindNflogGroup } from "../../linux/nflog-socket.ts";
import { type HostRefusal, hostRefusal } from "../../linux/refusal.ts";
import type { CollectedNetns, CollectorConfig } from "./config.ts";
import { EventSocket } from "./event-socket.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { FRAME } from "./frames.ts";
import { type KernelLogReader, openKernelLog } from "./kernel-log.ts";

const NFNLGRP_NFTRACE = 9;
const TRACE_GROUP = 0;
const KERNEL_LOG = "/dev/kmsg";
/** A dump of interfaces comes in datagrams of up to 32 KiB. */
const LINK_BUFFER = 65_536;
/** Announcements of changed rules, and the generation that begins with them. */
const NFNLGRP_NFTABLES = 7;
/** Rounds of `recvmmsg` before another namespace has its turn. */
const ROUNDS = 16;

/** Room for what one system call brings; one pair serves all namespaces. */
export interface Batches {
  readonly trace: DatagramBatch;
  readonly aside: DatagramBatch;
}

export class NetnsCollector {
  readonly handle: NetnsHandle;
  /** What `poll` has to watch for this namespace. */
  readonly fds: readonly number[];
  /**
   * Whether to drain now and then without being woken: conntrack's events wait in their buffer, because a reader that is
   * woken by each costs the packets that make them twice as much as the events do.
   */
  readonly mustBeAsked: boolean;
  readonly #trace: EventSocket;
  /** What is told beside the trace, each on a socket of its own: a flood of it costs no step. */
  readonly #asides: readonly EventSocket[];
  /** Null where legacy steps come from NFLOG group 0. */
  readonly #kernelLog: KernelLogReader | null;
  readonly #links: number;
  readonly #index: number;
  readonly #writer: FrameWriter;
  readonly #linkBuffer = Buffer.alloc(LINK_BUFFER);

  /** Opens everything; throws `CollectorRefused` when the host does not let it. */
  constructor(
    index: number,
    wanted: CollectedNetns,
    config: CollectorConfig,
    batches: Batches,
    writer: FrameWriter,
  ) {
    this.#index = index;
    this.#writer = writer;
    this.handle = openNetns(wanted.netns);
    const { trace, flows, logs, links } = insideNetns(this.handle, () => openSockets(wanted, config));
    this.#trace = new EventSocket(trace, "trace", FRAME.netfilter, index, batches.trace, writer);
    const asides: EventSocket[] = [];
    if (logs !== null) asides.push(new EventSocket(logs, "logs", FRAME.aside, index, batches.aside, writer));
    if (flows !== null)
      asides.push(new EventSocket(flows, "flows", FRAME.aside, index, batches.aside, writer));
    this.#asides = asides;
    this.#links = links;
    this.#kernelLog = wanted.kernelLog === true ? kernelLogFor(wanted.netns) : null;
    const kernelLog = this.#kernelLog === null ? [] : [this.#kernelLog.fd];
    this.fds = [trace, links, ...(logs === null ? [] : [logs]), ...kernelLog];
    this.mustBeAsked = flows !== null;
    if (flows !== null) this.#listTranslated();
  }

  /**
   * Passes on what is queued. What is told beside the trace is taken first and written last: the steps that led to it have
   * been queued before it, so they stand before it. True when there may be more.
   */
  drain(): boolean {
    let hasMore = this.#drainTrace();
    if (this.#drainKernelLog()) hasMore = true;
    for (const aside of this.#asides) {
      const received = aside.receive();
      if (received === 0) {
        aside.reportOverrun();
        continue;
      }
      const time = this.#writer.now();
      if (this.#drainTrace()) hasMore = true;
      aside.write(received, time);
      hasMore = true;
    }
    return hasMore;
  }

  /** Says what was lost since it was last said. */
  reportOverrun(): void {
    for (const socket of [this.#trace, ...this.#asides]) socket.reportOverrun();
  }

  close(): void {
    for (const socket of [this.#trace, ...this.#asides]) socket.close();
    closeNetlink(this.#links);
    this.#kernelLog?.close();
    closeSync(this.handle.fd);
  }

  /**
   * The interfaces' announcements are read after each batch of events and written before it, so an event never comes before
   * the name of its interface.
   */
  #drainTrace(): boolean {
    for (let round = 0; round < ROUNDS; round++) {
      const received = this.#trace.receive();
      if (received === 0) {
        this.#drainLinks();
        this.#trace.reportOverrun();
        return false;
      }
      const time = this.#writer.now();
      this.#drainLinks();
      this.#trace.write(received, time);
    }
    return true;
  }

  #drainKernelLog(): boolean {
    if (this.#kernelLog === null) return false;
    for (let round = 0; round < ROUNDS; round++) {
      const records = Buffer.from(this.#kernelLog.read());
      if (records.length === 0) return false;
      this.#writer.add(FRAME.kernelLog, this.#index, this.#writer.now(), records, 0, records.length);
    }
    return true;
  }

  #drainLinks(): void {
    for (;;) {
      const length = this.#receiveLinks();
      if (length === 0) return;
      this.#writer.add(FRAME.link, this.#index, this.#writer.now(), this.#linkBuffer, 0, length);
    }
  }

  /** A lost announcement costs a name, which is then shown as a number: no event is missing. */
  #receiveLinks(): number {
    try {
      return recv(this.#links, this.#linkBuffer, MSG_DONTWAIT);
    } catch (error) {
      if (error instanceof SystemCallError && error.code === "ENOBUFS") return this.#receiveLinks();
      throw error;
    }
  }

  /** Connections that were translated before we listened make no event any more. */
  #listTranslated(): void {
    const time = this.#writer.now();
    insideNetns(this.handle, () =>
      listTranslated((datagram) => {
        this.#writer.add(FRAME.aside, this.#index, time, datagram, 0, datagram.length);
      }),
    );
  }
}

interface Sockets {
  readonly trace: number;
  readonly flows: number | null;
  readonly logs: number | null;
  readonly links: number;
}

function openSockets(wanted: CollectedNetns, config: CollectorConfig): Sockets {
  try {
    return {
      links: openLinkMonitor(),
      trace: openTrace(wanted, config),
      flows: wanted.conntrack && hasConntrack() ? openConntrackEvents(config.receiveBuffer) : null,
      logs: openLogs(wanted, config),
    };
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw new CollectorRefused(notPermitted(wanted.netns, error));
  }
}

/** The host's refusal, on its way out of the constructors. */
export class CollectorRefused extends Error {
  readonly refusal: HostRefusal;

  constructor(refusal: HostRefusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

function openTrace(wanted: CollectedNetns, config: CollectorConfig): number {
  const fd = openNetlink(NETLINK_NETFILTER);
  setReceiveBuffer(fd, config.receiveBuffer);
  // The group first: while it is bound, answers of the kernel are looked for, and nothing of ours can come yet.
  if (wanted.nflog) bindGroup(fd, TRACE_GROUP, wanted.netns, config.copyBytes);
  joinGroup(fd, NFNLGRP_NFTABLES);
  if (wanted.nftrace !== false) joinGroup(fd, NFNLGRP_NFTRACE);
  return fd;
}

function kernelLogFor(netns: string | null): KernelLogReader {
  const opened = openKernelLog(KERNEL_LOG);
  if (!("errno" in opened)) return opened;
  throw new CollectorRefused(
    hostRefusal(
      "not-permitted",
      `the kernel log, which has the legacy steps${where(netns)}, cannot be read (${KERNEL_LOG}: ${opened.errno})`,
      "run nfpath as root on the host itself, or with CAP_SYSLOG",
    ),
  );
}

function openLogs(wanted: CollectedNetns, config: CollectorConfig): number | null {
  const groups = new Set(wanted.nflogGroups);
  // Group 0 has one reader, and everything that comes there is read anyhow.
  if (wanted.nflog) groups.delete(TRACE_GROUP);
  if (groups.size === 0) return null;
  const fd = openNetlink(NETLINK_NETFILTER);
  setReceiveBuffer(fd, config.receiveBuffer);
  for (const group of groups) bindGroup(fd, group, wanted.netns, config.copyBytes);
  return fd;
}

function bindGroup(fd: number, group: number, netns: string | null, copyBytes: number): void {
  const ignore = (): void => {};
  try {
    bindNflogGroup(fd, group, copyBytes, ignore);
  } catch (error) {
    const isTaken = error instanceof SystemCallError && (error.code === "EPERM" || error.code === "EBUSY");
    const holder = isTaken ? nflogGroupHolder(group) : null;
    if (holder === null) throw error;
    throw new CollectorRefused(
      hostRefusal(
        "nflog-group-taken",
        `NFLOG group ${group}${where(netns)} already has its one reader: ${holder}`,
        group === TRACE_GROUP
          ? "end that reader or give it another group, and trace again: legacy iptables sends its steps to group 0 only"
          : "end that reader, or read what it writes: a group has one reader",
      ),
    );
  }
}

function notPermitted(netns: string | null, error: SystemCallError): HostRefusal {
  if (error.code === "EPERM" || error.code === "EACCES") {
    return hostRefusal(
      "not-permitted",
      `the kernel does not let this process read traces${where(netns)} (${error.message})`,
      "run nfpath as root, or with CAP_NET_ADMIN (and CAP_SYS_ADMIN for another namespace)",
    );
  }
  return hostRefusal(
    "kernel-lacks",
    `this kernel offers no trace${where(netns)} (${error.message})`,
    "a kernel with nf_tables and nfnetlink_log is needed: see `nfpath doctor`",
  );
}

function where(netns: string | null): string {
  return netns === null ? "" : ` in namespace ${netns}`;
}
