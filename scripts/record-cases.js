#!/usr/bin/env node
// @ts-check
// Makes the cases in test/cases/: packets through real rules in network namespaces, as the real tools reported them.
// Run as root: `node scripts/record-cases.js [NAME…]`. What the kernel prints is committed; expected.txt is made from it by
// `UPDATE_EXPECTED=1 npx vitest run test/cases`, and read by a person before it is committed.
//
// client 192.0.2.2 ── 192.0.2.1 host 198.51.100.1 ── 198.51.100.2 server, and 2001:db8:1::/64, 2001:db8:2::/64 beside it.
// The one setting of the machine that it changes is net.netfilter.nf_log_all_netns, and it puts that back.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { projectRoot } from "./setup.js";

const ALL_NETNS = "/proc/sys/net/netfilter/nf_log_all_netns";
const CLIENT = "nfpcase-client";
const HOST = "nfpcase-host";
const SERVER = "nfpcase-server";

/**
 * @typedef {object} Case
 * @property {"legacy" | "nft" | "xtables-monitor"} tool who traces
 * @property {string} scenario what it shows, the last part of the folder's name
 * @property {string} about one sentence
 * @property {readonly string[]} setUp commands in the host's namespace, the tracing rules not among them
 * @property {string} packets JavaScript that sends them, run in the client's namespace (or the host's)
 * @property {string} [from] the namespace that sends, when it is not the client's
 * @property {string} [serve] JavaScript that answers, run in the server's namespace
 * @property {string} select which packets to trace, in the words of the tool that marks them
 */

const udp = (/** @type {string} */ to, /** @type {number} */ port, text = "hello", family = "udp4") =>
  `const s=require("dgram").createSocket("${family}");s.on("error",()=>s.close());s.on("message",()=>s.close());` +
  `s.bind(40000,()=>{s.send("${text}",${port},"${to}");setTimeout(()=>{try{s.close()}catch{}},400)})`;
const tcp = (/** @type {string} */ to, /** @type {number} */ port) =>
  `const s=require("net").connect({port:${port},host:"${to}",localPort:40001});s.on("error",()=>{});` +
  `s.on("connect",()=>s.end());setTimeout(()=>s.destroy(),500)`;
const udpEcho = (/** @type {number} */ port, family = "udp4") =>
  `const s=require("dgram").createSocket("${family}");s.on("message",(m,r)=>s.send(m,r.port,r.address));` +
  `s.bind(${port},()=>console.log("ready"));setTimeout(()=>process.exit(),3000)`;
const tcpServer = (/** @type {number} */ port) =>
  `require("net").createServer(c=>c.on("error",()=>{}).end()).listen(${port},()=>console.log("ready"));setTimeout(()=>process.exit(),3000)`;

