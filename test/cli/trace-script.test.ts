import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { nfpath } from "../support/cli.ts";

test("--print-script prints a script on standard output, and nothing else", async () => {
  const { status, stdout, stderr } = await nfpath([
    "trace",
    "--print-script",
    "--for",
    "2m",
    "host 192.0.2.1",
  ]);
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^#!\/bin\/sh\n/);
  expect(stdout).toContain("\nseconds=120\n");
  expect(spawnSync("sh", ["-n"], { input: stdout, encoding: "utf8" })).toMatchObject({
    status: 0,
    stderr: "",
  });
});

test.each([
  [["--netns", "router", "udp"], /takes no --netns; start the script where the packets are/],
  [["udp", "--", "true"], /takes no command behind --; start the script/],
  [["udp prot 53"], /filter:/],
  [["arp"], /no IPv4 or IPv6 packet can match it/],
  [["--rate", "0"], /--rate are at least 1/],
] as const)("%j is refused with status 2", async (words, why) => {
  const { status, stdout, stderr } = await nfpath(["trace", "--print-script", ...words]);
  expect([status, stdout, stderr]).toEqual([2, "", expect.stringMatching(why)]);
  expect(stderr.trim()).not.toContain("\n");
});
