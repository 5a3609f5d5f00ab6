/**
 * Who runs first, judged by a packet: every base chain of both backends logs to one NFLOG group, so one socket hears them in the
 * order in which the kernel called them. Where the kernel lists its hooks, `nft list hooks` is the second judge.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hooksOfHost } from "../../src/app/hooks.ts";
import { netlinkContext } from "../../src/core/events/decode/netlink/context.ts";
import { decodeNetfilterDatagram } from "../../src/core/events/decode/netlink/message.ts";
import type { Event } from "../../src/core/events/event.ts";
import type { HookEntry } from "../../src/core/hooks/hook-entry.ts";
import type { HookMap } from "../../src/core/hooks/hook-map.ts";
import type { Hook } from "../../src/core/netfilter/hook.ts";
import type { HooksContract } from "../../src/core/views/hooks-contract.ts";
import { sendDatagram } from "../../src/linux/datagram.ts";
import { readHookFunctions } from "../../src/linux/hook-list.ts";
import { IS_LITTLE_ENDIAN, MSG_DONTWAIT, poll, recv } from "../../src/linux/libc.ts";
import { closeNetlink, NETLINK_NETFILTER, openNetlink } from "../../src/linux/netlink-socket.ts";
import { inNetns } from "../../src/linux/netns.ts";
import { bindNflogGroup } from "../../src/linux/nflog-socket.ts";
import { findProgram } from "../../src/linux/programs.ts";
import { nfpath } from "../support/cli.ts";
import { addNetns, deleteNetns, shell, stateOf } from "../support/namespaces.ts";
import { programForOthers } from "../support/program-for-others.ts";

const missing = ["nft", "ip", "iptables-legacy", "iptables-nft"].filter(
  (program) => findProgram(program) === null,
);
const lacks =
  process.getuid?.() !== 0 ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : null;
const listsHooks = lacks === null && readHookFunctions(null).ok;

const HOST = `nfpHo${process.pid}`;
const GROUP = 7;

/** What the chains log, and `entryKey` gives: backend, table, chain. */
const log = (table: string, chain: string) => `log group ${GROUP} prefix "nft ${table} ${chain}"`;
const nflog = (backend: string, table: string, chain: string) =>
  `-j NFLOG --nflog-group ${GROUP} --nflog-prefix "${backend} ${table} ${chain}"`;

const LEGACY = Object.entries({
  raw: ["PREROUTING", "OUTPUT"],
  mangle: ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
  nat: ["OUTPUT", "POSTROUTING"],
  filter: ["INPUT", "OUTPUT"],
}).flatMap(([table, chains]) =>
  chains.map((chain) => `iptables-legacy -t ${table} -A ${chain} ${nflog("xtables", table, chain)}`),
);

const base = (chain: string, type: string, hook: string, priority: string) =>
  `nft 'add chain inet fw ${chain} { type ${type} hook ${hook} priority ${priority}; }'; nft 'add rule inet fw ${chain} ${log("fw", chain)}'`;

/** Priorities that legacy does not have, names that do not sort like them, and nat at a priority of its own. */
const NFT = [
  "nft add table inet fw",
  base("zebra", "filter", "input", "-175"),
  base("apple", "filter", "input", "25"),
  base("out_early", "filter", "output", "-350"),
  base("out_late", "filter", "output", "10"),
  base("pre", "filter", "prerouting", "-250"),
  base("post", "filter", "postrouting", "300"),
  base("nat_out", "nat", "output", "-90"),
  base("nat_post", "nat", "postrouting", "50"),
  "nft 'add rule inet fw zebra ct state invalid counter'",
];

