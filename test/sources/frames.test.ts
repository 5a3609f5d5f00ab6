import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME_HEADER, FrameReader, writeFrameHeader } from "../../src/sources/collector/frames.ts";

interface Written {
  readonly kind: number;
  readonly netns: number;
  readonly time: bigint;
  readonly payload: Uint8Array;
}

function encode({ kind, netns, time, payload }: Written): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER + payload.length);
  writeFrameHeader(frame, 0, payload.length, kind, netns, time);
  frame.set(payload, FRAME_HEADER);
  return frame;
}

const written = fc.record({
  kind: fc.integer({ min: 1, max: 6 }),
  netns: fc.nat(0xffff),
  time: fc.bigInt({ min: 0n, max: 4_000_000_000_999_999_999n }),
  payload: fc.uint8Array({ maxLength: 60 }),
});

describe("frames", () => {
  it("come out as they went in, wherever the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(written, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 50 })),
        (frames, cuts) => {
          const stream = Buffer.concat(frames.map(encode));
          const reader = new FrameReader();
          const read: Written[] = [];
          const take = (chunk: Buffer) =>
            reader.read(chunk, ({ kind, netns, seconds, nanos, payload }) => {
              const time = BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
              read.push({ kind, netns, time, payload: payload.bytes.slice(payload.start, payload.end) });
            });
          let at = 0;
          for (const cut of cuts) {
            take(stream.subarray(at, at + cut));
            at += cut;
          }
          take(stream.subarray(at));
          expect(read.map((frame) => ({ ...frame, payload: [...frame.payload] }))).toEqual(
            frames.map((frame) => ({ ...frame, payload: [...frame.payload] })),
          );
          expect(reader.pending).toBe(0);
        },
      ),
    );
  });

  it("that have not come whole wait", () => {
    const reader = new FrameReader();
    const frame = encode({ kind: 1, netns: 0, time: 0n, payload: new Uint8Array(10) });
    let seen = 0;
    reader.read(frame.subarray(0, 20), () => seen++);
    expect([seen, reader.pending]).toEqual([0, 20]);
    reader.read(frame.subarray(20), () => seen++);
    expect([seen, reader.pending]).toEqual([1, 0]);
  });
});
