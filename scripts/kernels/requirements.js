// @ts-check
// What the machine that runs the test machines needs. As in set-up, only apt is driven, only as root, and it is said first.
import { existsSync } from "node:fs";

import { lastLines } from "../setup/run.js";
import { SetupRefused, say } from "../setup/say.js";
import { aptInstall } from "../setup/system-packages.js";

/** Where Debian 12 (part of QEMU, in C) and Debian 13 (a package of its own, in Rust) put it. */
const VIRTIOFSD = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"];

/** Debian's package, one file of it, and what it is for; the order is that of installing. */
const PACKAGES = [
  {
    name: "qemu-system-x86",
    files: ["/usr/bin/qemu-system-x86_64"],
    purpose: "the emulated machine",
  },
  {
    name: "virtiofsd",
    files: VIRTIOFSD,
    purpose: "this machine's root file system, seen from the emulated one",
  },
  {
    name: "kmod",
    files: ["/usr/sbin/modprobe", "/sbin/modprobe"],
    purpose: "the kernel's modules: their order here, and loading them there",
  },
  { name: "xz-utils", files: ["/usr/bin/xz"], purpose: "unpacking the kernel's modules" },
];

/** Installs what is missing; throws a `SetupRefused` that says what to do where that is not possible. */
export function meetRequirements() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new SetupRefused(
      "the kernels' tests share this machine's programs with an x86-64 one: run them there",
    );
  }
  if (process.getuid?.() !== 0) {
    throw new SetupRefused(
      "the kernels' tests share the whole root file system with a test machine: run them as root",
    );
  }
  // One by one: Debian 12 has no package virtiofsd, and has the program once QEMU is there.
  for (const { name, files, purpose } of PACKAGES) {
    if (files.some((file) => existsSync(file))) continue;
    say(`installing the system package ${name} with apt: ${purpose}`);
    const { ok, output } = aptInstall([name]);
    if (!ok) throw new SetupRefused(`apt could not install ${name}; apt said:\n${lastLines(output)}`);
    if (!files.some((file) => existsSync(file))) {
      throw new SetupRefused(`the package ${name} has brought none of ${files.join(", ")}`);
    }
  }
}

/** @returns {{ path: string, isRust: boolean }} */
export function findVirtiofsd() {
  const path = VIRTIOFSD.find((candidate) => existsSync(candidate));
  if (path === undefined) throw new SetupRefused(`none of ${VIRTIOFSD.join(", ")} is there`);
  return { path, isRust: path.startsWith("/usr/libexec/") };
}
