import { describe, expect, test } from "vitest";
import { sliceOf } from "../../../src/core/packets/decode/bytes.ts";
import { contentSum, sumOfWords } from "../../../src/core/packets/decode/content-sum.ts";

const UDP = 17;
const HERE = [10, 0, 1, 2, 10, 0, 1, 1];
const THERE = [172, 18, 0, 1, 172, 18, 0, 2];

/** A UDP header with its whole checksum, as a sender or a router without offloading makes it. */
function udp(addresses: readonly number[], ports: readonly [number, number], payload: readonly number[]) {
  const length = 8 + payload.length;
  const words = [
    ...ports.flatMap((port) => [port >> 8, port & 255]),
    length >> 8,
    length & 255,
    0,
    0,
    ...payload,
  ];
  const check = ~folded(sumOf(addresses) + UDP + length + sumOf(words)) & 0xffff;
  words[6] = check >> 8;
  words[7] = check & 255;
  return { transport: sliceOf(Uint8Array.from(words)), addresses: sumOf(addresses), length };
}

function sumOf(bytes: readonly number[]): number {
  return sumOfWords(Uint8Array.from(bytes), 0, bytes.length);
}

function folded(sum: number): number {
  return sum > 0xffff ? folded((sum & 0xffff) + (sum >> 16)) : sum;
}

function ofUdp({ transport, addresses, length }: ReturnType<typeof udp>): number | null {
  return contentSum(UDP, transport, addresses, length);
}

describe("the content's sum", () => {
  test("is the same before and after NAT, and another for another content", () => {
    const before = ofUdp(udp(HERE, [4000, 7001], [1, 2, 3, 4]));
    expect(before).not.toBeNull();
    expect(ofUdp(udp(THERE, [50_000, 53], [1, 2, 3, 4]))).toBe(before);
    expect(ofUdp(udp(HERE, [4000, 7001], [1, 2, 3, 5]))).not.toBe(before);
  });

  test("is not known where only the pseudo-header was summed, or nothing", () => {
    const packet = udp(HERE, [4000, 7001], [1, 2, 3, 4]);
    const partial = folded(packet.addresses + UDP + packet.length);
    packet.transport.bytes.set([partial >> 8, partial & 255], 6);
    expect(ofUdp(packet)).toBeNull();
    packet.transport.bytes.set([0, 0], 6);
    expect(ofUdp(packet)).toBeNull();
  });

  test("is not known of a header that was cut", () => {
    const { transport, addresses, length } = udp(HERE, [4000, 7001], []);
    expect(contentSum(UDP, { ...transport, end: 7 }, addresses, length)).toBeNull();
  });

  test("of an ICMP echo leaves out the identifier, which NAT changes; an error has none", () => {
    const echo = (id: number, check: number) =>
      contentSum(1, sliceOf(Uint8Array.of(8, 0, check >> 8, check & 255, id >> 8, id & 255, 0, 1)), 0, 8);
    expect(echo(77, ~folded(0x800 + 77 + 1) & 0xffff)).toBe(echo(9999, ~folded(0x800 + 9999 + 1) & 0xffff));
    expect(contentSum(1, sliceOf(Uint8Array.of(3, 3, 1, 2, 0, 0, 0, 0)), 0, 8)).toBeNull();
  });
});
