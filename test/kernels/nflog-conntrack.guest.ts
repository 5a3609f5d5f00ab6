/** Legacy iptables' steps carry their packet's connection where the kernel can attach it to what it logs over netlink. */
import { expect, it } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { nfpath } from "../support/cli.ts";
import { addNetns, deleteNetns, shell } from "../support/namespaces.ts";

const NETNS = "glue";

it("the journey has conntrack's id, direction, state and status", async () => {
  await addNetns(NETNS);
  try {
    await shell(
      `iptables-legacy -t raw -S
       iptables-legacy -t nat -A OUTPUT -p udp --dport 99 -j DNAT --to-destination 127.0.0.1:9999
       iptables-legacy -A INPUT -m conntrack --ctstate NEW -j ACCEPT`,
      NETNS,
    );
    const code = `const s=require("dgram").createSocket("udp4");s.bind(4444,()=>s.send("hi",99,"127.0.0.1",()=>s.close()))`;
    const { status, stdout } = await nfpath([
      ...["trace", "udp", "--netns", NETNS, "--format", "jsonl", "--"],
      ...["ip", "netns", "exec", NETNS, process.execPath, "-e", code],
    ]);
    expect(status).toBe(0);
    const [journey] = stdout
      .split("\n")
      .filter((line) => line.includes('"nfpath/journey@'))
      .map((line): JourneyContract => JSON.parse(line));
    const listed = await shell("conntrack -L -p udp --orig-port-src 4444 -o id", NETNS);
    const id = Number(/ id=(\d+)/.exec(listed)?.[1]);
    expect(journey?.conntrack).toMatchObject({ id, direction: "original", state: "new" });
    expect(journey?.conntrack?.status).toEqual(expect.arrayContaining(["dnat", "dnat-done"]));
  } finally {
    await deleteNetns(NETNS);
  }
});
