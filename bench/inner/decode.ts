/**
 * How fast a kernel log is cut into lines and decoded, in process:
 *
 *     node .cache/bench/bench/inner/decode.js DRESS LINES SEED OUT.json
 *
 * DRESS is one of `DRESSES`, or `ip6`: dmesg's with IPv6. The log is made in memory first.
 */
import { writeFileSync } from "node:fs";
import { LineSplitter } from "../../src/core/base/lines.ts";
import { TextTraceDecoder } from "../../src/core/events/decode/text-trace.ts";
import { DRESSES, KernelLogGenerator } from "../generate/kernel-log.ts";

const CHUNK = 64 * 1024;

const [word = "", lines = "400000", seed = "1", out] = process.argv.slice(2);
const isIpv6 = word === "ip6";
const dress = isIpv6 ? "dmesg" : DRESSES.find((known) => known === word);
if (dress === undefined) throw new Error(`decode: give one of ${DRESSES.join(", ")}, ip6`);

const chunks = makeChunks(Number(lines));
run(chunks.slice(0, Math.ceil(chunks.length / 4)));
const began = process.hrtime.bigint();
const records = run(chunks);
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
const text = `${JSON.stringify({ records, seconds })}\n`;
if (out === undefined) process.stdout.write(text);
else writeFileSync(out, text);

function makeChunks(most: number): readonly string[] {
  const generator = new KernelLogGenerator({ seed: Number(seed), dress: dress ?? "syslog", isIpv6 });
  const made: string[] = [];
  let chunk = "";
  const keep = () => {
    // Through bytes, as a reader of files makes them: a flat string of its own.
    made.push(Buffer.from(chunk).toString("latin1"));
    chunk = "";
  };
  while (generator.truth.lines < most) {
    chunk += generator.next() ?? "";
    if (chunk.length >= CHUNK) keep();
  }
  keep();
  return made;
}

function run(all: readonly string[]): number {
  const decoder = new TextTraceDecoder({ input: "bench", netns: null });
  let ports = 0;
  const splitter = new LineSplitter((text, line) => {
    for (const event of decoder.read(text, line)) {
      if (event.kind === "step") ports += event.sighting?.packet.dport ?? 0;
    }
  });
  for (const chunk of all) splitter.push(chunk);
  splitter.end();
  decoder.end();
  if (decoder.counts.unparsed > 0 || ports === 0) throw new Error("the bench's own records must all be read");
  return decoder.counts.records;
}
