/**
 * The scenarios of test/cases, recorded anew by this machine's kernel: what it prints is read, and explained as what the
 * kernel printed where the cases were made. Their files are kept, see guest/run.sh.
 */
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import type { JourneyContract } from "../../src/core/views/contract.ts";
import { root } from "../support/cli.ts";
import { explainInputs } from "../support/explained.ts";
import { shell } from "../support/namespaces.ts";
import { textInput } from "../support/text-inputs.ts";

const CASES = join(root, "test/cases");
const KEPT = "/run/kept/cases";
const here = `linux-${release().split(".").slice(0, 2).join(".")}-`;
const COMMITTED = "linux-6.18-";
const SYN = 0x02;
type Step = JourneyContract["steps"][number];
const scenarios = readdirSync(CASES)
  .filter((name) => name.startsWith(COMMITTED))
  .map((name) => name.slice(COMMITTED.length));

beforeAll(() => shell("modprobe nf_log_syslog"));

it.each(scenarios)("%s", async (scenario) => {
  await shell(`cd ${root} && ${process.execPath} scripts/record-cases.js ${scenario}`);
  cpSync(join(CASES, here + scenario), join(KEPT, here + scenario), { recursive: true });
  const [committed, recorded] = [await explained(COMMITTED + scenario), await explained(here + scenario)];
  expect(recorded.unparsed).toEqual([]);
  expect(recorded.journeys.map(comparable)).toEqual(committed.journeys.map(comparable));
});

async function explained(name: string) {
  const files = readdirSync(join(CASES, name)).filter(
    (file) => file !== "case.md" && file !== "expected.txt",
  );
  const inputs = files.map((file) => textInput(file, readFileSync(join(CASES, name, file), "utf8")));
  const { journeys, report } = await explainInputs(inputs);
  return { journeys: journeys.filter(isSentByTheCase), unparsed: report.unparsed };
}

/** Routers and listeners of multicast are asked for when the kernel likes; how a connection ends depends on who is quicker. */
function isSentByTheCase({ packet }: JourneyContract): boolean {
  const isSolicited = packet.dst?.startsWith("ff02:") ?? false;
  return !isSolicited && (packet.tcpFlags === null || (packet.tcpFlags & SYN) !== 0);
}

/** What depends on the kernel, and not on the run: no time, no identification, no number that the kernel chose. */
function comparable({ packet, steps, outcome, findings, gaps, answeredBy }: JourneyContract): unknown {
  const { ipId: _, ...headers } = packet;
  return {
    headers,
    steps: steps
      .filter(isSaid)
      .map(({ hook, family, table, chain, kind, rule, verdict, target, to, ...seen }) => ({
        ...{
          hook,
          family,
          table,
          chain,
          kind,
          number: seen.number,
          verdict,
          target,
          to,
          changes: seen.changes,
        },
        ...{ rule: rule?.text, in: seen.in, out: seen.out, mark: seen.mark, note: seen.note },
      })),
    outcome,
    findings: findings.map(({ cause, what, why }) => ({ cause, what, why })),
    gaps,
    isAnswered: answeredBy !== null,
  };
}

/** Of chains of nftables 6.1 also reports that their rules ran out, without a number; nft prints no such line of newer ones. */
function isSaid({ kind, number }: Step): boolean {
  return number !== null || (kind !== "end" && kind !== "return");
}
