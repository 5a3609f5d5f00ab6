// @ts-check
// The first root file system of a test machine: busybox, the modules that reach the second one, and init.sh.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { SetupRefused } from "../setup/say.js";

/** @import { Kernel } from "./kernel.js" */

const HERE = dirname(fileURLToPath(import.meta.url));
/** Those a kernel has built in are in no list of modules and need no loading. */
const WANTED = ["virtio_pci", "virtiofs", "overlay"];

/**
 * The archive for a kernel. The settings are shell variables for init.sh.
 * @param {Kernel} kernel
 * @param {string} busybox path of a static one
 * @param {Readonly<Record<string, string>>} settings
 */
export function initramfs(kernel, busybox, settings) {
  const modules = inLoadOrder(readFileSync(join(kernel.modules, "modules.dep"), "utf8"), WANTED);
  const names = modules.map((path) => basename(path).replace(/\.ko.*$/, ".ko"));
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name}='${value.replaceAll("'", "'\\''")}'\n`,
  );
  return cpioArchive([
    { name: "bin", mode: 0o040755 },
    { name: "modules", mode: 0o040755 },
    { name: "bin/busybox", mode: 0o100755, data: readFileSync(busybox) },
    { name: "init", mode: 0o100755, data: readFileSync(join(HERE, "guest", "init.sh")) },
    { name: "settings", mode: 0o100644, data: Buffer.from(lines.join("")) },
    { name: "modules/order", mode: 0o100644, data: Buffer.from(names.map((name) => `${name}\n`).join("")) },
    ...modules.map((path, index) => ({
      name: `modules/${names[index]}`,
      mode: 0o100644,
      data: readModule(join(kernel.modules, path)),
    })),
  ]);
}

/**
 * The modules to load, each after those it needs.
 * @param {string} dependencies `modules.dep`: `a.ko: b.ko c.ko`, what is needed first last
 * @param {readonly string[]} wanted without path and ending
 * @returns {readonly string[]}
 */
export function inLoadOrder(dependencies, wanted) {
  const order = new Set();
  for (const name of wanted) {
    const line = dependencies
      .split("\n")
      .find((text) => basename(text.split(":")[0] ?? "").startsWith(`${name}.ko`));
    if (line === undefined) continue;
    const [path = "", needs = ""] = line.split(":");
    for (const needed of needs.split(" ").filter(Boolean).toReversed()) order.add(needed);
    order.add(path);
  }
  return [...order];
}

/** busybox's insmod does not unpack. @param {string} path */
function readModule(path) {
  if (path.endsWith(".ko")) return readFileSync(path);
  if (!path.endsWith(".ko.xz")) throw new SetupRefused(`${path} is packed in a way that is not known here`);
  return execFileSync("xz", ["--decompress", "--stdout", path], { maxBuffer: 64 * 1024 * 1024 });
}

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {number} mode file type and permissions
 * @property {Buffer} [data]
 */

/**
 * A "newc" cpio archive, which the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst): a header of
 * hexadecimal words, the name and the data, each filled up to four bytes.
 * @param {readonly Entry[]} entries
 */
export function cpioArchive(entries) {
  const parts = [];
  for (const [index, { name, mode, data = Buffer.alloc(0) }] of [
    ...entries,
    { name: "TRAILER!!!", mode: 0 },
  ].entries()) {
    const fields = [index + 1, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
    parts.push(filled(Buffer.from(header, "latin1")), filled(data));
  }
  return Buffer.concat(parts);
}

/** @param {Buffer} bytes */
function filled(bytes) {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
