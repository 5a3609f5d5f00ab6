import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StreamTail } from "../../src/sources/stream-tail.ts";
import { openTail, type Tail } from "../../src/sources/tail.ts";

let folder = "";
let log = "";
let tail: Tail | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nfpath-tail-"));
  log = join(folder, "kern.log");
  writeFileSync(log, "one\n");
});

afterEach(() => {
  tail?.close();
  tail = null;
  rmSync(folder, { recursive: true });
});

function open(): Tail {
  const opened = openTail(log);
  if (!opened.ok) throw new Error(opened.error.reason);
  tail = opened.value;
  return tail;
}

function read(from: Tail): string {
  return from
    .read()
    .map((piece) => (piece.kind === "text" ? piece.text : "<lost>"))
    .join("");
}

describe("a log file", () => {
  it("is read from its beginning, and then as it grows", () => {
    const file = open();
    expect([read(file), read(file)]).toEqual(["one\n", ""]);
    appendFileSync(log, "two\nthr");
    expect(read(file)).toBe("two\nthr");
    appendFileSync(log, "ee\n");
    expect(read(file)).toBe("ee\n");
  });

  it("keeps characters whole that are written in two goes", () => {
    const file = open();
    read(file);
    const bytes = Buffer.from("é\n");
    appendFileSync(log, bytes.subarray(0, 1));
    expect(read(file)).toBe("");
    appendFileSync(log, bytes.subarray(1));
    expect(read(file)).toBe("é\n");
  });

  it("that is renamed and made anew is read to its end, and then the new one", () => {
    const file = open();
    read(file);
    appendFileSync(log, "last of the old\n");
    renameSync(log, `${log}.1`);
    expect(read(file)).toBe("last of the old\n");
    appendFileSync(`${log}.1`, "written late\n");
    writeFileSync(log, "first of the new\n");
    expect(read(file)).toBe("written late\n\nfirst of the new\n");
    appendFileSync(log, "second\n");
    expect(read(file)).toBe("second\n");
  });

  it("that is copied and cut says that something may be lost, and goes on", () => {
    const file = open();
    read(file);
    appendFileSync(log, "never read\n");
    copyFileSync(log, `${log}.1`);
    truncateSync(log, 0);
    expect(read(file)).toBe("\n<lost>");
    appendFileSync(log, "after\n");
    expect(read(file)).toBe("after\n");
  });

  it.each([
    ["there is none", () => join(folder, "none"), /no such file or directory/],
    ["it is a directory", () => folder, /it is a directory/],
  ])("is refused when %s", (_name, path, reason) => {
    const refused = openTail(path());
    expect(!refused.ok && refused.error.reason).toMatch(reason);
  });
});

describe("a stream", () => {
  it("gives what has come, and is over when it has ended and all was read", async () => {
    const pipe = new PassThrough();
    const stream = new StreamTail("-", pipe);
    pipe.write("one\ntwo");
    await new Promise((resolve) => setImmediate(resolve));
    expect([read(stream), read(stream), stream.isOver]).toEqual(["one\ntwo", "", false]);
    pipe.end("\n");
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(stream.isOver).toBe(false);
    expect([read(stream), stream.isOver]).toEqual(["\n", true]);
  });
});
