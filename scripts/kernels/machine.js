// @ts-check
// One emulated machine, from power to power off. Two processes: virtiofsd shows it this machine's root file system, and QEMU
// is the machine. Both die with this process, however it ends.
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { SetupRefused } from "../setup/say.js";
import { findVirtiofsd } from "./requirements.js";

const MEGABYTES = 3072;
const SOCKET_WAIT_MS = 10_000;

/**
 * One processor, and a clock that counts instructions (a nanosecond each) while it computes: on a busy host the machine is
 * slow, but does not notice, so that time limits inside mean what they mean on real machines. Emulation is ten times slower
 * than that clock.
 */
const PROCESSOR = ["-accel", "tcg", "-cpu", "max", "-smp", "1", "-icount", "shift=0,sleep=on"];

/**
 * @typedef {object} MachineOptions
 * @property {string} directory for sockets and logs
 * @property {string} image the kernel
 * @property {string} initramfs path
 * @property {string} console path of the file that takes what the console says
 * @property {(line: string) => void} onLine what the second serial line says
 * @property {number} bootMinutes until its first line
 * @property {number} minutes until it is off
 */

/**
 * Runs a machine until it is off.
 * @param {MachineOptions} options
 * @returns {Promise<string | null>} why it had to be ended, or null when it went off by itself
 */
export async function runMachine(options) {
  const { directory } = options;
  const socket = join(directory, "virtiofs.socket");
  /** @type {import("node:child_process").ChildProcess[]} */
  const children = [];
  /** @param {string} program @param {readonly string[]} args @param {string} log */
  const start = (program, args, log) => {
    const out = openSync(join(directory, log), "w");
    // setpriv: when this process is killed, the kernel kills them.
    const child = spawn("setpriv", ["--pdeathsig", "KILL", program, ...args], {
      stdio: ["ignore", "pipe", out],
    });
    closeSync(out);
    child.on("error", () => {});
    children.push(child);
    return child;
  };
  const killAll = () => {
    for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
  };
  process.on("exit", killAll);
  try {
    const { path, isRust } = findVirtiofsd();
    start(path, virtiofsdArguments(socket, isRust), "virtiofsd.log").stdout?.resume();
    for (let waited = 0; !existsSync(socket); waited += 50) {
      if (waited > SOCKET_WAIT_MS)
        throw new SetupRefused(`virtiofsd does not come up: ${join(directory, "virtiofsd.log")}`);
      await sleep(50);
    }
    return await watch(start("qemu-system-x86_64", qemuArguments(options, socket), "qemu.log"), options);
  } finally {
    killAll();
    process.off("exit", killAll);
  }
}

/**
 * @param {import("node:child_process").ChildProcess} qemu
 * @param {MachineOptions} options
 * @returns {Promise<string | null>}
 */
function watch(qemu, { onLine, bootMinutes, minutes }) {
  return new Promise((resolve) => {
    /** @type {string | null} */
    let why = null;
    /** @param {string} reason */
    const end = (reason) => {
      why ??= reason;
      qemu.kill("SIGKILL");
    };
    const boot = setTimeout(
      () => end(`it did not come up within ${bootMinutes} minutes`),
      bootMinutes * 60_000,
    );
    const whole = setTimeout(() => end(`it was not done within ${minutes} minutes`), minutes * 60_000);
    if (qemu.stdout === null) throw new Error("QEMU was started without a pipe");
    createInterface({ input: qemu.stdout }).on("line", (line) => {
      clearTimeout(boot);
      onLine(line);
    });
    qemu.once("error", (error) => end(error.message));
    qemu.once("close", (status) => {
      clearTimeout(boot);
      clearTimeout(whole);
      resolve(why ?? (status === 0 ? null : `QEMU ended with status ${status}`));
    });
  });
}

/** @param {string} socket @param {boolean} isRust */
function virtiofsdArguments(socket, isRust) {
  // A chroot is enough, since the machine runs our own tests; its other sandbox, pivot_root, fails on a ramfs. Without
  // cache=always each page of a program is asked for again whenever the program starts.
  return isRust
    ? [`--socket-path=${socket}`, "--shared-dir=/", "--sandbox=chroot", "--cache=always"]
    : [`--socket-path=${socket}`, "-o", "source=/", "-o", "sandbox=chroot", "-o", "cache=always"];
}

/** @param {MachineOptions} options @param {string} socket */
function qemuArguments({ image, initramfs, console }, socket) {
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-machine", "pc,memory-backend=memory", ...PROCESSOR, "-m", `${MEGABYTES}M`],
    ...["-object", `memory-backend-memfd,id=memory,size=${MEGABYTES}M,share=on`],
    ...[
      "-chardev",
      `socket,id=virtiofs,path=${socket}`,
      "-device",
      "vhost-user-fs-pci,chardev=virtiofs,tag=host",
    ],
    // The first serial line is the console, the second one ours.
    ...["-serial", `file:${console}`, "-serial", "stdio"],
    ...["-kernel", image, "-initrd", initramfs],
    // Guards against speculation cost much where each is emulated; `panic=-1` with -no-reboot: a panic ends QEMU at once.
    ...["-append", "console=ttyS0 panic=-1 mitigations=off no5lvl"],
  ];
}
