import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { KernelLogDecoder } from "../../src/core/events/decode/kernel-log.ts";
import { KernelLogReader, openKernelLog } from "../../src/sources/collector/kernel-log.ts";

let directory: string;
let log: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "nfpath-kmsg-"));
  log = join(directory, "kmsg");
});
afterEach(() => rmSync(directory, { recursive: true }));

const record = (number: number) =>
  `4,${number},${number}000,-;TRACE: raw:OUTPUT:policy:1 IN= OUT=lo SRC=127.0.0.1 DST=127.0.0.1 LEN=31 TOS=0x00 PREC=0x00 TTL=64 ID=${number} PROTO=UDP SPT=4000 DPT=9 LEN=11 \n`;

function kindsOf(text: string): readonly string[] {
  const decoder = new KernelLogDecoder({ input: "kmsg", netns: null });
  const events = text.split("\n").flatMap((line, index) => decoder.read(line, index + 1));
  return [...events, ...decoder.flush()].map((event) =>
    event.kind === "gap" ? `gap of ${event.count}` : event.kind,
  );
}

it("gives what comes from now on, and none of what was there", () => {
  writeFileSync(log, record(7) + record(8));
  const reader = new KernelLogReader(log);
  expect(reader.read()).toBe("");
  appendFileSync(log, record(9));
  const text = reader.read();
  appendFileSync(log, record(10));
  expect([kindsOf(text), kindsOf(reader.read())]).toEqual([["step"], ["step"]]);
  reader.close();
});

it("a hole in the numbers is a gap, right behind what was there too", () => {
  writeFileSync(log, record(7));
  const reader = new KernelLogReader(log);
  appendFileSync(log, record(10) + record(13));
  expect(kindsOf(reader.read())).toEqual(["gap of 2", "step", "gap of 2", "step"]);
  reader.close();
});

it("one that cannot be read gives the errno", () => {
  expect(openKernelLog(join(directory, "none"))).toEqual({ errno: "ENOENT" });
});
