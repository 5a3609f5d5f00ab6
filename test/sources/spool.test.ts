import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Spool } from "../../src/sources/collector/spool.ts";

let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "nfpath-test-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function spoolOf(memoryBytes: number, fileBytes: number): Spool {
  return new Spool({ memoryBytes, fileBytes, directory });
}

/** Takes up to so many bytes off the front, as a reader does that takes little at a time. */
function take(spool: Spool, bytes: number): Buffer {
  const front = Buffer.from(spool.front().subarray(0, bytes));
  spool.drop(front.length);
  return front;
}

describe("a spool", () => {
  it("gives back what it was given, in order, whatever goes to memory and whatever to the file", () => {
    const step = fc.oneof(
      fc.record({ push: fc.uint8Array({ minLength: 1, maxLength: 90 }) }),
      fc.record({ take: fc.integer({ min: 1, max: 120 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const spool = spoolOf(100, 1 << 20);
        const [given, got]: [Buffer[], Buffer[]] = [[], []];
        for (const one of steps) {
          if ("push" in one) {
            expect(spool.push(Buffer.from(one.push))).toBe(true);
            given.push(Buffer.from(one.push));
          } else got.push(take(spool, one.take));
        }
        while (!spool.isEmpty) got.push(take(spool, 50));
        expect(Buffer.concat(got).equals(Buffer.concat(given))).toBe(true);
        spool.close();
      }),
    );
  });

  it("refuses what it has no room for, keeps the rest, and has room again when that was taken", () => {
    const spool = spoolOf(4, 6);
    expect([spool.push(Buffer.from("abcd")), spool.push(Buffer.from("efghij"))]).toEqual([true, true]);
    expect(spool.push(Buffer.from("k"))).toBe(false);
    expect(Buffer.concat([take(spool, 9), take(spool, 9)]).toString()).toBe("abcdefghij");
    expect([spool.isEmpty, spool.push(Buffer.from("klmno")), spool.isEmpty]).toEqual([true, true, false]);
    expect(take(spool, 9).toString()).toBe("klmno");
    spool.close();
  });

  it("leaves no file with a name", () => {
    const spool = spoolOf(0, 100);
    expect(spool.push(Buffer.from("abc"))).toBe(true);
    expect(readdirSync(directory)).toEqual([]);
    spool.close();
  });

  it("has its memory where no file can be made", () => {
    const spool = new Spool({ memoryBytes: 4, fileBytes: 100, directory: join(directory, "missing") });
    expect([spool.push(Buffer.from("abcd")), spool.push(Buffer.from("e"))]).toEqual([true, false]);
    expect(take(spool, 9).toString()).toBe("abcd");
    expect(spool.push(Buffer.from("e"))).toBe(true);
    spool.close();
  });
});
