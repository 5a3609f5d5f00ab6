/** Traces and logs from the field: every record becomes an event, or is named as one that cannot be read. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Event } from "../../../src/core/events/event.ts";
import { article, corpus, type Sample, samples } from "../../support/corpus.ts";
import { decode, decodeChunks, name, packetOf, times } from "./decode/decoding.ts";

/** Counted without the decoders: marks of records, as a person would search for them. */
const MARK = /\bTRACE: |\btrace id [0-9a-f]+\b|\bPACKET: /g;
const LOG = /(?<!PHYS)IN=\S* +(?:OUT=\S*|MAC=|SRC=)/g;

const KINDS = ["trace-legacy", "nft-trace", "xtables-monitor", "log-lines", "cases"];

function isRecord(event: Event): boolean {
  return event.kind === "step" || event.kind === "sighting" || event.kind === "conntrack";
}

function marks(text: string): number {
  return text.match(MARK)?.length ?? 0;
}

describe.skipIf(corpus === null)("the corpus", () => {
  const files = KINDS.flatMap(samples);
  const byName = (part: string): Event[] => {
    const file = files.find((sample) => sample.name.includes(part));
    if (file === undefined) throw new Error(`no sample is named like ${part}`);
    return decode(file.text);
  };

  test("every record is an event or a named unparsed", () => {
    let records = 0;
    let decoded = 0;
    for (const { name: file, text } of files) {
      const events = decode(text);
      const found = events.filter(isRecord).length;
      const named = events.filter((event) => event.kind === "unparsed" && marks(event.origin.raw) > 0).length;
      expect(found + named, file).toBe(marks(text));
      records += marks(text);
      decoded += found;
    }
    process.stdout.write(
      `corpus: ${decoded} of ${records} trace records decoded, ${records - decoded} named as unreadable\n`,
    );
    expect(records).toBeGreaterThan(300);
    expect(decoded / records).toBeGreaterThan(0.97);
  });

  test("every line of a firewall's log is an event", () => {
    let records = 0;
    for (const { name: file, text } of samples("log-lines")) {
      const plain = text
        .replace(/^.*TRACE: .*$/gm, "")
        .replaceAll("<br>", "\n")
        .replace(/<[^>]+>/g, "");
      const expected = plain.match(LOG)?.length ?? 0;
      expect(decode(plain).filter(({ kind }) => kind === "log").length, file).toBe(expected);
      records += expected;
    }
    expect(records).toBeGreaterThan(3000);
  });

  test("what cannot be read says why", () => {
    const reasons = new Set(
      files
        .flatMap(({ text }) => decode(text))
        .flatMap((event) => (event.kind === "unparsed" ? [event.reason] : [])),
    );
    expect([...reasons]).toEqual(["no table:chain:kind:number stands behind TRACE"]);
  });

  test("a byte at a time gives the same events", () => {
    for (const { name: file, text } of files.filter((sample: Sample) => sample.text.length < 8_000))
      expect(decodeChunks([...text]), file).toEqual(decode(text));
  });

  test("a patched kernel's own words are no steps", () => {
    const events = byName("cases/02");
    expect(events.filter(({ kind }) => kind === "unparsed")).toHaveLength(2);
    expect(events.filter(isRecord).map(name)).not.toContain("acpar");
  });

  test("a record folded over four lines is whole", () => {
    const [step, ...others] = byName("t030-");
    expect(others).toEqual([]);
    expect(step).toMatchObject({ table: "mangle", chain: "tcout", step: "return", number: 3 });
    expect(step).toMatchObject({
      sighting: { uid: 0, gid: 1000, mark: 0x10082, packet: { icmp: { id: 7212, sequence: 3 } } },
    });
  });

  test("records on one line have each their own time", () => {
    expect(byName("t006-").map(name)).toEqual([
      "raw:PREROUTING:policy:2",
      "nat:PREROUTING:rule:1",
      "nat:PREROUTING:rule:2",
      "filter:FORWARD:rule:1",
    ]);
    expect(times(byName("t006-")).slice(0, 2)).toEqual(["+5281.733217000", "+5281.737057000"]);
  });

  test("a list of hits without fields gives steps without packets", () => {
    const steps = byName("t020-").filter(isRecord);
    expect(steps).toHaveLength(10);
    expect(
      steps.every((event) => event.kind === "step" && event.sighting === null && event.number !== null),
    ).toBe(true);
  });

  test("a rule of nft folded over four lines is whole", () => {
    expect(byName("n010-").at(-1)).toMatchObject({
      verdict: "accept",
      ruleText: expect.stringMatching(/^meta nfproto ipv4 .* accept comment/),
    });
  });

  test("xtables-monitor's handles are hexadecimal", () => {
    expect(byName("x002-")[1]).toMatchObject({ handle: 27n, verdict: "continue", table: "raw" });
    expect(byName("x004-")[0]).toMatchObject({ sighting: { packet: { ipId: 43751, dontFragment: true } } });
  });
});

describe.skipIf(article === null)("the article's log", () => {
  const text = article === null ? "" : readFileSync(join(article, "trace.log"), "utf8");

  test("is 54 steps of six packets, each at its microsecond", () => {
    const events = decode(text);
    expect(events).toHaveLength(54);
    expect(events.every((event) => event.kind === "step" && event.sighting !== null)).toBe(true);
    expect(times(events)[0]).toBe("--08-24T11:14:47.178700000");
    expect(new Set(events.map((event) => packetOf(event).ipId))).toEqual(
      new Set([17397, 43856, 17398, 44215, 17399, 45186]),
    );
    expect(new Set(events.map((event) => packetOf(event).length))).toEqual(new Set([1511, 1513, 1526]));
    const seconds = events.map(({ time }) => (time?.seconds ?? 0) + (time?.nanos ?? 0) / 1e9);
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
  });

  test("names every step as the kernel did, and keeps the redacted address", () => {
    const events = decode(text);
    for (const event of events) expect(event.origin.raw).toContain(` TRACE: ${name(event)} `);
    expect(new Set(events.flatMap((event) => [packetOf(event).src, packetOf(event).dst]))).toEqual(
      new Set(["xxx.xxx.xxx.113", "172.17.128.213", "172.18.0.2"]),
    );
  });
});
