/** The lab in the real kernel: what it builds is judged by the official tools, and that nothing of it stays behind. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { type Lab, labUp } from "../../src/lab/docker-udp.ts";
import { removeLabs } from "../../src/lab/lab-namespaces.ts";
import { LabRegister } from "../../src/lab/lab-register.ts";
import { type Backend, whatTheLabLacks } from "../../src/lab/requirements.ts";

const BACKENDS: readonly Backend[] = ["legacy", "nft"];
const lacks = new Map(await Promise.all(BACKENDS.map(async (b) => [b, await whatTheLabLacks(b)] as const)));

let directory: string;
let register: LabRegister;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "nfpath-lab-"));
  register = new LabRegister(join(directory, "labs"));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  // Labs of a test that failed, whoever owns them.
  for (const { id } of register.labs()) register.add({ id, owner: null });
  await removeLabs(register);
  rmSync(directory, { recursive: true });
});

async function up(backend: Backend, isKept = false): Promise<Lab> {
  const lab = await labUp({ backend, isKept, register });
  if (!lab.ok) throw new Error(`${lab.error.message}; ${lab.error.hint}`);
  return lab.value;
}

function inside(namespace: string, program: string, ...args: readonly string[]): string {
  return execFileSync("nsenter", [`--net=/run/netns/${namespace}`, program, ...args], { encoding: "utf8" });
}

/** Rules of a chain as `iptables -S` has them, in order. */
function rules(lab: Lab, table: string, chain: string): readonly string[] {
  const text = inside(lab.namespaces.forwarder, `iptables-${lab.backend}`, "-t", table, "-S", chain);
  return text.split("\n").filter((line) => line.startsWith("-A "));
}

function namespacesOf(lab: Lab): readonly string[] {
  return Object.values(lab.namespaces).filter((name) => existsSync(join("/run/netns", name)));
}

/** Of the namespace the tests run in: nothing here may change. */
function hostState(): string {
  const settings = ["net/ipv4/ip_forward", "net/ipv4/ip_default_ttl", "net/netfilter/nf_log_all_netns"];
  return [
    execFileSync("ip", ["-oneline", "address"], { encoding: "utf8" }),
    execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" }),
    ...settings.map((path) => readFileSync(join("/proc/sys", path), "utf8")),
  ].join("");
}