describe.skipIf(lacks !== null)(`nfpath hooks, live${lacks === null ? "" : ` (skipped: ${lacks})`}`, () => {
  beforeAll(async () => {
    await addNetns(HOST);
    await shell([...LEGACY, ...NFT].join("\n"), HOST);
  });
  afterAll(() => deleteNetns(HOST));

  test("the order is the one in which a packet meets the chains", async () => {
    const heard = packetWay();
    const map = await mapNow();
    const foretold = (["output", "postrouting", "prerouting", "input"] as const).flatMap((hook) =>
      chainsAt(map, hook),
    );
    // Over loopback the packet's connection has its mapping when it comes back in: nat is asked on the way out only.
    expect(heard).toEqual(foretold);
    expect(heard).toContain("nft fw nat_post");
    expect(heard.indexOf("nft fw nat_post")).toBeLessThan(heard.indexOf("xtables nat POSTROUTING"));
    expect(heard.indexOf("xtables nat OUTPUT")).toBeLessThan(heard.indexOf("nft fw nat_out"));
  });

  test("of two with one priority the younger is called first", async () => {
    await shell(base("twin", "filter", "input", "0"), HOST);
    try {
      const heard = packetWay();
      expect(heard.indexOf("nft fw twin")).toBe(heard.indexOf("xtables filter INPUT") - 1);
      const input = (await mapNow()).stations.find((one) => one.family === "ip" && one.hook === "input");
      const twins = input?.entries.filter((entry) => entry.priority === 0) ?? [];
      expect(twins).toHaveLength(2);
      if (listsHooks) expect(twins.map(entryKey)).toEqual(["nft fw twin", "xtables filter INPUT"]);
      else expect(twins.every((entry) => entry.isOrderUnknown)).toBe(true);
    } finally {
      await shell("nft delete chain inet fw twin", HOST);
    }
  });

  test("a dormant table is listed, and its chains are not called", async () => {
    await shell(
      `nft 'add table ip asleep { flags dormant; }'
       nft 'add chain ip asleep input { type filter hook input priority 5; }'
       nft 'add rule ip asleep input ${log("asleep", "input")}'`,
      HOST,
    );
    try {
      expect(packetWay()).not.toContain("nft asleep input");
      const input = (await mapNow()).stations.find((one) => one.family === "ip" && one.hook === "input");
      const asleep = input?.entries.find((entry) => entry.chain?.table === "asleep");
      expect(asleep?.doubt).toBe("not called: its table is dormant");
    } finally {
      await shell("nft delete table ip asleep", HOST);
    }
  });

  test("the command says it, counts packets, and leaves everything as it was", async () => {
    const before = await stateOf(HOST);
    const { status, stdout } = await nfpath(["hooks", "--netns", HOST, "--format", "json"]);
    expect(status).toBe(0);
    expect(await stateOf(HOST)).toBe(before);
    const { schema, namespaces } = JSON.parse(stdout) as HooksContract;
    expect(schema).toBe("nfpath/hooks@1");
    const input = namespaces[0]?.hooks.find((one) => one.family === "ip" && one.hook === "input");
    expect(input?.bothBackends).toBe(true);
    const filter = input?.functions.find((one) => one.chain?.table === "filter");
    expect(Number(filter?.chain?.packets?.count)).toBeGreaterThan(0);
    expect(input?.functions.some((one) => one.role === "conntrack" && one.priority === 2 ** 31 - 1)).toBe(
      true,
    );
    expect(namespaces[0]?.notes.find((note) => note.kind === "both-backends")?.text).toContain(
      "ip prerouting",
    );
  });

  test("without root it says what it needs", async () => {
    const words = [...programForOthers(), "hooks", "--netns", HOST];
    const run = await shell(
      `setpriv --bounding-set -all --inh-caps -all ${words.join(" ")} 2>&1 || echo status $?`,
    );
    expect(run).toContain("reading a host's rules needs CAP_NET_ADMIN and CAP_SYS_ADMIN; run it with sudo");
    expect(run).toContain("status 3");
  });

  test.skipIf(!listsHooks)(
    `the same functions as nft list hooks${listsHooks ? "" : " (skipped: this kernel does not list its hooks)"}`,
    async () => {
      const map = await mapNow();
      expect(map.source).toBe("kernel");
      const listed = hooksInText(await shell("nft list hooks", HOST));
      const ours = map.stations.flatMap((station) =>
        station.family === "netdev"
          ? []
          : station.entries.map((entry) => `${station.family} ${station.hook} ${entry.priority}`),
      );
      expect(ours.toSorted()).toEqual(listed.toSorted());
    },
  );
});

async function mapNow(): Promise<HookMap> {
  const report = await hooksOfHost([HOST]);
  if (!report.ok) throw new Error(report.error.message);
  return report.value.maps[0] as HookMap;
}

function entryKey({ chain, role }: HookEntry): string {
  return chain === null ? role : `${chain.backend} ${chain.table} ${chain.name}`;
}

/** The chains that log, as a packet that goes out and in over loopback must meet them. */
function chainsAt(map: HookMap, hook: Hook): readonly string[] {
  const station = map.stations.find((one) => one.family === "ip" && one.hook === hook);
  return (station?.entries ?? [])
    .flatMap((entry) => (entry.role === "nat" ? entry.inside : [entry]))
    .filter((entry) => entry.chain !== null && (entry.chain.rules ?? 0) > 0)
    .map(entryKey);
}

let port = 20_000;

/** Sends one datagram of a new connection and hears who logs it. */
function packetWay(): readonly string[] {
  return inNetns(HOST, () => {
    const fd = openNetlink(NETLINK_NETFILTER);
    try {
      bindNflogGroup(fd, GROUP, 64, () => {});
      sendDatagram("127.0.0.1", port++, "who is first?");
      const events: Event[] = [];
      const context = netlinkContext(HOST, () => null, IS_LITTLE_ENDIAN);
      const buffer = Buffer.alloc(65_536);
      // The answer, an ICMP error, goes the same way back: only what was sent counts.
      while ((poll([fd], 300)[0] ?? 0) !== 0) {
        const length = recv(fd, buffer, MSG_DONTWAIT);
        if (length > 0)
          decodeNetfilterDatagram(
            { bytes: Buffer.from(buffer.subarray(0, length)), start: 0, end: length },
            null,
            context,
            events,
          );
      }
      return events.flatMap((event) =>
        event.kind === "log" && event.sighting.packet?.protocol === "udp" ? [event.prefix] : [],
      );
    } finally {
      closeNetlink(fd);
    }
  });
}

/** `family hook priority` of each line. The order is not taken: nft 1.0.6 turns round those that share a priority. */
function hooksInText(text: string): readonly string[] {
  const found: string[] = [];
  let family = "";
  let hook = "";
  for (const line of text.split("\n")) {
    const [, familyName] = /^family (\w+) /.exec(line) ?? [];
    const [, hookName] = /^\thook (\w+) /.exec(line) ?? [];
    const [, priority] = /^\t\t\s?([-+]?\d+) /.exec(line) ?? [];
    if (familyName !== undefined) family = familyName;
    else if (hookName !== undefined) hook = hookName;
    else if (priority !== undefined) found.push(`${family} ${hook} ${Number(priority)}`);
  }
  return found;
}
