/** `nfpath trace --print-script`: a shell script that does the trace on a host without Node. */
import { type ExitStatus, type Refusal, refusal } from "../app/refusal.ts";
import { scriptFor } from "../app/trace-script.ts";
import { readFilter } from "./explain.ts";
import { Output } from "./output.ts";
import { sayRefusal } from "./say.ts";

export interface ScriptFlags {
  readonly netns: readonly string[];
  readonly for: number;
  readonly rate: number;
  readonly family: readonly string[];
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
  readonly follow?: boolean;
  readonly first?: number;
  readonly sample?: number;
  readonly fragments: boolean;
}

export async function printScriptCommand(
  words: readonly string[],
  userCommand: readonly string[],
  version: string,
  flags: ScriptFlags,
): Promise<ExitStatus> {
  const filterText = words.join(" ");
  const filter = readFilter(filterText);
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
  const choice = choiceBeyond(flags);
  if (choice !== null)
    return fail(
      refusal(
        2,
        `--print-script takes no ${choice}: a script chooses by the filter's words alone, with iptables too`,
        "leave it out, or trace with nfpath itself on that host",
      ),
    );
  const { for: seconds, rate } = flags;
  const script = scriptFor({ version, filter: filter.value, filterText, seconds, rate });
  if (!script.ok) return fail(script.error);
  await new Output(process.stdout).write(script.value);
  return 0;
}

/** The first choice that a script could not make with all of its mechanisms. */
function choiceBeyond(flags: ScriptFlags): string | null {
  if (flags.follow === true) return "--follow";
  if (flags.first !== undefined) return "--first";
  if (flags.sample !== undefined) return "--sample";
  if (flags.fragments) return "--fragments";
  if (flags.ingress.length > 0) return "--ingress";
  if (flags.egress.length > 0) return "--egress";
  return flags.family.some((family) => family !== "inet") ? "--family" : null;
}

function fail(error: Refusal): ExitStatus {
  sayRefusal(error);
  return error.status;
}
