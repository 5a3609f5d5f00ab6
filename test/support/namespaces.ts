/** Network namespaces for tests against the real kernel, and what must be the same there afterwards. */
import { inNetns } from "../../src/linux/netns.ts";
import { readLogger } from "../../src/linux/nf-log.ts";
import { runSuccessfully } from "../../src/linux/process.ts";

/** Runs shell lines; throws with what failed. */
export async function shell(lines: string, netns: string | null = null): Promise<string> {
  const run = await runSuccessfully("sh", ["-ec", lines], { netns });
  if (!run.ok) throw new Error(run.error.message);
  return run.value;
}

export async function addNetns(name: string): Promise<void> {
  await shell(`ip netns add ${name}; ip -n ${name} link set lo up`);
}

export async function deleteNetns(name: string): Promise<void> {
  await shell(`ip netns delete ${name}`);
}

/** A cable between two namespaces: 192.0.2.1 in the first, 192.0.2.2 in the second. */
export async function addCable(near: string, far: string): Promise<void> {
  await shell(`
    ip -n ${near} link add veth0 type veth peer name veth1 netns ${far}
    ip -n ${near} addr add 192.0.2.1/24 dev veth0; ip -n ${far} addr add 192.0.2.2/24 dev veth1
    ip -n ${near} link set veth0 up; ip -n ${far} link set veth1 up`);
}

/** Rules of both kinds, as each tool lists them, and the loggers, without packet counters and dates: the same text before and after. */
export async function stateOf(netns: string): Promise<string> {
  const listings = await shell(
    `nft -a list ruleset; echo ====
     iptables-legacy-save; ip6tables-legacy-save; iptables-nft-save; ip6tables-nft-save`,
    netns,
  );
  const [nft = "", legacy = ""] = listings.split("====\n");
  const loggers = inNetns(netns, () => [readLogger(2), readLogger(10)]);
  return [nft, legacy.replace(/^#.*$/gm, "").replace(/\[\d+:\d+\]/g, ""), loggers.join(" ")].join("\n----\n");
}

/** Sends UDP datagrams from a namespace; nobody needs to listen. */
export async function sendUdp(netns: string, address: string, port: number, count = 1): Promise<void> {
  const code = `
    const socket = require("node:dgram").createSocket(${address.includes(":") ? '"udp6"' : '"udp4"'});
    socket.on("error", () => {});
    const send = (left) => left === 0 ? socket.close() : socket.send("probe", ${port}, "${address}", () => send(left - 1));
    send(${count});`;
  const run = await runSuccessfully(process.execPath, ["-e", code], { netns });
  if (!run.ok) throw new Error(run.error.message);
}
