/** `nfpath hooks`: who runs first. */
import { openInputs } from "../app/explain.ts";
import { type HooksReport, hooksOfFiles, hooksOfHost, onlyFamily } from "../app/hooks.ts";
import { type ExitStatus, type Refusal, refusal } from "../app/refusal.ts";
import { type Result, refused } from "../core/base/result.ts";
import type { HookMap } from "../core/hooks/hook-map.ts";
import { hooksContract } from "../core/views/hooks-contract.ts";
import { markdownHooks } from "../core/views/hooks-markdown.ts";
import { describeHooks } from "../core/views/hooks-tree.ts";
import type { HookFamily, HooksFormat } from "./choices.ts";
import { Output } from "./output.ts";
import { painter, wantsColour } from "./paint.ts";
import { say, sayRefusal } from "./say.ts";
import { columnsOf, glyphsFor } from "./terminal.ts";

export interface HooksFlags {
  readonly netns: readonly string[];
  readonly rules: readonly string[];
  readonly family?: HookFamily;
  readonly format: HooksFormat;
}

export async function hooksCommand(files: readonly string[], flags: HooksFlags): Promise<ExitStatus> {
  const { family } = flags;
  const report = await read(files, flags);
  if (!report.ok) {
    sayRefusal(report.error);
    return report.error.status;
  }
  const { maps, notes } = report.value;
  const shown = family === undefined ? maps : maps.map((map) => onlyFamily(map, family));
  const output = new Output(process.stdout);
  await output.write(textOf(shown, flags.format, output));
  if (!output.isClosed) for (const note of notes) say(note);
  return 0;
}

async function read(files: readonly string[], flags: HooksFlags): Promise<Result<HooksReport, Refusal>> {
  const isFromFiles = files.length > 0 || flags.rules.length > 0;
  if (!isFromFiles) return hooksOfHost(flags.netns.length === 0 ? [null] : flags.netns);
  if (flags.netns.length > 0)
    return refused(refusal(2, "--netns and files", "name files, or a namespace of this host, not both"));
  const inputs = openInputs(files.filter((name) => !flags.rules.includes(name)));
  if (!inputs.ok) return inputs;
  const ruleInputs = openInputs(flags.rules);
  if (!ruleInputs.ok) return ruleInputs;
  return hooksOfFiles(inputs.value, ruleInputs.value);
}

function textOf(maps: readonly HookMap[], format: HooksFormat, output: Output): string {
  switch (format) {
    case "json":
      return `${JSON.stringify(hooksContract(maps), null, 2)}\n`;
    case "md":
      return `${maps.flatMap(markdownHooks).join("\n")}\n`;
    case "tree": {
      const paint = painter(wantsColour(output.stream, process.env));
      const options = { columns: columnsOf(output.stream), glyphs: glyphsFor(process.env) };
      const lines = maps.flatMap((map) => describeHooks(map, options));
      while (lines.at(-1)?.length === 0) lines.pop();
      return `${lines.map(paint).join("\n")}\n`;
    }
  }
}
