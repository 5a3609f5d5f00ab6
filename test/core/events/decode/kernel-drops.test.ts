import { describe, expect, test } from "vitest";
import { decodeDropReasons, decodeKernelDrop } from "../../../../src/core/events/decode/kernel-drops.ts";

/** Headers as they lay in memory on Linux 6.18: 5 bytes over the loopback, to a UDP port where nobody listens. */
const HEADERS = "45000021d046400040116c837f0000017f00000198010009000dfe2068656c6c6f";

/** The line that bpftrace 0.17 prints of it on a little-endian machine. */
function line(reason: number, where: string, inode: number, device: string): string {
  const memory = Buffer.alloc(64);
  memory.write(HEADERS, "hex");
  const words = Array.from({ length: 8 }, (_, at) =>
    memory
      .readBigUInt64LE(at * 8)
      .toString(16)
      .padStart(16, "0"),
  );
  return `D 1072084766625 ${reason} ${where} ${inode} 13 0800 ${words.join(" ")} ${device}`;
}

const CONTEXT = {
  reasons: decodeDropReasons('__print_symbolic(REC->reason, { 2, "NOT_SPECIFIED" }, { 3, "NO_SOCKET" })'),
  netnsOf: (inode: number) => (inode === 4026532178 ? "b" : undefined),
  timeOf: (nanos: bigint) => ({
    clock: "arrival" as const,
    epoch: "utc" as const,
    seconds: Number(nanos / 1_000_000_000n),
    nanos: Number(nanos % 1_000_000_000n),
  }),
  littleEndian: true,
};

describe("a drop as bpftrace prints it", () => {
  test("has the kernel's reason, the function, the device and the headers", () => {
    expect(decodeKernelDrop(line(3, "__udp4_lib_rcv+5", 4026532178, "lo"), CONTEXT)).toMatchObject({
      kind: "drop",
      netns: "b",
      reason: "NO_SOCKET",
      function: "__udp4_lib_rcv",
      device: "lo",
      time: { seconds: 1072, nanos: 84766625 },
      sighting: {
        in: "lo",
        packet: { src: "127.0.0.1", dst: "127.0.0.1", protocol: "udp", sport: 38913, dport: 9, ipId: 0xd046 },
      },
    });
  });

  test("keeps the number of a reason that this kernel has no name for, and may have no device", () => {
    expect(decodeKernelDrop(line(99, "nf_hook_slow", 4026532178, ""), CONTEXT)).toMatchObject({
      reason: "99",
      device: null,
      sighting: { in: null },
    });
  });

  test("of a namespace that is not traced is left out", () => {
    expect(decodeKernelDrop(line(3, "x", 4026531840, "lo"), CONTEXT)).toBeNull();
    expect(decodeKernelDrop(line(3, "x", 0, ""), CONTEXT)).toBeNull();
  });

  test("that was lost is counted, and other words are kept", () => {
    expect(decodeKernelDrop("Lost 12 events", CONTEXT)).toMatchObject({
      kind: "gap",
      gap: "drops-lost",
      count: 12,
    });
    expect(decodeKernelDrop("stack overflow", CONTEXT)).toMatchObject({
      kind: "unparsed",
      origin: { raw: "stack overflow" },
    });
    expect(decodeKernelDrop("", CONTEXT)).toBeNull();
  });
});
