// @ts-check
// What the live parts, and beyond them the tests, need of the system. Only apt is driven, only as root, and only for what is missing; on any
// other machine the missing programs are named and set-up goes on, since explaining files needs none of them.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

import { lastLines, run } from "./run.js";
import { say } from "./say.js";

/**
 * @typedef {object} SystemPackage
 * @property {string} name Debian's name
 * @property {readonly string[]} programs what we need of it
 * @property {string} purpose
 */

/** @type {readonly SystemPackage[]} */
export const SYSTEM_PACKAGES = [
  {
    name: "iptables",
    programs: ["iptables-legacy-restore", "iptables-nft-restore"],
    purpose: "iptables rules, of both kinds",
  },
  {
    name: "nftables",
    programs: ["nft"],
    purpose: "nftables rules, and the mark that makes a packet traceable",
  },
  { name: "iproute2", programs: ["ip"], purpose: "the lab's links, addresses and namespaces" },
  { name: "tcpdump", programs: ["tcpdump"], purpose: "filters as bytecode, and captures" },
];

/**
 * What the tests judge by besides: other people's programs, and shells that hosts have.
 * @type {readonly SystemPackage[]}
 */
export const TEST_PACKAGES = [
  ...SYSTEM_PACKAGES,
  { name: "conntrack", programs: ["conntrack"], purpose: "tests: the second opinion on connections" },
  { name: "gcc", programs: ["cc"], purpose: "tests: a sender of packets that carry their names" },
  { name: "libc6-dev", programs: ["cc"], purpose: "tests: the same" },
  {
    name: "bpftrace",
    programs: ["bpftrace"],
    purpose: "tests: what the kernel says of the packets it drops",
  },
  { name: "ipset", programs: ["ipset"], purpose: "labs: a set of addresses in a legacy rule" },
  { name: "busybox", programs: ["busybox"], purpose: "tests: the shell of small hosts" },
  {
    name: "shellcheck",
    programs: ["shellcheck"],
    purpose: "tests: the second opinion on the printed script",
  },
];

/** dpkg waits for another apt by itself; apt's lock on its lists does not, and says this. */
const LISTS_ARE_LOCKED = /Could not get lock .*lists/;
const LOCK_PATIENCE_S = 120;

/**
 * Those packages of which a program is not on this machine; none off Linux, where nothing of them would help.
 * @param {readonly SystemPackage[]} wanted
 * @param {string} [path] a search path as in the environment; the administrator's directories are added
 * @returns {readonly SystemPackage[]}
 */
export function missingSystemPackages(wanted, path = process.env.PATH ?? "") {
  if (process.platform !== "linux") return [];
  const directories = [...path.split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  return wanted.filter(
    ({ programs }) =>
      !programs.every((program) => directories.some((directory) => existsSync(join(directory, program)))),
  );
}

/**
 * Installs what is missing where that is possible, and otherwise says what is missing. Never throws for the
 * world's refusals: the rest of nfpath works without.
 * @param {readonly SystemPackage[]} missing
 */
export function installSystemPackages(missing) {
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name);
  if (process.getuid?.() !== 0) {
    say(
      `live tracing needs ${names.join(", ")}: as root, apt-get install ${names.join(" ")} (files can be explained without)`,
    );
    return;
  }
  if (!existsSync("/usr/bin/apt-get")) {
    say(
      `live tracing needs ${names.join(", ")}: install them with this system's package tool (files can be explained without)`,
    );
    return;
  }
  for (const { name, purpose } of missing) say(`installing the system package ${name} with apt: ${purpose}`);
  const result = aptInstall(names);
  if (result.ok) return;
  say(
    `apt could not install ${names.join(", ")}; mend that and run this again. Going on without. ` +
      `apt said:\n${lastLines(complaints(result.output))}`,
  );
}

/**
 * Installs Debian packages; the caller has said so.
 * @param {readonly string[]} names
 */
export function aptInstall(names) {
  const install = () => aptGet(["install", "--yes", "--no-install-recommends", ...names]);
  // With lists from an earlier update the first try succeeds and saves the slow part; a fresh image has none.
  const first = install();
  if (first.ok) return first;
  const update = updateLists();
  return update.ok ? install() : update;
}

/** apt's lists of packages, renewed. */
export function updateLists() {
  const deadline = Date.now() + LOCK_PATIENCE_S * 1_000;
  for (;;) {
    const result = aptGet(["update"]);
    if (result.ok || !LISTS_ARE_LOCKED.test(result.output) || Date.now() > deadline) return result;
    pause(2_000);
  }
}

/** @param {readonly string[]} args */
function aptGet(args) {
  return run(
    "apt-get",
    [
      "--quiet",
      `--option=DPkg::Lock::Timeout=${LOCK_PATIENCE_S}`,
      "--option=Acquire::Retries=2",
      "--option=Acquire::http::Timeout=30",
      "--option=Acquire::https::Timeout=30",
      // `update` otherwise succeeds without a network, with a warning.
      "--option=APT::Update::Error-Mode=any",
      ...args,
    ],
    { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" } },
  );
}

/** What apt calls errors, where it calls anything so. @param {string} output */
function complaints(output) {
  return output.match(/^E: .*$/gm)?.join("\n") ?? output;
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
