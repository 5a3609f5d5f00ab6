/**
 * What the collector writes to nfpath: a header of 16 bytes, then a payload.
 *
 * Header, little-endian: u32 length of the payload · u8 kind · u8 zero · u16 index of the namespace · u32 seconds since
 * 1970 UTC and u32 nanoseconds of the arrival.
 */
import type { Slice } from "../../core/packets/decode/bytes.ts";

export const FRAME_HEADER = 16;

export const FRAME = {
  /** A datagram of the netfilter socket, as the kernel sent it. */
  netfilter: 1,
  /** A datagram of rtnetlink about interfaces. */
  link: 2,
  /** JSON `GapReport`: messages that the kernel could not deliver. */
  gap: 3,
  /** Empty: everything asked for is open and set. */
  ready: 4,
  /** JSON `HostRefusal`; the collector ends. */
  refused: 5,
  /** JSON `RevertReport`; the last frame. */
  end: 6,
  /** A datagram of another netfilter socket, with what is told beside the trace: conntrack's events, NFLOG rules. */
  aside: 7,
  /** Text: records of /dev/kmsg, each whole. */
  kernelLog: 8,
  /** Empty: what follows has waited in the spool, so it may be old. */
  behind: 9,
  /** Empty: the spool has been emptied, and what follows is passed on as it comes. */
  inTime: 10,
} as const;

export interface GapReport {
  /** What was lost: steps of packets, conntrack's events, or the messages of NFLOG rules. */
  readonly of: "trace" | "flows" | "logs";
  /** Messages; null where the kernel does not count them. */
  readonly count: number | null;
  /** `overrun`: the buffer was full. `cut`: a message was longer than the room for it. */
  readonly cause: "overrun" | "cut";
}

export interface Frame {
  readonly kind: number;
  readonly netns: number;
  readonly seconds: number;
  readonly nanos: number;
  readonly payload: Slice;
}

export function writeFrameHeader(
  target: Buffer,
  at: number,
  length: number,
  kind: number,
  netns: number,
  time: bigint,
): void {
  target.writeUInt32LE(length, at);
  target.writeUInt8(kind, at + 4);
  target.writeUInt8(0, at + 5);
  target.writeUInt16LE(netns, at + 6);
  // A batch of events has one time: it is taken apart once.
  if (time !== lastTime) {
    lastTime = time;
    lastSeconds = Number(time / 1_000_000_000n);
    lastNanos = Number(time % 1_000_000_000n);
  }
  target.writeUInt32LE(lastSeconds, at + 8);
  target.writeUInt32LE(lastNanos, at + 12);
}

let lastTime = 0n;
let lastSeconds = 0;
let lastNanos = 0;

/** Cuts a stream of chunks into frames, wherever the chunks are cut. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** Calls `visit` for each frame that is complete with this chunk. */
  read(chunk: Buffer, visit: (frame: Frame) => void): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + FRAME_HEADER <= data.length) {
      const end = at + FRAME_HEADER + data.readUInt32LE(at);
      if (end > data.length) break;
      visit({
        kind: data.readUInt8(at + 4),
        netns: data.readUInt16LE(at + 6),
        seconds: data.readUInt32LE(at + 8),
        nanos: data.readUInt32LE(at + 12),
        payload: { bytes: data, start: at + FRAME_HEADER, end },
      });
      at = end;
    }
    this.#rest = data.subarray(at);
  }

  /** Bytes of a frame that has not come whole. */
  get pending(): number {
    return this.#rest.length;
  }
}
