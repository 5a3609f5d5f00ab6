#!/usr/bin/env node
// @ts-check
// Makes the recordings in examples/: the article's experiment as it was done by hand, in the lab, with the real
// tools. Run as root after a build, when the lab has changed: `node scripts/record-example.js`.
//
// The one setting of the host that it changes is net.netfilter.nf_log_all_netns (without it the kernel does not
// log for other namespaces than the first), and it puts that back.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

import { projectRoot } from "./setup.js";

/** @import { Lab } from "../src/lab/docker-udp.ts" */

/** Of three requests and their answers; only the first request asks nat. */
const LEGACY_LINES = 12 + 8 + 9 + 8 + 9 + 8;
const ALL_NETNS = "/proc/sys/net/netfilter/nf_log_all_netns";

/** @type {typeof import("../src/lab/docker-udp.ts")} */
const { labUp } = await import(pathToFileURL(join(projectRoot, "dist", "lab", "docker-udp.js")).href);

await withLab("legacy", recordLegacy);
await withLab("nft", recordNft);

/**
 * @param {"legacy" | "nft"} backend
 * @param {(lab: Lab) => Promise<void>} record
 */
async function withLab(backend, record) {
  const lab = await labUp({ backend });
  if (!lab.ok) throw new Error(`${lab.error.message}: ${lab.error.hint}`);
  try {
    await record(lab.value);
  } finally {
    await lab.value.down();
  }
}

/** The kernel log, and the rules as iptables-legacy-save shows them. @param {Lab} lab */
async function recordLegacy(lab) {
  const forwarder = lab.namespaces.forwarder;
  const commands = [
    ["sysctl", "-w", "net.netfilter.nf_log.2=nf_log_ipv4"],
    ["iptables-legacy", "-t", "raw", "-A", "OUTPUT", "-p", "udp", "-j", "TRACE"],
    ["iptables-legacy", "-t", "raw", "-A", "PREROUTING", "-p", "udp", "-j", "TRACE"],
  ];
  const before = readFileSync(ALL_NETNS, "utf8");
  writeFileSync(ALL_NETNS, "1");
  try {
    for (const command of commands) inside(forwarder, command);
    const began = secondsSinceBoot(dmesg().at(-1) ?? "");
    await exchange(lab);
    await sleep(200);
    const lines = dmesg().filter(
      (line) => line.includes(" TRACE: ") && line.includes("203.0.113.113") && secondsSinceBoot(line) > began,
    );
    if (lines.length !== LEGACY_LINES)
      throw new Error(`${lines.length} lines in the log: was it overwritten? Try again`);
    const rules = inside(forwarder, ["iptables-legacy-save", "-c"]);
    write("docker-udp", {
      "trace.log": `${lines.join("\n")}\n`,
      "iptables-save.txt": rules,
      "README.md": readme(
        "The article's experiment, recorded as it was done: the kernel log of iptables TRACE",
        [
          "Three UDP datagrams (1483, 1485 and 1498 bytes) from 203.0.113.113 to the published port 10370 of a Docker",
          "host, answered by an echo server in the container at 172.18.0.2. Made by `scripts/record-example.js` in the",
          "lab `nfpath lab docker-udp up --backend legacy`, with net.netfilter.nf_log_all_netns=1 in the first namespace",
          "(or the kernel logs nothing for others), by these commands in the forwarder's:",
        ],
        [...commands, ["dmesg", ">", "trace.log"], ["iptables-legacy-save", "-c", ">", "iptables-save.txt"]],
        ["iptables-legacy --version"],
        "nfpath explain trace.log iptables-save.txt",
      ),
    });
    console.log(`examples/docker-udp: ${lines.length} lines`);
  } finally {
    writeFileSync(ALL_NETNS, before);
  }
}

/** What `nft monitor trace` prints, and the rules as nft and as iptables-nft-save show them. @param {Lab} lab */
async function recordNft(lab) {
  const forwarder = lab.namespaces.forwarder;
  const commands = [
    ["iptables-nft", "-t", "raw", "-A", "OUTPUT", "-p", "udp", "-j", "TRACE"],
    ["iptables-nft", "-t", "raw", "-A", "PREROUTING", "-p", "udp", "-j", "TRACE"],
  ];
  for (const command of commands) inside(forwarder, command);
  const monitor = spawn("nsenter", [`--net=/run/netns/${forwarder}`, "nft", "monitor", "trace"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let trace = "";
  monitor.stdout.setEncoding("utf8").on("data", (text) => {
    trace += text;
  });
  // nft does not say when it listens.
  await sleep(500);
  await exchange(lab);
  await sleep(500);
  monitor.kill();
  const ruleset = inside(forwarder, ["nft", "-a", "list", "ruleset"]);
  const rules = inside(forwarder, ["iptables-nft-save", "-c"]);
  write("docker-udp-nft", {
    "trace.txt": trace,
    "ruleset.nft": ruleset,
    "iptables-nft-save.txt": rules,
    "README.md": readme(
      "The same experiment where iptables writes nftables rules, recorded with nft monitor trace",
      [
        "The three datagrams of `../docker-udp`, on a host whose iptables is the nft variant. Made by",
        "`scripts/record-example.js` in the lab `nfpath lab docker-udp up --backend nft`, by these commands in the",
        "forwarder's namespace:",
      ],
      [
        ...commands,
        ["nft", "monitor", "trace", ">", "trace.txt"],
        ["nft", "-a", "list", "ruleset", ">", "ruleset.nft"],
        ["iptables-nft-save", "-c", ">", "iptables-nft-save.txt"],
      ],
      ["iptables-nft --version", "nft --version"],
      "nfpath explain trace.txt ruleset.nft",
    ),
  });
  console.log(`examples/docker-udp-nft: ${trace.split("\n").length - 1} lines`);
}

/** @param {Lab} lab */
async function exchange(lab) {
  const result = await lab.runExchange();
  if (!result.ok) throw new Error(result.error.message);
  if (!result.value.echoes.every(({ isSame }) => isSame)) {
    throw new Error(`an echo is missing: ${JSON.stringify(result.value)}`);
  }
}

/** @param {string} namespace @param {readonly string[]} command */
function inside(namespace, command) {
  return execFileSync("nsenter", [`--net=/run/netns/${namespace}`, ...command], { encoding: "utf8" });
}

function dmesg() {
  return execFileSync("dmesg", { encoding: "utf8", maxBuffer: 1 << 28 })
    .split("\n")
    .slice(0, -1);
}

/** Of a line of dmesg: `[ 2313.390790] …`. @param {string} line */
function secondsSinceBoot(line) {
  return Number(/^\[ *(\d+\.\d+)\]/.exec(line)?.[1] ?? 0);
}

/** @param {string} example @param {Readonly<Record<string, string>>} files */
function write(example, files) {
  const directory = join(projectRoot, "examples", example);
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
}

/**
 * @param {string} title
 * @param {readonly string[]} introduction
 * @param {readonly (readonly string[])[]} commands
 * @param {readonly string[]} versionCommands
 * @param {string} use
 */
function readme(title, introduction, commands, versionCommands, use) {
  const versions = versionCommands.map((command) => {
    const [program = "", ...args] = command.split(" ");
    return execFileSync(program, args, { encoding: "utf8" }).trim();
  });
  return [
    `# ${title}`,
    "",
    ...introduction,
    "",
    ...commands.map((command) => `    ${command.join(" ")}`),
    "",
    `Linux ${release().split("-")[0]}, ${versions.join(", ")}.`,
    "",
    `Read it with \`${use}\`.`,
    "",
  ].join("\n");
}