/** @type {readonly Case[]} */
const CASES = [
  {
    tool: "legacy",
    scenario: "input-drop",
    about:
      "A rule in INPUT drops a connection attempt; the retransmission follows a second later and is not recorded.",
    setUp: [
      "iptables-legacy -A INPUT -i lo -j ACCEPT",
      "iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT",
      "iptables-legacy -A INPUT -p tcp --dport 23 -m comment --comment 'no telnet' -j DROP",
    ],
    packets: tcp("192.0.2.1", 23),
    select: "-p tcp",
  },
  {
    tool: "legacy",
    scenario: "forward-policy-drop",
    about: "No rule in FORWARD or in a chain it jumps to wants the packet; the policy drops it.",
    setUp: [
      "iptables-legacy -N services",
      "iptables-legacy -A services -p tcp --dport 443 -j ACCEPT",
      "iptables-legacy -A services -p udp --dport 5353 -j RETURN",
      "iptables-legacy -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      "iptables-legacy -A FORWARD -i c0 -j services",
      "iptables-legacy -P FORWARD DROP",
    ],
    packets: udp("198.51.100.2", 53),
    select: "-p udp",
  },
  {
    tool: "legacy",
    scenario: "forward-reject",
    about: "A rule refuses the packet and answers with an ICMP error, whose way is traced too.",
    setUp: [
      "iptables-legacy -t mangle -N nothing",
      "iptables-legacy -A FORWARD -p udp --dport 53 -j REJECT --reject-with icmp-admin-prohibited",
    ],
    packets: udp("198.51.100.2", 53),
    select: "",
  },
  {
    tool: "legacy",
    scenario: "dnat-masquerade",
    about:
      "A port of the host leads to the server behind it, and what leaves there is masqueraded; the answer comes back.",
    setUp: [
      "iptables-legacy -t mangle -N nothing",
      "iptables-legacy -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 198.51.100.2:80",
      "iptables-legacy -t nat -A POSTROUTING -o s0 -j MASQUERADE",
      "iptables-legacy -A FORWARD -j ACCEPT",
    ],
    packets: tcp("192.0.2.1", 8080),
    serve: tcpServer(80),
    select: "-p tcp",
  },
  {
    tool: "legacy",
    scenario: "mark-and-log",
    about: "A rule marks, a rule logs, a bare ACCEPT ends the chain: the kernel prints that one as a policy.",
    setUp: [
      "iptables-legacy -t mangle -A PREROUTING -p udp -j MARK --set-mark 0x7",
      "iptables-legacy -A INPUT -p udp -j LOG --log-prefix 'seen: '",
      "iptables-legacy -A INPUT -j ACCEPT",
      "iptables-legacy -A INPUT -p udp -j DROP",
    ],
    packets: udp("192.0.2.1", 9),
    select: "-p udp",
  },
  {
    tool: "legacy",
    scenario: "forwarding-off",
    about: "Forwarding is off: the packet is lost in routing, and no rule says so.",
    setUp: ["iptables-legacy -t mangle -N nothing", "sysctl -qw net.ipv4.ip_forward=0"],
    packets: udp("198.51.100.2", 53),
    select: "-p udp",
  },
  {
    tool: "legacy",
    scenario: "loopback",
    about: "A packet to the host itself passes OUTPUT, POSTROUTING, PREROUTING and INPUT.",
    setUp: [
      "iptables-legacy -t mangle -N nothing",
      "iptables-legacy -A INPUT -i lo -p udp --dport 7 -j DROP",
    ],
    packets: udp("127.0.0.1", 7),
    from: HOST,
    select: "-p udp",
  },
  {
    tool: "legacy",
    scenario: "ip6-forward-drop",
    about: "The same for IPv6, with a rule of ip6tables.",
    setUp: [
      "ip6tables-legacy -A FORWARD -p ipv6-icmp -j ACCEPT",
      "ip6tables-legacy -A FORWARD -p udp --dport 53 -j DROP",
    ],
    packets: udp("2001:db8:2::2", 53, "hello", "udp6"),
    select: "-p udp",
  },
  {
    tool: "legacy",
    scenario: "fragments",
    about: "A datagram that takes two fragments is one packet to every rule.",
    setUp: [
      "iptables-legacy -t mangle -N nothing",
      "iptables-legacy -A FORWARD -m conntrack --ctstate INVALID -j DROP",
      "iptables-legacy -A FORWARD -j ACCEPT",
    ],
    packets: udp("198.51.100.2", 7).replace('"hello"', '"x".repeat(1600)'),
    serve: udpEcho(7),
    select: "-p udp",
  },
  {
    tool: "nft",
    scenario: "input-drop",
    about: "A rule of an inet table drops a connection attempt.",
    setUp: [
      `nft 'table inet fw { chain in { type filter hook input priority 0; policy accept; ct state established,related accept; tcp dport 23 counter drop comment "no telnet"; }; }'`,
    ],
    packets: tcp("192.0.2.1", 23),
    select: "meta l4proto tcp",
  },
  {
    tool: "nft",
    scenario: "forward-policy-drop",
    about: "A jump to a chain that ends, and then the policy.",
    setUp: [
      "nft 'table ip fw { chain services { tcp dport 443 accept; }; chain way { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname c0 jump services; }; }'",
    ],
    packets: udp("198.51.100.2", 53),
    select: "meta l4proto udp",
  },
  {
    tool: "nft",
    scenario: "input-reject",
    about: "reject is a drop to the kernel's trace; the rule's text tells the answer.",
    setUp: [
      "nft 'table inet fw { chain in { type filter hook input priority 0; udp dport 53 reject with icmpx type admin-prohibited; }; }'",
    ],
    packets: udp("192.0.2.1", 53),
    select: "meta l4proto udp",
  },
  {
    tool: "nft",
    scenario: "dnat-masquerade",
    about: "The port of the host that leads to the server, with nft's words.",
    setUp: [
      "nft 'table ip nat { chain pre { type nat hook prerouting priority dstnat; tcp dport 8080 dnat to 198.51.100.2:80; }; chain post { type nat hook postrouting priority srcnat; oifname s0 masquerade; }; }'",
      "nft 'table inet fw { chain way { type filter hook forward priority 0; policy drop; ct status dnat accept; ct state established accept; }; }'",
    ],
    packets: tcp("192.0.2.1", 8080),
    serve: tcpServer(80),
    select: "meta l4proto tcp",
  },
  {
    tool: "nft",
    scenario: "ip6-verdict-map",
    about: "A verdict map of an inet table sends IPv6 to a chain of its own, which drops it.",
    setUp: [
      "nft 'table inet fw { chain dns { counter drop; }; chain way { type filter hook forward priority 0; meta l4proto ipv6-icmp accept; udp dport vmap { 53 : jump dns, 123 : accept }; }; }'",
    ],
    packets: udp("2001:db8:2::2", 53, "hello", "udp6"),
    select: "meta l4proto udp",
  },
  {
    tool: "xtables-monitor",
    scenario: "input-drop",
    about: "iptables that writes nftables rules, traced with its own tool.",
    setUp: [
      "iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT",
      "iptables-nft -A INPUT -p tcp --dport 23 -m comment --comment 'no telnet' -j DROP",
    ],
    packets: tcp("192.0.2.1", 23),
    select: "-p tcp",
  },
];

