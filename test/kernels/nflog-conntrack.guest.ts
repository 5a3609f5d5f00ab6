/**
 * Legacy iptables' steps carry their packet's connection where the kernel can attach it to what it logs over netlink. nft's
 * trace has none before Linux 6.16: there conntrack is asked.
 */
import { expect, it } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { nfpath } from "../support/cli.ts";
import { addNetns, deleteNetns, shell } from "../support/namespaces.ts";

const NETNS = "glue";

const SENDING = `const s=require("dgram").createSocket("udp4");s.bind(4444,()=>s.send("hi",99,"127.0.0.1",()=>s.close()))`;

/** The journey of one datagram, and the id of its connection as conntrack lists it. */
async function trace(rules: string, ...words: readonly string[]) {
  await addNetns(NETNS);
  try {
    await shell(rules, NETNS);
    const { status, stdout } = await nfpath([
      ...["trace", "udp", "--netns", NETNS, "--format", "jsonl", ...words, "--"],
      ...["ip", "netns", "exec", NETNS, process.execPath, "-e", SENDING],
    ]);
    expect(status).toBe(0);
    const [journey] = stdout
      .split("\n")
      .filter((line) => line.includes('"nfpath/journey@'))
      .map((line): JourneyContract => JSON.parse(line));
    const listed = await shell("conntrack -L -p udp --orig-port-src 4444 -o id", NETNS);
    return { journey, id: Number(/ id=(\d+)/.exec(listed)?.[1]) };
  } finally {
    await deleteNetns(NETNS);
  }
}

it("a journey through legacy tables has conntrack's id, direction, state and status", async () => {
  const { journey, id } = await trace(
    `iptables-legacy -t raw -S
     iptables-legacy -t nat -A OUTPUT -p udp --dport 99 -j DNAT --to-destination 127.0.0.1:9999
     iptables-legacy -A INPUT -m conntrack --ctstate NEW -j ACCEPT`,
  );
  expect(journey?.conntrack).toMatchObject({ id, direction: "original", state: "new" });
  expect(journey?.conntrack?.status).toEqual(expect.arrayContaining(["dnat", "dnat-done"]));
});

it("a journey through nft's has id, direction and status with --conntrack, and nothing without", async () => {
  const rules =
    "nft 'table inet fw { chain in { type filter hook input priority 0; ct state new udp dport 99 accept; }; }'";
  const { journey, id } = await trace(rules, "--conntrack");
  expect(journey?.conntrack).toMatchObject({ id, direction: "original", state: null });
  expect(journey?.conntrack?.status).toContain("confirmed");
  expect((await trace(rules)).journey?.conntrack).toBeNull();
});