describe.each(BACKENDS)("the docker-udp lab, %s (needs root and netfilter)", (backend) => {
  const lack = lacks.get(backend) ?? null;

  describe.skipIf(lack !== null)(lack?.message ?? "in the kernel", () => {
    it("has the article's rules under the article's numbers", async () => {
      const lab = await up(backend);
      const listing = inside(
        lab.namespaces.forwarder,
        `iptables-${backend}`,
        "-t",
        "nat",
        "-L",
        "DOCKER",
        "-n",
        "--line-numbers",
      );
      expect(listing).toMatch(/^31 +DNAT .* udp dpt:10370 to:172\.18\.0\.2:10370$/m);
      expect(rules(lab, "nat", "DOCKER")[0]).toBe("-A DOCKER -i docker0 -j RETURN");
      expect(rules(lab, "nat", "DOCKER")).toHaveLength(101);
      expect(rules(lab, "nat", "POSTROUTING")).toHaveLength(101);
      expect(rules(lab, "filter", "DOCKER")[30 - 1]).toContain("--dport 10370 -j ACCEPT");
      expect(rules(lab, "filter", "FORWARD")).toEqual([
        "-A FORWARD -j DOCKER-ISOLATION",
        "-A FORWARD -o docker0 -j DOCKER",
        "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
        "-A FORWARD -i docker0 -o docker0 -j ACCEPT",
      ]);
      await lab.down();
    });

    it("has all five tables, and only those of its backend", async () => {
      const lab = await up(backend);
      const legacy = inside(lab.namespaces.forwarder, "cat", "/proc/thread-self/net/ip_tables_names");
      const nft = inside(lab.namespaces.forwarder, "nft", "list", "tables");
      const tables = ["filter", "mangle", "nat", "raw", "security"];
      expect(legacy.split("\n").filter(Boolean).sort()).toEqual(backend === "legacy" ? tables : []);
      expect(nft.match(/(?<=table ip )\w+/g)?.sort() ?? []).toEqual(backend === "nft" ? tables : []);
      await lab.down();
    });

    it("echoes the article's three datagrams, whose answers come by the published port", async () => {
      const lab = await up(backend);
      const exchange = await lab.runExchange();
      expect(exchange).toMatchObject({
        ok: true,
        value: {
          echoes: [
            { sent: 1483, received: 1483, isSame: true },
            { sent: 1485, received: 1485, isSame: true },
            { sent: 1498, received: 1498, isSame: true },
          ],
        },
      });
      await lab.down();
    });

    it("says of each datagram that it was not answered when a rule drops it", async () => {
      const lab = await up(backend);
      inside(lab.namespaces.forwarder, `iptables-${backend}`, "-I", "FORWARD", "1", "-j", "DROP");
      const exchange = await lab.runExchange({ payloads: [10, 20], waitMs: 100 });
      expect(exchange).toMatchObject({
        ok: true,
        value: {
          echoes: [
            { sent: 10, received: null },
            { sent: 20, received: null },
          ],
        },
      });
      await lab.down();
    });

    it("leaves nothing behind", async () => {
      const before = hostState();
      const lab = await up(backend);
      expect(namespacesOf(lab)).toHaveLength(3);
      await lab.runExchange({ payloads: [100] });
      expect(await lab.down()).toEqual({ ok: true, value: undefined });
      expect(await lab.down()).toEqual({ ok: true, value: undefined });
      expect(namespacesOf(lab)).toEqual([]);
      expect(register.labs()).toEqual([]);
      expect(hostState()).toBe(before);
    });

    it("removes what it built when a later step is refused, and says which", async () => {
      const program = `iptables-${backend}-restore`;
      writeFileSync(join(directory, program), "#!/bin/sh\necho the table is full >&2\nexit 4\n");
      chmodSync(join(directory, program), 0o755);
      vi.stubEnv("PATH", `${directory}:${process.env.PATH}`);
      const ids: string[] = [];
      const add = register.add.bind(register);
      vi.spyOn(register, "add").mockImplementation((lab) => {
        ids.push(lab.id);
        return add(lab);
      });
      const lab = await labUp({ backend, register });
      expect(lab).toMatchObject({ ok: false, error: { kind: "program-failed" } });
      expect(lab.ok ? "" : lab.error.message).toContain("the table is full");
      expect(ids).toHaveLength(1);
      expect(execFileSync("ip", ["netns", "list"], { encoding: "utf8" })).not.toContain(ids[0]);
      expect(register.labs()).toEqual([]);
    });
  });
});

const lack = lacks.get("legacy") ?? null;

describe.skipIf(lack !== null)(
  `several docker-udp labs (needs root and netfilter): ${lack?.message ?? ""}`,
  () => {
    it("do not disturb each other", async () => {
      const labs = await Promise.all([up("legacy"), up("legacy")]);
      const exchanges = await Promise.all(labs.map((lab) => lab.runExchange({ payloads: [1483] })));
      for (const exchange of exchanges)
        expect(exchange).toMatchObject({ ok: true, value: { echoes: [{ isSame: true }] } });
      await labs[0].down();
      expect(namespacesOf(labs[0])).toEqual([]);
      expect(namespacesOf(labs[1])).toHaveLength(3);
      await labs[1].down();
    });

    it("are removed by name when a person kept them or their process died, and not while one is in use", async () => {
      const kept = await up("legacy", true);
      const inUse = await up("legacy");
      const orphan = await up("legacy");
      const { pid: dead } = spawnSync(process.execPath, ["--eval", ""]);
      register.add({ id: orphan.id, owner: dead });

      const removed = await removeLabs(register);

      const names = [kept, orphan].flatMap((lab) => Object.values(lab.namespaces));
      expect(removed.ok && [...removed.value].sort()).toEqual(names.sort());
      expect([kept, orphan].flatMap(namespacesOf)).toEqual([]);
      expect(namespacesOf(inUse)).toHaveLength(3);
      await inUse.down();
      expect(await removeLabs(register)).toEqual({ ok: true, value: [] });
    });

    it("can be half gone already when they are removed", async () => {
      const lab = await up("legacy");
      execFileSync("ip", ["netns", "delete", lab.namespaces.container]);
      expect(await lab.down()).toEqual({ ok: true, value: undefined });
      expect(namespacesOf(lab)).toEqual([]);
    });
  },
);