const wanted = process.argv.slice(2);
for (const recipe of CASES) {
  const name = `linux-${release().split(".").slice(0, 2).join(".")}-${recipe.tool}-${recipe.scenario}`;
  if (wanted.length > 0 && !wanted.some((word) => name.includes(word))) continue;
  await inFreshNamespaces(() => record(name, recipe));
}

/** @param {() => Promise<void>} work */
async function inFreshNamespaces(work) {
  const names = [CLIENT, HOST, SERVER];
  for (const name of names) execFileSync("ip", ["netns", "add", name]);
  try {
    ip(`link add c0 netns ${HOST} type veth peer name eth0 netns ${CLIENT}`);
    ip(`link add s0 netns ${HOST} type veth peer name eth0 netns ${SERVER}`);
    wire(CLIENT, "eth0", "192.0.2.2/24", "2001:db8:1::2/64");
    wire(HOST, "c0", "192.0.2.1/24", "2001:db8:1::1/64");
    wire(HOST, "s0", "198.51.100.1/24", "2001:db8:2::1/64");
    wire(SERVER, "eth0", "198.51.100.2/24", "2001:db8:2::2/64");
    for (const [name, v4, v6] of [
      [CLIENT, "192.0.2.1", "2001:db8:1::1"],
      [SERVER, "198.51.100.1", "2001:db8:2::1"],
    ]) {
      ip(`-n ${name} route add default via ${v4}`);
      ip(`-n ${name} -6 route add default via ${v6}`);
    }
    inside(HOST, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    await sleep(300);
    await work();
  } finally {
    for (const name of names) execFileSync("ip", ["netns", "del", name]);
  }
}

/** @param {string} netns @param {string} link @param {string} v4 @param {string} v6 */
function wire(netns, link, v4, v6) {
  ip(`-n ${netns} link set lo up`);
  // Duplicate address detection would keep IPv6 from working for a second.
  inside(netns, `sysctl -qw net.ipv6.conf.${link}.accept_dad=0`);
  ip(`-n ${netns} addr add ${v4} dev ${link}`);
  ip(`-n ${netns} addr add ${v6} dev ${link} nodad`);
  ip(`-n ${netns} link set ${link} up`);
}

/** @param {string} name @param {Case} recipe */
async function record(name, recipe) {
  for (const command of recipe.setUp) inside(HOST, command);
  const tracing = tracingCommands(recipe);
  const before = readFileSync(ALL_NETNS, "utf8");
  writeFileSync(ALL_NETNS, "1");
  try {
    for (const command of tracing) inside(HOST, command);
    const began = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    const listener = listen(recipe);
    await sleep(600);
    const server = recipe.serve === undefined ? null : background(SERVER, recipe.serve);
    if (server !== null) await new Promise((resolve) => server.stdout?.once("data", resolve));
    execFileSync("nsenter", [
      `--net=/run/netns/${recipe.from ?? CLIENT}`,
      process.execPath,
      "-e",
      recipe.packets,
    ]);
    await sleep(400);
    server?.kill();
    const trace = recipe.tool === "legacy" ? kernelLog(began) : listener();
    if (trace.trim() === "") throw new Error(`${name}: nothing was traced`);
    const directory = join(projectRoot, "test", "cases", name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, traceName(recipe)), trace);
    writeFileSync(join(directory, "rules.txt"), rules(recipe));
    writeFileSync(join(directory, "case.md"), caseText(recipe, tracing));
    console.log(`${name}: ${trace.trimEnd().split("\n").length} lines`);
  } finally {
    writeFileSync(ALL_NETNS, before);
  }
}

