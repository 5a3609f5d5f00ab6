/**
 * Writes generated input to standard output, and the truth about it as JSON to standard error:
 *
 *     node .cache/bench/bench/generate/main.js kernel-log --seed 1 --lines 2000000 [--dress syslog]
 *     node .cache/bench/bench/generate/main.js nft-trace --seed 1 --bytes 100000000
 *     node .cache/bench/bench/generate/main.js iptables-rules|nft-rules --seed 1 --rules 10000 [--load: nft's without handles]
 *     node .cache/bench/bench/generate/main.js kube-log|kube-trace --seed 1 --rules 10000 --lines 10000
 */
import { writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { DRESSES, type Dress, KernelLogGenerator } from "./kernel-log.ts";
import { KubeRules } from "./kube-rules.ts";
import { NftTraceGenerator } from "./nft-trace.ts";
import type { Way } from "./ways.ts";

const CHUNK = 1 << 18;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "1" },
    lines: { type: "string" },
    bytes: { type: "string" },
    dress: { type: "string", default: "syslog" },
    rules: { type: "string", default: "1000" },
    load: { type: "boolean", default: false },
    "in-flight": { type: "string", default: "4" },
  },
});

const seed = Number(values.seed);
const inFlight = Number(values["in-flight"]);
const limits = { lines: Number(values.lines ?? "Infinity"), bytes: Number(values.bytes ?? "Infinity") };

switch (positionals[0]) {
  case "kernel-log":
    stream(new KernelLogGenerator({ seed, inFlight, dress: dressOf(values.dress) }), limits);
    break;
  case "nft-trace":
    stream(new NftTraceGenerator({ seed, inFlight }), limits);
    break;
  case "kube-log":
    stream(new KernelLogGenerator({ seed, inFlight, ways: kubeWays() }), limits);
    break;
  case "kube-trace":
    stream(new NftTraceGenerator({ seed, inFlight, ways: kubeWays() }), limits);
    break;
  case "iptables-rules":
    write(new KubeRules(seed, Number(values.rules)).iptablesSave());
    break;
  case "nft-rules":
    write(new KubeRules(seed, Number(values.rules)).nftJson(!values.load));
    break;
  default:
    process.stderr.write(
      "generate: kernel-log, nft-trace, kube-log, kube-trace, iptables-rules or nft-rules\n",
    );
    process.exitCode = 2;
}

function kubeWays(): readonly Way[] {
  return new KubeRules(seed, Number(values.rules)).ways();
}

/** Until a limit is reached, and then until no packet is under way. Waits for a slow reader. */
function stream(
  generator: KernelLogGenerator | NftTraceGenerator,
  { lines, bytes }: { readonly lines: number; readonly bytes: number },
): void {
  if (lines === Number.POSITIVE_INFINITY && bytes === Number.POSITIVE_INFINITY)
    throw new Error("give --lines or --bytes");
  let chunk = "";
  let written = 0;
  for (let line = generator.next(); line !== null; line = generator.next()) {
    chunk += line;
    if (chunk.length >= CHUNK) {
      written += chunk.length;
      if (!write(chunk)) return;
      chunk = "";
    }
    if (generator.truth.lines >= lines || written + chunk.length >= bytes) generator.end();
  }
  write(chunk);
  process.stderr.write(`${JSON.stringify({ ...generator.truth, bytes: written + chunk.length })}\n`);
}

/** False when nobody reads any more. */
function write(text: string): boolean {
  const data = Buffer.from(text, "latin1");
  for (let at = 0; at < data.length; ) {
    try {
      at += writeSync(1, data, at);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : null;
      if (code === "EPIPE") return false;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
  return true;
}

function dressOf(word: string): Dress {
  const dress = DRESSES.find((known) => known === word);
  if (dress === undefined) throw new Error(`--dress is one of ${DRESSES.join(", ")}`);
  return dress;
}
