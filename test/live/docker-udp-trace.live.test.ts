import { describe, expect, test } from "vitest";
import { runDockerUdp } from "../../src/app/lab.ts";
import { type JourneyContract, journeyContract } from "../../src/core/views/contract.ts";
import { type Backend, whatTheLabLacks } from "../../src/lab/requirements.ts";
import { listNetns } from "../../src/linux/netns.ts";
import { DOCKER_UDP_CAUSES } from "../support/docker-udp.ts";

const lacks = await whatTheLabLacks();

describe.skipIf(lacks !== null)(
  `the lab traced live${lacks === null ? "" : ` (skipped: ${lacks.message})`}`,
  () => {
    const runs = new Map<Backend, readonly JourneyContract[]>();

    test.each<Backend>(["legacy", "nft"])("%s: three exchanges are explained", async (backend) => {
      const before = listNetns();
      const journeys: JourneyContract[] = [];
      const signal = new AbortController().signal;
      const done = await runDockerUdp({ backend, signal }, (explained) => {
        journeys.push(journeyContract(explained));
      });
      if (!done.ok) throw new Error(`${done.error.message}; ${done.error.hint}`);
      runs.set(backend, journeys);

      expect(done.value.exchange.echoes.map((echo) => [echo.sent, echo.isSame])).toEqual([
        [1483, true],
        [1485, true],
        [1498, true],
      ]);
      expect(
        journeys.map((journey) => [journey.packet.sport, journey.outcome.verdict, journey.outcome.out]),
      ).toEqual([
        [38495, "forwarded", "docker0"],
        [10370, "forwarded", "eth0"],
        [38495, "forwarded", "docker0"],
        [10370, "forwarded", "eth0"],
        [38495, "forwarded", "docker0"],
        [10370, "forwarded", "eth0"],
      ]);
      expect(journeys.map((journey) => journey.packet.length)).toEqual([1511, 1511, 1513, 1513, 1526, 1526]);
      expect(rulesOf(journeys[0])).toContain("nat DOCKER 31 DNAT");
      expect(rulesOf(journeys[0])).toContain("filter DOCKER 30 ACCEPT");
      expect(journeys.map((journey) => journey.findings.map((finding) => finding.cause).sort())).toEqual(
        DOCKER_UDP_CAUSES,
      );
      expect(done.value.live.events.unparsed).toBe(0);
      expect(done.value.live.events.gap).toBe(0);
      expect(listNetns()).toEqual(before);
    });

    test("legacy and nft give the same journeys, apart from handles and the steps only nft reports", () => {
      const [legacy, nft] = [runs.get("legacy"), runs.get("nft")];
      expect(legacy).toBeDefined();
      expect(nft?.map(comparable)).toEqual(legacy?.map(comparable));
    });
  },
);

function rulesOf(journey: JourneyContract | undefined): readonly string[] {
  return (journey?.steps ?? []).flatMap((step) =>
    step.rule === null ? [] : [`${step.table} ${step.chain} ${step.rule.number} ${step.target}`],
  );
}

/**
 * What does not depend on the run or on the kernel's code that told it. nft reports the end of a base chain besides its
 * policy: what had changed before is told there, and before the policy by legacy.
 */
function comparable(journey: JourneyContract): unknown {
  const { ipId: _id, ...packet } = journey.packet;
  const steps: unknown[] = [];
  let carried: JourneyContract["steps"][number]["changes"] = [];
  for (const step of journey.steps) {
    if (step.own) continue;
    const { hook, table, chain, kind, rule, verdict, target } = step;
    const changes = [...carried, ...step.changes];
    carried = kind === "end" ? changes : [];
    if (kind === "end") continue;
    const text = rule === null ? null : `${rule.number} ${rule.text}`;
    steps.push({ hook, table, chain, kind, text, verdict, target, changes });
  }
  const causes = journey.findings.map((finding) => finding.cause);
  return { packet, steps, outcome: journey.outcome, causes, answeredBy: journey.answeredBy?.id ?? null };
}
