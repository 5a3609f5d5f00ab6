/** Snapshots as evidence. Taking one is tried in `test/live`, where there is a host to take it of. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SNAPSHOT_SCHEMA } from "../../src/core/hosts/host.ts";
import { nfpath } from "../support/cli.ts";
import { listedHost } from "../support/listed-host.ts";
import { TraceLog } from "../support/trace-log.ts";

let folder = "";
const file = (name: string) => join(folder, name);

const HOST = {
  ...listedHost(
    "203.0.113.0/24 dev eth0 proto kernel scope link\n172.18.0.0/16 dev docker0 proto kernel scope link",
  ),
  netns: "router",
  rulesets: [
    {
      command: "iptables-legacy-save",
      text: "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -o docker0 -j DROP\nCOMMIT\n",
    },
  ],
};
const packet = { src: "203.0.113.9", dst: "172.18.0.2", in: "eth0" };
const LOG = new TraceLog()
  .at("raw:PREROUTING:policy:1", packet)
  .at("filter:FORWARD:rule:1", { ...packet, out: "docker0", ttl: 63 }).text;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "nfpath-snapshot-"));
  const snapshot = JSON.stringify({ schema: SNAPSHOT_SCHEMA, kernel: "6.1.0", hosts: [HOST] }, null, 1);
  writeFileSync(file("host.json"), snapshot);
  writeFileSync(file("cut.json"), snapshot.slice(0, 300));
  writeFileSync(
    file("routes.json"),
    JSON.stringify([{ dst: "172.18.0.0/16", dev: "docker0", flags: [] }], null, 2),
  );
  writeFileSync(file("trace.log"), LOG);
});

afterAll(() => rmSync(folder, { recursive: true }));

describe("nfpath explain with a snapshot", () => {
  test("knows its rules and its routes, wherever it stands among the inputs", async () => {
    const first = await nfpath(["explain", file("host.json"), file("trace.log")]);
    const last = await nfpath(["explain", file("trace.log"), file("host.json")]);
    expect(first).toMatchObject({ status: 0, stdout: last.stdout });
    expect(first.stdout).toContain("-o docker0 -j DROP");
    expect(first.stdout).toMatch(/routing\s+to docker0 by 172\.18\.0\.0\/16 of table main/);
  });

  test("and with the JSON of ip route, over standard input", async () => {
    const { status, stdout } = await nfpath(["explain", "-", file("routes.json")], { input: LOG });
    expect(status).toBe(0);
    expect(stdout).toMatch(/to docker0 by 172\.18\.0\.0\/16 of table main/);
  });

  test("refuses one that is cut, and one without packets, with what to do", async () => {
    const cut = await nfpath(["explain", file("cut.json"), file("trace.log")]);
    expect([cut.status, cut.stderr]).toEqual([2, expect.stringContaining("cut or damaged")]);
    const alone = await nfpath(["explain", file("routes.json")]);
    expect([alone.status, alone.stderr]).toEqual([
      2,
      expect.stringContaining("what a host is like, but no trace to explain with them"),
    ]);
  });
});
