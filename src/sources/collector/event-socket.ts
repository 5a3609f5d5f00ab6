/**
 * One netlink socket that events come from: a batch a system call, and an account of what it lost.
 *
 * The kernel counts what it could not queue (`sk_drops`) for multicast groups and for nfnetlink_log alike, and says ENOBUFS
 * once (`netlink_overrun`, `net/netlink/af_netlink.c`).
 */
import { type DatagramBatch, SystemCallError } from "../../linux/libc.ts";
import { closeNetlink, droppedMessages } from "../../linux/netlink-socket.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { FRAME, type GapReport } from "./frames.ts";

export class EventSocket {
  readonly fd: number;
  readonly #of: GapReport["of"];
  readonly #frame: number;
  readonly #netns: number;
  readonly #batch: DatagramBatch;
  readonly #writer: FrameWriter;
  #dropped: number | null;
  #hasOverrun = false;

  /** @param frame the kind of frame its datagrams become; `netns` is the namespace's index */
  constructor(
    fd: number,
    of: GapReport["of"],
    frame: number,
    netns: number,
    batch: DatagramBatch,
    writer: FrameWriter,
  ) {
    this.fd = fd;
    this.#of = of;
    this.#frame = frame;
    this.#netns = netns;
    this.#batch = batch;
    this.#writer = writer;
    this.#dropped = droppedMessages(fd);
  }

  /** Takes a batch of what is queued; how many datagrams. They stay in the batch until `write`. */
  receive(): number {
    try {
      return this.#batch.receive(this.fd);
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.code !== "ENOBUFS") throw error;
      // What is queued was sent before the loss: take it first, then say where the hole is.
      this.#hasOverrun = true;
      return this.#batch.receive(this.fd);
    }
  }

  /** Passes on what the last `receive` brought. */
  write(received: number, time: bigint): void {
    for (let slot = 0; slot < received; slot++) {
      if (this.#batch.isTruncated(slot)) this.#writeGap("cut", 1);
      const start = slot * this.#batch.slotBytes;
      const length = Math.min(this.#batch.lengthOf(slot), this.#batch.slotBytes);
      this.#writer.add(this.#frame, this.#netns, time, this.#batch.data, start, start + length);
    }
    this.#writer.flush();
  }

  /** Says what was lost since it was last said. */
  reportOverrun(): void {
    const dropped = droppedMessages(this.fd);
    const count = dropped === null || this.#dropped === null ? null : (dropped - this.#dropped) >>> 0;
    if (!this.#hasOverrun && (count === null || count === 0)) return;
    this.#hasOverrun = false;
    this.#dropped = dropped;
    this.#writeGap("overrun", count);
  }

  close(): void {
    closeNetlink(this.fd);
  }

  #writeGap(cause: GapReport["cause"], count: number | null): void {
    const report: GapReport = { of: this.#of, cause, count };
    this.#writer.addJson(FRAME.gap, this.#netns, report);
    this.#writer.flush();
  }
}
