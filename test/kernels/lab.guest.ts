/** The lab through the built program, as a person runs it, on this machine's kernel. */

import { expect, it } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { nfpath } from "../support/cli.ts";
import { DOCKER_UDP_CAUSES } from "../support/docker-udp.ts";
import { shell } from "../support/namespaces.ts";

it.each(["legacy", "nft"])("nfpath lab docker-udp run --backend %s", async (backend) => {
  const { status, stdout, stderr } = await nfpath([
    ...["lab", "docker-udp", "run", "--backend", backend, "--format", "jsonl"],
  ]);
  expect([status, stderr]).toEqual([0, expect.stringContaining("6 journeys: 6 forwarded")]);
  const journeys = stdout
    .split("\n")
    .filter((line) => line.includes('"nfpath/journey@'))
    .map((line): JourneyContract => JSON.parse(line));
  expect(journeys.map(({ packet, outcome }) => [packet.sport, outcome.verdict, outcome.out])).toEqual([
    [38495, "forwarded", "docker0"],
    [10370, "forwarded", "eth0"],
    [38495, "forwarded", "docker0"],
    [10370, "forwarded", "eth0"],
    [38495, "forwarded", "docker0"],
    [10370, "forwarded", "eth0"],
  ]);
  const rules = journeys[0]?.steps.flatMap(({ table, chain, rule, target }) =>
    rule === null ? [] : [`${table} ${chain} ${rule.number} ${target}`],
  );
  expect(rules).toContain("nat DOCKER 31 DNAT");
  expect(rules).toContain("filter DOCKER 30 ACCEPT");
  expect(journeys.map(({ findings }) => findings.map(({ cause }) => cause).sort())).toEqual(
    DOCKER_UDP_CAUSES,
  );
  expect(journeys.flatMap(({ gaps }) => gaps)).toEqual([]);
  // With nft's trace it comes since Linux 6.16, with that of legacy tables on these kernels too.
  const directions = ["original", "reply", "original", "reply", "original", "reply"];
  expect(journeys.map(({ conntrack }) => conntrack?.direction ?? null)).toEqual(
    backend === "legacy" ? directions : directions.map(() => null),
  );
  expect(await shell("ip netns list")).toBe("");
});
