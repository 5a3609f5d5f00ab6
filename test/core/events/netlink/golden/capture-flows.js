/**
 * Makes the golden messages of conntrack and of changed rules anew: `node test/core/events/netlink/golden/capture-flows.js`
 * (root, Linux, nft, conntrack, ip). One datagram a line, in hexadecimal, as the collector of the built program passes it on.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const collector = fileURLToPath(new URL("../../../../../dist/sources/collector/main.js", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));
const FRAME_HEADER = 16;
const [RULES_FRAME, FLOWS_FRAME] = [1, 7];
const NETNS = "nfpSgold";

/** @param {string} lines */
const run = (lines) =>
  execFileSync("ip", ["netns", "exec", NETNS, "sh", "-ec", lines], { stdio: ["ignore", "ignore", "pipe"] });

const CHANGES = `
conntrack -I -p udp -s 192.0.2.7 -d 198.51.100.1 --sport 40000 --dport 53 --dst-nat 203.0.113.5:5353 -t 30 -m 66
conntrack -I -p tcp -s 2001:db8::1 -d 2001:db8::2 --sport 40000 --dport 443 --state ESTABLISHED -t 300 -u ASSURED,SEEN_REPLY
conntrack -I -p icmp -s 192.0.2.7 -d 198.51.100.1 --icmp-type 8 --icmp-code 0 --icmp-id 4711 -t 30 -w 9
conntrack -I -p gre -s 192.0.2.7 -d 198.51.100.1 --srckey 1 --dstkey 2 -t 30
conntrack -U -p udp -s 192.0.2.7 -m 67
conntrack -D -p udp
nft 'table inet fw { chain in { type filter hook input priority 0; udp dport 9 drop; }; }'
nft 'add table ip other; delete table inet fw'
`;

execFileSync("ip", ["netns", "add", NETNS]);
try {
  const child = spawn(process.execPath, [collector], { stdio: ["pipe", "pipe", "inherit"] });
  const namespaces = [{ netns: NETNS, nflog: false, conntrack: true, apply: [], revert: [] }];
  const config = { copyBytes: 256, receiveBuffer: 1 << 20, undoFile: null, namespaces };
  child.stdin.write(`${JSON.stringify(config)}\n`);
  /** @type {Buffer[]} */
  const chunks = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  await once(child.stdout, "data");
  await sleep(500);
  run(CHANGES);
  await sleep(300);
  child.stdin.end();
  await once(child, "close");
  const data = Buffer.concat(chunks);
  /** @type {Map<number, string[]>} */
  const lines = new Map([
    [RULES_FRAME, []],
    [FLOWS_FRAME, []],
  ]);
  for (let at = 0; at < data.length; at += FRAME_HEADER + data.readUInt32LE(at)) {
    const end = at + FRAME_HEADER + data.readUInt32LE(at);
    lines.get(data.readUInt8(at + 4))?.push(data.subarray(at + FRAME_HEADER, end).toString("hex"));
  }
  writeFileSync(`${here}rules-changed.hex`, `${lines.get(RULES_FRAME)?.join("\n")}\n`);
  writeFileSync(`${here}flows.hex`, `${lines.get(FLOWS_FRAME)?.join("\n")}\n`);
} finally {
  execFileSync("ip", ["netns", "delete", NETNS]);
}
