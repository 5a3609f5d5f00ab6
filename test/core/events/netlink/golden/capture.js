/**
 * Makes the golden messages anew: `node test/core/events/netlink/golden/capture.js` (root, Linux, nft, iptables-legacy, ip).
 *
 * The collector of the built program reads them, and its frames are written down as they are: one datagram a line, in
 * hexadecimal, in the order of arrival.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const collector = fileURLToPath(new URL("../../../../../dist/sources/collector/main.js", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));
const FRAME_HEADER = 16;
const KINDS = { 1: "netfilter", 2: "link" };
const [NEAR, FAR] = ["nfpTgn", "nfpTgf"];

/** @param {string} line */
const run = (line) => execFileSync("sh", ["-ec", line], { stdio: ["ignore", "ignore", "inherit"] });

const SETUP = `
ip netns add ${NEAR}; ip netns add ${FAR}
ip -n ${NEAR} link set lo up; ip -n ${FAR} link set lo up
ip -n ${NEAR} link add veth0 address 02:00:00:00:00:01 type veth peer name veth1 address 02:00:00:00:00:02 netns ${FAR}
ip -n ${NEAR} addr add 192.0.2.1/24 dev veth0; ip -n ${FAR} addr add 192.0.2.2/24 dev veth1
ip -n ${NEAR} addr add 2001:db8::1/64 dev veth0 nodad; ip -n ${FAR} addr add 2001:db8::2/64 dev veth1 nodad
ip -n ${NEAR} link set veth0 up; ip -n ${FAR} link set veth1 up
ip netns exec ${FAR} sysctl -qw net.netfilter.nf_log.2=nfnetlink_log net.netfilter.nf_log.10=nfnetlink_log
ip netns exec ${FAR} iptables-legacy -N CHECK
ip netns exec ${FAR} iptables-legacy -A CHECK -p udp --dport 9 -j NFLOG --nflog-group 0 --nflog-prefix "somebody's own: "
ip netns exec ${FAR} iptables-legacy -A INPUT -p udp -j CHECK
ip netns exec ${FAR} iptables-legacy -A INPUT -p tcp -j DROP
ip netns exec ${FAR} ip6tables-legacy -A INPUT -p udp -j ACCEPT
ip netns exec ${FAR} nft -f - <<'RULES'
table inet door {
  chain in {
    type filter hook input priority -10; policy drop;
    meta mark set 0x42
    udp dport 9 jump sorted
    ip protocol udp ct state new accept
    meta l4proto { tcp, icmp, ipv6-icmp } accept
  }
  chain sorted {
    ip daddr 192.0.2.2 return
    counter
  }
}
table inet nfpath_golden {
  chain prerouting { type filter hook prerouting priority -350; meta l4proto { tcp, udp } meta nftrace set 1 accept; }
  chain output { type filter hook output priority -350; meta l4proto { udp, icmp, ipv6-icmp } meta nftrace set 1 accept; }
}
RULES
`;

/** What is sent, from the near namespace to the far one: neighbours are known, so nothing else is traced. */
const EXCHANGES = {
  "udp-ipv4":
    "const s=require('dgram').createSocket('udp4');s.send('golden bytes here',9,'192.0.2.2',()=>s.close())",
  "udp-ipv6":
    "const s=require('dgram').createSocket('udp6');s.send('golden bytes here',9,'2001:db8::2',()=>s.close())",
  "tcp-ipv4": "const s=require('net').connect(80,'192.0.2.2');setTimeout(()=>s.destroy(),300)",
};

async function main() {
  run(SETUP);
  run(`ip -n ${NEAR} neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev veth0
ip -n ${NEAR} neigh replace 2001:db8::2 lladdr 02:00:00:00:00:02 dev veth0
ip -n ${FAR} neigh replace 192.0.2.1 lladdr 02:00:00:00:00:01 dev veth1
ip -n ${FAR} neigh replace 2001:db8::1 lladdr 02:00:00:00:00:01 dev veth1`);
  // Until both ends have told their multicast groups, which is traced too.
  await new Promise((resolve) => setTimeout(resolve, 6000));
  for (const [name, code] of Object.entries(EXCHANGES)) await capture(name, code);
}

/**
 * @param {string} name
 * @param {string} code
 */
async function capture(name, code) {
  const child = spawn(process.execPath, [collector], { stdio: ["pipe", "pipe", "inherit"] });
  const config = { copyBytes: 256, receiveBuffer: 1 << 20, undoFile: null };
  const namespaces = [{ netns: FAR, nflog: true, apply: [], revert: [] }];
  child.stdin.write(`${JSON.stringify({ ...config, namespaces })}\n`);
  /** @type {Buffer[]} */
  const chunks = [];
  child.stdout.on("data", (chunk) => chunks.push(chunk));
  await new Promise((resolve) => setTimeout(resolve, 500));
  execFileSync("ip", ["netns", "exec", NEAR, process.execPath, "-e", code]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.stdin.end();
  await once(child, "close");
  const data = Buffer.concat(chunks);
  /** @type {Record<string, string[]>} */
  const lines = { netfilter: [], link: [] };
  for (let at = 0; at < data.length; at += FRAME_HEADER + data.readUInt32LE(at)) {
    const kind = KINDS[/** @type {1 | 2} */ (data.readUInt8(at + 4))];
    const end = at + FRAME_HEADER + data.readUInt32LE(at);
    if (kind !== undefined) lines[kind]?.push(data.subarray(at + FRAME_HEADER, end).toString("hex"));
  }
  writeFileSync(`${here}${name}.hex`, `${lines.netfilter?.join("\n")}\n`);
  writeFileSync(`${here}links.hex`, `${lines.link?.join("\n")}\n`);
}

try {
  await main();
} finally {
  run(`ip netns delete ${NEAR}; ip netns delete ${FAR}`);
}
