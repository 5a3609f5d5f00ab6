/**
 * How fast a kernel log is cut into lines and decoded.
 *
 *     npx tsc -p bench && node .cache/bench/bench/decode-kernel-log.js [LINES]
 *
 * The log is made in memory: twelve records of one packet's way through a Docker host, repeated with other ids, ports, addresses
 * and times, in the three dresses a log comes in.
 */
import { LineSplitter } from "../src/core/base/lines.ts";
import { TextTraceDecoder } from "../src/core/events/decode/text-trace.ts";

const HEADS = [
  "raw:PREROUTING:policy:2 IN=eth0 OUT=",
  "mangle:PREROUTING:policy:1 IN=eth0 OUT=",
  "nat:PREROUTING:rule:1 IN=eth0 OUT=",
  "nat:DOCKER:rule:31 IN=eth0 OUT=",
  "mangle:FORWARD:policy:1 IN=eth0 OUT=docker0",
  "filter:FORWARD:rule:1 IN=eth0 OUT=docker0",
  "filter:DOCKER-ISOLATION:return:1 IN=eth0 OUT=docker0",
  "filter:FORWARD:rule:2 IN=eth0 OUT=docker0",
  "filter:DOCKER:rule:30 IN=eth0 OUT=docker0",
  "security:FORWARD:policy:1 IN=eth0 OUT=docker0",
  "mangle:POSTROUTING:policy:1 IN= OUT=docker0",
  "nat:POSTROUTING:policy:102 IN= OUT=docker0",
] as const;

const CHUNK = 64 * 1024;

interface Dress {
  readonly name: string;
  readonly prefix: (packet: number, micros: number) => string;
  readonly fields: (packet: number, inbound: boolean) => string;
  readonly end: string;
}

const DRESSES: readonly Dress[] = [
  {
    name: "syslog, UDP, trailing space",
    prefix: (_packet, micros) => `${syslogTime(micros)} forwarder kernel: [${bootTime(micros)}] `,
    fields: udp,
    end: " \n",
  },
  {
    name: "syslog, UDP, trimmed",
    prefix: (_packet, micros) => `${syslogTime(micros)} forwarder kernel: [${bootTime(micros)}] `,
    fields: udp,
    end: "\n",
  },
  {
    name: "dmesg, TCP with options",
    prefix: (_packet, micros) => `[${bootTime(micros)}] `,
    fields: tcp,
    end: " \n",
  },
  {
    name: "/dev/kmsg, IPv6 TCP",
    prefix: (packet, micros) => `4,${packet},${594_576_000_000 + micros},-;`,
    fields: tcp6,
    end: " \n",
  },
];

function udp(packet: number, inbound: boolean): string {
  const mac = inbound ? "MAC=00:16:3e:03:f4:3f:ee:ff:ff:ff:ff:ff:08:00 " : "";
  return `${mac}SRC=203.0.113.${packet % 250} DST=172.18.0.2 LEN=1511 TOS=0x00 PREC=0x00 TTL=57 ID=${packet & 0xffff} PROTO=UDP SPT=${1024 + (packet % 60_000)} DPT=10370 LEN=1491`;
}

function tcp(packet: number, inbound: boolean): string {
  const mac = inbound ? "MAC=00:16:3e:03:f4:3f:ee:ff:ff:ff:ff:ff:08:00 " : "";
  return `${mac}SRC=203.0.113.${packet % 250} DST=172.18.0.2 LEN=60 TOS=0x00 PREC=0x00 TTL=57 ID=${packet & 0xffff} DF PROTO=TCP SPT=${1024 + (packet % 60_000)} DPT=443 SEQ=${packet * 7919} ACK=0 WINDOW=64240 RES=0x00 SYN URGP=0 OPT (020405B40402080AAAFDCA9D000000000103030A)`;
}

function tcp6(packet: number, inbound: boolean): string {
  const mac = inbound ? "MAC=00:16:3e:03:f4:3f:ee:ff:ff:ff:ff:ff:86:dd " : "";
  const host = (packet % 4096).toString(16).padStart(4, "0");
  return `${mac}SRC=2001:0db8:0001:0000:0000:0000:0000:${host} DST=2001:0db8:0002:0000:0000:0000:0000:0020 LEN=80 TC=0 HOPLIMIT=63 FLOWLBL=144379 PROTO=TCP SPT=${1024 + (packet % 60_000)} DPT=8080 SEQ=${packet * 7919} ACK=0 WINDOW=64800 RES=0x00 SYN URGP=0 OPT (020405A00402080A333A7B0A000000000103030A)`;
}

function bootTime(micros: number): string {
  const fraction = String(micros % 1_000_000).padStart(6, "0");
  return `${594_576 + Math.floor(micros / 1e6)}.${fraction}`;
}

function syslogTime(micros: number): string {
  const second = Math.floor(micros / 1e6);
  const two = (value: number) => String(value).padStart(2, "0");
  return `Aug 24 ${two(11 + Math.floor(second / 3600))}:${two(Math.floor(second / 60) % 60)}:${two(second % 60)}`;
}

function makeChunks(dress: Dress, lines: number): string[] {
  const chunks: string[] = [];
  let chunk = "";
  for (let line = 0; line < lines; line++) {
    const packet = Math.floor(line / HEADS.length);
    const head = HEADS[line % HEADS.length] as string;
    chunk += `${dress.prefix(line, line * 9)}TRACE: ${head} ${dress.fields(packet, !head.includes("IN= "))}${dress.end}`;
    if (chunk.length >= CHUNK) {
      // Through bytes, as a reader of files makes them: a flat string of its own.
      chunks.push(Buffer.from(chunk).toString("latin1"));
      chunk = "";
    }
  }
  if (chunk !== "") chunks.push(chunk);
  return chunks;
}

function run(chunks: readonly string[]): number {
  const decoder = new TextTraceDecoder({ input: "bench", netns: null });
  let ports = 0;
  const splitter = new LineSplitter((text, line) => {
    for (const event of decoder.read(text, line)) {
      if (event.kind === "step") ports += event.sighting?.packet.dport ?? 0;
    }
  });
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  decoder.end();
  if (decoder.counts.unparsed > 0 || ports === 0) throw new Error("the bench's own records must all be read");
  return decoder.counts.records;
}

const lines = Number(process.argv[2] ?? 400_000);
for (const dress of DRESSES) {
  const chunks = makeChunks(dress, lines);
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  run(chunks.slice(0, Math.ceil(chunks.length / 4)));
  const begin = process.hrtime.bigint();
  const records = run(chunks);
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  const rate = `${Math.round(records / seconds / 1000)} k lines/s, ${Math.round(bytes / seconds / 1e6)} MB/s`;
  process.stdout.write(
    `${dress.name.padEnd(30)} ${rate}, ${Math.round((seconds / records) * 1e9)} ns a line\n`,
  );
}
