/** `nfpath lab run NAME`: one scenario shown, from the story to what became of each packet. */
import { keepScenario, runScenario } from "../app/lab-scenarios.ts";
import type { ExitStatus } from "../app/refusal.ts";
import type { Explained } from "../core/diagnosis/diagnose.ts";
import type { Scenario, Variant } from "../lab/scenarios/scenario.ts";
import { compare } from "../lab/scenarios/verdict.ts";
import type { Format } from "./choices.ts";
import { printerFor } from "./formats.ts";
import { stopSignal } from "./interrupt.ts";
import { Output } from "./output.ts";
import { say, sayRefusal } from "./say.ts";
import { liveSummaryLines, liveSummaryObject, Tally } from "./summary.ts";

export async function runScenarioLab(
  scenario: Scenario,
  variant: Variant,
  format: Format,
): Promise<ExitStatus> {
  const output = new Output(process.stdout);
  const printer = printerFor(format, output);
  const tally = new Tally();
  const stop = stopSignal(output);
  const all: Explained[] = [];
  say(scenario.story);
  await printer.begin();
  const done = await runScenario(
    scenario,
    variant,
    {
      signal: stop.signal,
      onUp: (built) => {
        say(`built ${Object.values(built.namespaces).join(", ")} (${rulesWords(variant)})`);
        say(`tracing ${scenario.trace.filter} in: ${scenario.trace.hosts.join(", ")}`);
      },
    },
    async (explained) => {
      all.push(explained);
      tally.count(explained, true);
      await printer.journey(explained);
    },
  );
  stop.release();
  if (!done.ok) {
    sayRefusal(done.error);
    return done.error.status;
  }
  const { live, objections, witness } = done.value;
  await printer.end(liveSummaryObject(tally, live));
  if (output.isClosed) return 0;
  for (const line of liveSummaryLines(tally, live)) say(line);
  const { wrong, awaited, unseen } = compare(scenario, variant, all, witness);
  for (const what of objections) say(`the kernel did otherwise: ${what}`);
  for (const what of wrong) say(`nfpath is wrong here: ${what}`);
  if (awaited.length > 0) say(`nfpath does not know yet: ${awaited.join(", ")}`);
  for (const packet of unseen) say(`this trace cannot show what became of ${packet}`);
  if (objections.length + wrong.length === 0) say("the kernel's counters agree; the lab is removed");
  if (live.notRestored !== null) return live.notRestored.status;
  return objections.length + wrong.length === 0 ? 0 : 1;
}

export async function scenarioUp(scenario: Scenario, variant: Variant): Promise<ExitStatus> {
  const built = await keepScenario(scenario, variant);
  if (!built.ok) {
    sayRefusal(built.error);
    return built.error.status;
  }
  const { namespaces } = built.value;
  const traced = scenario.trace.hosts.map((host) => `--netns ${namespaces[host]}`).join(" ");
  say(`the lab is up (${rulesWords(variant)}); remove it with: nfpath lab ${scenario.name} down`);
  say(`trace it with: nfpath trace ${traced} '${scenario.trace.filter}'`);
  process.stdout.write(`${JSON.stringify(namespaces)}\n`);
  return 0;
}

function rulesWords(variant: Variant): string {
  return variant === "none" ? "no rules" : `${variant} rules`;
}