/** @param {Case} recipe */
function traceName({ tool }) {
  return tool === "legacy" ? "kernel.log" : "trace.txt";
}

/** @param {Case} recipe @returns {string[]} */
function tracingCommands({ tool, select }) {
  switch (tool) {
    case "legacy":
      return ["2=nf_log_ipv4", "10=nf_log_ipv6"]
        .map((logger) => `sysctl -qw net.netfilter.nf_log.${logger}`)
        .concat(
          ["iptables-legacy", "ip6tables-legacy"].flatMap((program) =>
            ["PREROUTING", "OUTPUT"].map((chain) => `${program} -t raw -A ${chain} ${select} -j TRACE`),
          ),
        );
    case "nft":
      return [
        `nft 'table inet tracer { chain pre { type filter hook prerouting priority -350; ${select} meta nftrace set 1; }; chain out { type filter hook output priority -350; ${select} meta nftrace set 1; }; }'`,
      ];
    case "xtables-monitor":
      return ["PREROUTING", "OUTPUT"].map((chain) => `iptables-nft -t raw -A ${chain} ${select} -j TRACE`);
  }
}

/** Starts the tool that prints; the returned function ends it and gives what it printed. @param {Case} recipe */
function listen({ tool }) {
  if (tool === "legacy") return () => "";
  const command = tool === "nft" ? ["nft", "monitor", "trace"] : ["xtables-monitor", "--trace"];
  const child = spawn("nsenter", [`--net=/run/netns/${HOST}`, ...command], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
  });
  return () => {
    child.kill();
    return text;
  };
}

/** Lines of the kernel log since a moment. @param {number} began seconds since boot */
function kernelLog(began) {
  const lines = execFileSync("dmesg", { encoding: "utf8", maxBuffer: 1 << 28 }).split("\n");
  const ours = lines.filter(
    (line) => Number(/^\[\s*([\d.]+)\]/.exec(line)?.[1] ?? 0) >= began && line.includes("IN="),
  );
  return `${ours.join("\n")}\n`;
}

/** @param {Case} recipe */
function rules({ tool }) {
  if (tool === "nft") return inside(HOST, "nft -a list ruleset");
  const flavour = tool === "legacy" ? "legacy" : "nft";
  return inside(HOST, `iptables-${flavour}-save -c`) + inside(HOST, `ip6tables-${flavour}-save -c`);
}

/** @param {Case} recipe @param {readonly string[]} tracing */
function caseText({ tool, scenario, about, setUp, select }, tracing) {
  const version = inside(HOST, tool === "nft" ? "nft --version" : "iptables-legacy --version").trim();
  return `# ${tool}: ${scenario}

${about}

Linux ${release()}, ${version}. client 192.0.2.2 ── 192.0.2.1 host 198.51.100.1 ── 198.51.100.2 server, and the same with
2001:db8:1:: and 2001:db8:2::. Recorded by \`scripts/record-cases.js\` in the host's namespace${select === "" ? "" : `, selecting \`${select}\``}:

\`\`\`
${[...setUp, ...tracing].join("\n")}
\`\`\`
`;
}

/** @param {string} netns @param {string} code */
function background(netns, code) {
  return spawn("nsenter", [`--net=/run/netns/${netns}`, process.execPath, "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** @param {string} words */
function ip(words) {
  execFileSync("ip", words.split(" "));
}

/** @param {string} netns @param {string} command */
function inside(netns, command) {
  return execFileSync("nsenter", [`--net=/run/netns/${netns}`, "sh", "-c", command], { encoding: "utf8" });
}
