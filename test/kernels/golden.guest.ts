/**
 * The netlink messages of test/core/events/netlink/golden, caught anew from this machine's kernel: they are decoded to the
 * same words. The messages are kept, see guest/run.sh.
 */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { datagrams, decode, inWords } from "../core/events/netlink/golden-words.ts";
import { root } from "../support/cli.ts";
import { shell } from "../support/namespaces.ts";

const DIRECTORY = "test/core/events/netlink/golden";
const NAMES = ["udp-ipv4", "udp-ipv6", "tcp-ipv4"];
/** Without what the kernel sends when it likes: a router is asked for, listeners of multicast are told. */
const inAllWords = (name: string) =>
  decode(datagrams(name))
    .map((event) => withoutPort(inWords(event)))
    .filter((words) => !words.includes("> ff02:"));
const committed = new Map(NAMES.map((name) => [name, inAllWords(name)]));

beforeAll(async () => {
  await shell(`modprobe nfnetlink_log; cd ${root} && ${process.execPath} ${DIRECTORY}/capture.js`);
  for (const name of [...NAMES, "links"]) {
    cpSync(join(root, DIRECTORY, `${name}.hex`), `/run/kept/golden/${name}.hex`, { recursive: true });
  }
});

it.each(NAMES)("%s", (name) => {
  expect(inAllWords(name)).toEqual(committed.get(name));
});

/** The sender's port is the kernel's choice. */
function withoutPort(words: string): string {
  return words.replace(/:\d+ > /, ": > ");
}
