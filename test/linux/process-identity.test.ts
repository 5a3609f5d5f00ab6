/** Whether processes of others can be seen in /proc, as its mount says. */
import { expect, test } from "vitest";
import { hidesProcesses } from "../../src/linux/process-identity.ts";

test.each([
  ["rw", false],
  ["rw,hidepid=0", false],
  ["rw,hidepid=off", false],
  ["rw,gid=4,hidepid=2", true],
  ["rw,hidepid=invisible", true],
  ["rw,hidepid=ptraceable,subset=pid", true],
])("/proc mounted %s", (options, hides) => {
  const others = "30 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n";
  expect(hidesProcesses(`${others}22 30 0:21 / /proc rw,nosuid shared:5 - proc proc ${options}\n`)).toBe(
    hides,
  );
});
