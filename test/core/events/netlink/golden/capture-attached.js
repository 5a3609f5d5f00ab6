/**
 * Makes `nflog-conntrack.hex` anew: `node test/core/events/netlink/golden/capture-attached.js` (root, iptables-legacy, ip; a
 * kernel with CONFIG_NETFILTER_NETLINK_GLUE_CT). Legacy iptables' steps of one datagram and of its answer over loopback, with
 * the connection that the kernel attaches to each: one datagram of netlink a line, in hexadecimal, in the order of arrival.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const collector = fileURLToPath(new URL("../../../../../dist/sources/collector/main.js", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));
const FRAME_HEADER = 16;
const NETFILTER = 1;
const NETNS = "nfpTga";

/** @param {string} line */
const run = (line) => execFileSync("sh", ["-ec", line], { stdio: ["ignore", "ignore", "inherit"] });

const SETUP = `
modprobe -q nfnetlink_log || : # where it is built in, or there already
ip netns add ${NETNS}; ip -n ${NETNS} link set lo up
ip netns exec ${NETNS} sysctl -qw net.netfilter.nf_log.2=nfnetlink_log
ip netns exec ${NETNS} iptables-legacy -t raw -A OUTPUT -p udp -j TRACE
ip netns exec ${NETNS} iptables-legacy -t nat -A OUTPUT -p udp --dport 99 -j DNAT --to-destination 127.0.0.1:9999
ip netns exec ${NETNS} iptables-legacy -A INPUT -m conntrack --ctstate NEW -j ACCEPT
`;

/** One datagram from port 4444 to 99, which becomes 9999, and its answer. */
const EXCHANGE = `const d=require("dgram"),a=d.createSocket("udp4"),b=d.createSocket("udp4");
b.on("message",(_,from)=>b.send("answer",from.port,from.address));a.on("message",()=>{a.close();b.close()});
b.bind(9999,"127.0.0.1",()=>a.bind(4444,()=>a.send("question",99,"127.0.0.1")))`;

async function main() {
  run(SETUP);
  const child = spawn(process.execPath, [collector], { stdio: ["pipe", "pipe", "inherit"] });
  const namespaces = [{ netns: NETNS, nflog: true, apply: [], revert: [] }];
  const config = { copyBytes: 256, receiveBuffer: 1 << 20, undoFile: null, namespaces };
  child.stdin.write(`${JSON.stringify(config)}\n`);
  /** @type {Buffer[]} */
  const chunks = [];
  // The first frame says that everything is open.
  await new Promise((resolve) => {
    child.stdout.on("data", (chunk) => resolve(chunks.push(chunk)));
  });
  execFileSync("ip", ["netns", "exec", NETNS, process.execPath, "-e", EXCHANGE]);
  child.stdin.end();
  await once(child, "close");
  const data = Buffer.concat(chunks);
  const lines = [];
  for (let at = 0; at < data.length; at += FRAME_HEADER + data.readUInt32LE(at)) {
    const end = at + FRAME_HEADER + data.readUInt32LE(at);
    if (data.readUInt8(at + 4) === NETFILTER)
      lines.push(data.subarray(at + FRAME_HEADER, end).toString("hex"));
  }
  writeFileSync(`${here}nflog-conntrack.hex`, `${lines.join("\n")}\n`);
}

try {
  await main();
} finally {
  run(`ip netns delete ${NETNS}`);
}
