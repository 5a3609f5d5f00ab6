/** `nfpath trace --print-script`: a shell script that does the trace on a host without Node. */
import { type ExitStatus, type Refusal, refusal } from "../app/refusal.ts";
import { scriptFor } from "../app/trace-script.ts";
import { beyondTheFilter } from "../app/trace-tables.ts";
import type { MechanismWord } from "./choices.ts";
import { readFilter } from "./explain.ts";
import { Output } from "./output.ts";
import { sayRefusal } from "./say.ts";
import { type ChoiceFlags, choiceOf } from "./trace-choice.ts";

export interface ScriptFlags extends ChoiceFlags {
  readonly netns: readonly string[];
  readonly for: number;
  readonly rate: number;
  readonly mechanism: MechanismWord;
}

export async function printScriptCommand(
  words: readonly string[],
  userCommand: readonly string[],
  version: string,
  flags: ScriptFlags,
): Promise<ExitStatus> {
  const filterText = words.join(" ");
  const filter = await readFilter(filterText);
  if (!filter.ok) return fail(filter.error);
  if (flags.netns.length > 0 || userCommand.length > 0) {
    const what = flags.netns.length > 0 ? "--netns" : "a command behind --";
    return fail(
      refusal(
        2,
        `--print-script takes no ${what.replace(/^a /, "")}`,
        "start the script where the packets are: ip netns exec NAME sh SCRIPT",
      ),
    );
  }
  const choice = beyondTheFilter(choiceOf(flags));
  if (choice !== null)
    return fail(
      refusal(
        2,
        `--print-script takes no ${choice}: a script chooses by the filter's words alone, with iptables too`,
        "leave it out, or trace with nfpath itself on that host",
      ),
    );
  if (flags.mechanism !== "auto") {
    const hint = `choose it where the script runs: NFPATH_MECHANISM=${flags.mechanism} sh SCRIPT`;
    return fail(refusal(2, "--print-script takes no --mechanism", hint));
  }
  const { for: seconds, rate } = flags;
  const script = scriptFor({ version, filter: filter.value, filterText, seconds, rate });
  if (!script.ok) return fail(script.error);
  await new Output(process.stdout).write(script.value);
  return 0;
}

function fail(error: Refusal): ExitStatus {
  sayRefusal(error);
  return error.status;
}
