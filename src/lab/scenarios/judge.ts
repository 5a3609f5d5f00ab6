/** The kernel's word on a scenario: counters of the stack and of rules, what was received, what `ip` says. */
import { setTimeout as sleep } from "node:timers/promises";
import { assertNever, ok, type Result } from "../../core/base/result.ts";
import { runProcess } from "../../linux/process.ts";
import type { HostRefusal } from "../../linux/refusal.ts";
import type { BuiltScenario } from "./build.ts";
import { readCounters } from "./counters.ts";
import type { Players } from "./play.ts";
import { readRuleCounts } from "./rule-counts.ts";
import { forVariant, type Proof } from "./scenario.ts";

/** A fragment that never comes is missed after a second, a neighbour after several tries. */
const PATIENCE_MS = 10_000;
const ASK_EVERY_MS = 30;

/** Asks until every proof holds, or patience is at its end. @returns what does not hold, a sentence each */
export async function judge(
  built: BuiltScenario,
  players: Players,
): Promise<Result<readonly string[], HostRefusal>> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const failed: string[] = [];
    for (const proof of built.scenario.proofs) {
      const seen = await look(proof, built, players);
      if (!seen.ok) return seen;
      const { holds, says } = seen.value;
      if (!holds) failed.push(says);
    }
    if (failed.length === 0 || performance.now() > deadline) return ok(failed);
    await sleep(ASK_EVERY_MS);
  }
}

interface Seen {
  readonly holds: boolean;
  readonly says: string;
}

async function look(
  proof: Proof,
  { namespaces, variant }: BuiltScenario,
  players: Players,
): Promise<Result<Seen, HostRefusal>> {
  const netns = namespaces[proof.host] ?? "";
  const at = (what: string, is: number | string, should: number | string) =>
    `${proof.host}: ${what} is ${is}, and not ${should}`;
  switch (proof.kind) {
    case "counter": {
      const value = readCounters(netns).get(proof.name) ?? 0;
      const holds = proof.orMore ? value >= proof.is : value === proof.is;
      return ok({ holds, says: at(proof.name, value, proof.is) });
    }
    case "rule": {
      const place = forVariant(proof.at, variant);
      const counts = await readRuleCounts(netns, variant);
      if (!counts.ok) return counts;
      const packets = counts.value.get(place) ?? -1;
      return ok({
        holds: packets === proof.packets,
        says: at(`packets of ${place}`, packets, proof.packets),
      });
    }
    case "received": {
      const received = await players.received(proof.host);
      if (!received.ok) return received;
      const times = received.value[proof.port] ?? 0;
      return ok({
        holds: times === proof.times,
        says: at(`received at port ${proof.port}`, times, proof.times),
      });
    }
    case "ip": {
      const said = await runProcess("ip", ["-netns", netns, ...proof.words.split(" ")]);
      if (!said.ok) return said;
      const text = said.value.stdout + said.value.stderr;
      return ok({ holds: text.includes(proof.says), says: at(`ip ${proof.words}`, text.trim(), proof.says) });
    }
    default:
      return assertNever(proof);
  }
}
