/** The parts of `npm run test:kernels` that need no machine: packages, order of modules, the archive, the results. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

import { newestOf } from "../../scripts/kernels/debian-package.js";
import { cpioArchive, inLoadOrder } from "../../scripts/kernels/initramfs.js";
import { packagePattern } from "../../scripts/kernels/kernel.js";
import { Results } from "../../scripts/kernels/results.js";
import { CHOICES, LEFT_OUT, namePattern, TESTS } from "../../scripts/kernels/tests.js";
import { root } from "../support/cli.ts";

describe("the package of a kernel", () => {
  const names = [
    "linux-image-6.1.0-9-cloud-amd64",
    "linux-image-6.1.0-56-cloud-amd64",
    "linux-image-6.1.0-57-cloud-amd64-dbg",
    "linux-image-6.1.0-57-cloud-amd64-unsigned",
    "linux-image-6.12-cloud-amd64",
    "linux-image-6.12.99+deb12-cloud-amd64",
    "linux-image-6.12.117+deb12-cloud-amd64",
    "linux-image-6.12.200+deb12-amd64",
    "linux-image-cloud-amd64",
  ];

  it.each([
    ["6.1", "linux-image-6.1.0-56-cloud-amd64"],
    ["6.12", "linux-image-6.12.117+deb12-cloud-amd64"],
    ["6", "linux-image-6.12.117+deb12-cloud-amd64"],
    ["5.10", null],
  ])("of the series %s is %s", (series, name) => {
    expect(newestOf(names, packagePattern(series))).toBe(name);
  });
});

describe("the order of modules", () => {
  const dependencies = [
    "kernel/fs/fuse/virtiofs.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko kernel/fs/fuse/fuse.ko",
    "kernel/drivers/virtio/virtio_pci.ko.xz: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko",
    "kernel/drivers/virtio/virtio_pci_modern_dev.ko:",
    "",
  ].join("\n");

  it("puts each after those it needs, once, and leaves out what is built in", () => {
    expect(inLoadOrder(dependencies, ["virtio_pci", "virtiofs", "overlay"])).toEqual([
      "kernel/drivers/virtio/virtio_ring.ko",
      "kernel/drivers/virtio/virtio.ko",
      "kernel/drivers/virtio/virtio_pci.ko.xz",
      "kernel/fs/fuse/fuse.ko",
      "kernel/fs/fuse/virtiofs.ko",
    ]);
  });
});

describe("the initramfs", () => {
  const archive = cpioArchive([
    { name: "bin", mode: 0o040755 },
    { name: "bin/one", mode: 0o100755, data: Buffer.from("#!/bin/sh\n") },
    { name: "two", mode: 0o100644 },
  ]);

  it("is whole words of four bytes, entry after entry, and has an end", () => {
    expect(archive.length % 4).toBe(0);
    expect(archive.toString("latin1", 0, 6)).toBe("070701");
    expect(archive.toString("latin1").match(/070701/g)).toHaveLength(4);
    expect(archive.toString("latin1")).toContain("TRAILER!!!\0");
  });

  const cpio = ["cpio", "busybox"].find((program) => spawnSync(program, ["--help"]).status === 0);
  it.skipIf(cpio === undefined)("is listed by cpio as it was made (needs cpio or busybox)", () => {
    const words = cpio === "busybox" ? ["cpio", "-t"] : ["--list", "--quiet"];
    const listed = spawnSync(cpio ?? "", words, { input: archive, encoding: "utf8" });
    expect([listed.status, listed.stdout]).toEqual([0, "bin\nbin/one\ntwo\n"]);
  });
});

describe("the tests of a machine", () => {
  it("are all live ones, but for those with a reason", () => {
    const live = readdirSync(join(root, "test/live")).filter((name) => name.endsWith(".live.test.ts"));
    const named = [...TESTS, ...Object.keys(LEFT_OUT)].filter((file) => file.startsWith("test/live/"));
    expect(named.toSorted()).toEqual(live.map((name) => `test/live/${name}`).toSorted());
    expect(TESTS).toEqual(expect.arrayContaining(Object.keys(CHOICES)));
  });

  it.each([
    ["a live trace of legacy rules shows every step", true],
    ["a trace by nft that ends by SIGINT tracing", true],
    ["a trace by nft that ends by SIGTERM before", false],
    ["the printed script by dash collects with nothing but nft", true],
    ["the printed script by busybox sh collects with nothing but nft", false],
  ])("%s: %s", (name, isChosen) => {
    expect(namePattern().test(name)).toBe(isChosen);
  });
});

describe("the results of a machine", () => {
  const said: string[] = [];
  const results = (...lines: string[]) => {
    said.length = 0;
    const all = new Results((line) => said.push(line));
    for (const line of lines) all.take(line);
    return all;
  };
  const test = (state: string, errors: string[] = []) =>
    JSON.stringify({ event: "test", name: "a > b", state, ms: 12.4, errors });

  it("are counted, and failures told with their reason", () => {
    const all = results(test("passed"), test("failed", ["not\nso"]), test("skipped"), '{"event":"end"}');
    all.close(null);
    expect(all.counts).toEqual({ passed: 1, failed: 1, skipped: 1 });
    expect(said).toEqual(["  ✓ a > b  12 ms", "  ✗ a > b  12 ms", "      not\n      so", "  - a > b"]);
  });

  it("bring what the tests recorded", () => {
    const all = results(JSON.stringify({ event: "kept", tar: Buffer.from("a tar").toString("base64") }));
    expect(all.kept?.toString()).toBe("a tar");
  });

  it("survive what the firmware and the kernel say on the same line", () => {
    const all = results(
      "SeaBIOS (version 1.16)",
      `\u001bc\u001b[?7l${test("passed")}`,
      '{"event":"te',
      '{"event":"end"}',
    );
    all.close(null);
    expect(all.counts).toEqual({ passed: 1, failed: 0, skipped: 0 });
  });

  it.each([
    [
      "a machine that had to be ended",
      [test("passed"), '{"event":"end"}'],
      "it did not come up within 1 minutes",
    ],
    ["a machine that went off too early", [test("passed")], null],
    ["a machine where no test ran", ['{"event":"end"}'], null],
  ])("of %s are a failure", (_, lines, why) => {
    const all = results(...lines);
    all.close(why);
    expect(all.counts.failed).toBe(1);
  });
});
